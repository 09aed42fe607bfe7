"""What of an update waits for a rollout: less capacity does, and more does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.model.diff import Change, diff
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Action, DeferralCode, Note, Plan, Verb
from reconciler.model.resource import Address, Desired, Observed, Ref, Spec
from reconciler.model.type_registry import discover
from reconciler.reconcile.deferral import deferral
from reconciler.reconcile.filters import Context, agreement
from reconciler.resources.scaling import Policy, ScalingSpec
from reconciler.resources.service import ServiceSpec
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.stored_state import KEYS

SERVICE, SCALING = Address("service", "web"), Address("scaling", "web")
DELIVERY = RolloutSpec(SERVICE, Address("task-definition", "web"))
CPU = Policy(metric="ECSServiceAverageCPUUtilization", target=60.0)


def service(revision: int, count: int) -> ServiceSpec:
    return ServiceSpec(cluster="c", name="web", task_definition=f"web:{revision}", desired_count=count)


def scaling(low: int, high: int, target: float = 60.0) -> ScalingSpec:
    policies = {"cpu": CPU.model_copy(update={"target": target})}
    return ScalingSpec(resource="service/c/web", service="arn", min=low, max=high, policies=policies)


def split(
    address: Address, old: Spec, new: Spec, tags: Mapping[str, str] | None = None, revisions: tuple[str, ...] = ("1",)
) -> tuple[dict[str, Any], dict[str, Any], list[Action]]:
    """Fields that are written now and later, by their new values; and the actions of now."""
    facts = {"item": {}, "task_definitions": revisions}
    there = Observed(SERVICE, "arn", service(1, 4), tags=dict(tags or {}), facts=facts)
    found = Observed(address, "id", old, tags=dict(tags or {}), facts=facts)
    changes = diff(found, new)
    verb = Verb.ROLL if any(change.rolls for change in changes) else Verb.UPDATE
    wanted = Desired(address, new)
    plan = Plan("s", (Action(verb, address, "", changes, old=found, new=wanted),))
    world = ObservedState({"service": [there]})
    left = deferral(plan, world, {address: wanted}, discover(), (DELIVERY,))
    now = {str(change): change.new for action in left.actions for change in action.changes}
    for action in left.actions:
        assert action.new is not None
        assert diff(found, action.new.spec) == action.changes, "what is written is what the action says"
    later = {str(change): change.new for one in left.deferred for change in one.action.changes}
    return now, later, list(left.actions)


def test_a_lower_count_of_the_commit_of_a_version_waits_for_it() -> None:
    """The version is rolled out at the old size."""
    now, later, actions = split(SERVICE, service(1, 4), service(2, 1))
    assert (now, later) == ({"task_definition": "web:2"}, {"desired_count": 1})
    assert [action.verb for action in actions] == [Verb.ROLL]


def test_a_higher_count_does_not_wait() -> None:
    """The version that serves grows first."""
    now, later, _ = split(SERVICE, service(1, 4), service(2, 8))
    assert (now, later) == ({"task_definition": "web:2", "desired_count": 8}, {})


@pytest.mark.parametrize(
    ("tags", "revisions", "waits"),
    [({}, ("1",), False), ({KEYS["deadline"]: "b:warm:1"}, ("1",), True), ({}, ("1", "2"), True)],
)
def test_a_lower_count_alone_waits_only_for_a_rollout(
    tags: dict[str, str], revisions: tuple[str, ...], waits: bool
) -> None:
    """At rest it is written at once; not while two versions run."""
    now, later, _ = split(SERVICE, service(1, 4), service(1, 1), tags, revisions)
    assert (now, later) == (({}, {"desired_count": 1}) if waits else ({"desired_count": 1}, {}))


@pytest.mark.parametrize(
    ("new", "now", "later"),
    [
        (scaling(4, 9), {"min": 4, "max": 9}, {}),
        (scaling(1, 4), {}, {"min": 1, "max": 4}),
        (scaling(1, 9), {"max": 9}, {"min": 1}),
        (scaling(4, 5), {"min": 4}, {"max": 5}),
        (scaling(3, 6, target=30.0), {"min": 3}, {"policies.cpu.target": 30.0}),
    ],
)
def test_bounds_are_raised_at_once_and_lowered_with_the_release(
    new: ScalingSpec, now: dict[str, Any], later: dict[str, Any]
) -> None:
    """Policies decide when tasks go, so they wait, too."""
    found = split(SCALING, scaling(2, 6), new, {KEYS["deadline"]: "b:warm:1"})
    assert found[:2] == (now, later)


def test_what_only_the_rollout_does_is_not_left_out_of_an_approved_plan() -> None:
    """After a rollback, what is declared is not what serves, and nothing is written for it."""
    there = Observed(SERVICE, "arn", service(1, 4), tags={})
    roll, both = (
        Action(Verb.ROLL, SERVICE, "", diff(there, want.spec), old=there, new=want)
        for want in (Desired(SERVICE, service(2, 4)), Desired(SERVICE, service(2, 8)))
    )
    agreed = Context(ObservedState(), {}, discover(), agreed=Plan("s"))
    found = agreement(Plan("s", (roll, both)), agreed)
    assert found.actions == (roll,)
    assert [(one.action, one.code) for one in found.deferred] == [(both, DeferralCode.NOT_APPROVED)]


def test_a_plan_that_waits_for_an_image_approves_the_revision_that_names_it() -> None:
    """That alone: no other resource that is built on the image, no revision without it, and nothing more of one."""
    image, other = Address("image", "web:v1"), Address("image", "other:v1")
    revision = Change(("containers", "web", "image"), "web:v1", "web@sha256:1", release=True)
    wanted = {
        Address("task-definition", "web"): (image, (revision,)),
        Address("task-definition", "other"): (other, (revision,)),
        Address("task-definition", "more"): (image, (revision, Change(("tags",), "", "a"))),
        Address("schedule", "web"): (image, (revision,)),
    }
    desired = {
        at: Desired(at, ServiceSpec(cluster="c", name="web", task_definition=Ref(uses)))
        for at, (uses, _) in wanted.items()
    }
    actions = [Action(Verb.UPDATE, at, "", changes, new=desired[at]) for at, (_, changes) in wanted.items()]
    waiting = Plan("s", warnings=(Note(image, "not pushed"), Note(SERVICE, "waits")))
    found = agreement(Plan("s", tuple(actions)), Context(ObservedState(), desired, discover(), agreed=waiting))
    assert [one.address for one in found.actions] == [Address("task-definition", "web")]
    assert {one.code for one in found.deferred} == {DeferralCode.NOT_APPROVED}
