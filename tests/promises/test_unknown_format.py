"""What a newer version has stored is not touched: in every phase, by passes, rollouts and requests, until it can be
read. Everything else of the stack goes on.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler import events
from reconciler.model import formats
from reconciler.model.plan import DeferralCode, RefusalCode
from reconciler.reconcile.pass_ import look
from reconciler.rollout.engine import Phase
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.stored_state import KEYS, VERDICT_KEYS
from tests.harness.emulated_stack import CLUSTER, SERVICE
from tests.harness.spec_changes import Document
from tests.harness.transitions import LivingStack, living
from tests.promises.conftest import mostly_slow
from tests.promises.test_changes import IN_FLIGHT, documents_of, with_image

pytestmark = pytest.mark.apart

LONG = 900.0
"""Longer than any deadline of the documents."""
FUTURE = {formats.KEY: "2"}
DAMAGED = (formats.KEY, *sorted({*KEYS.values(), *VERDICT_KEYS}))
READABLE = frozenset({KEYS["quarantine"], KEYS["cleared"], KEYS["request"]})
"""Any words are releases, and a request only asks."""


def service(stack: LivingStack) -> dict[str, Any]:
    ecs = stack.laptop.client("ecs")
    found: dict[str, Any] = ecs.describe_services(cluster=CLUSTER, services=[SERVICE], include=["TAGS"])["services"][0]
    return found


def tags(stack: LivingStack) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in service(stack)["tags"]}


def put(stack: LivingStack, new: dict[str, str]) -> None:
    pairs = [{"key": key, "value": value} for key, value in new.items()]
    stack.laptop.client("ecs").tag_resource(resourceArn=service(stack)["serviceArn"], tags=pairs)


def drop(stack: LivingStack, *keys: str) -> None:
    stack.laptop.client("ecs").untag_resource(resourceArn=service(stack)["serviceArn"], tagKeys=list(keys))


def untouched(stack: LivingStack) -> None:
    """Whoever works on the stack, for longer than any deadline: no write, not even the answer to a request."""
    stack.go(31.0)  # what is under way when the tag is written has been noticed
    stack.watched.writes.clear()
    before = tags(stack)
    stack.restart()
    stack.go(LONG)
    assert not stack.watched.writes
    assert tags(stack) == before
    (result,) = stack.results
    assert result.step is not None
    assert (result.step.phase, result.step.decisions, result.at_rest) == (Phase.BLOCKED, (), True)
    assert [one.details for one in stack.events if one.name == events.READ_ONLY][-1] == {"code": "unknown-format"}
    assert stack.breaches == []


@pytest.fixture(scope="module", params=["blue_green", "rolling"])
def stack(for_a_module: None, request: pytest.FixtureRequest) -> Iterator[LivingStack]:
    with living(documents_of(request.param)) as found:
        yield found


@pytest.mark.slow
def test_a_service_in_an_unknown_format_is_left_as_it_is_in_every_phase(stack: LivingStack) -> None:
    """And goes on where it was once the tag is gone: one rollout, in every phase of which it stood still."""
    engine = stack.results[0].rollout.delivery.policy.engine
    phases = IN_FLIGHT if engine == "task_sets" else (Phase.SCALING_UP,)
    stack.commit(with_image(documents_of("blue_green" if engine == "task_sets" else "rolling"), "v2"))
    stood = []
    for phase in phases:
        if not stack.until(phase, within=600.0):
            continue
        stood.append(phase)
        put(stack, FUTURE)
        untouched(stack)
        drop(stack, formats.KEY)
    assert len(stood) >= min(5, len(phases))
    assert stack.settle()
    assert stack.why_not_in_place() == []
    assert tags(stack)[KEYS["ended"]].split(":")[1] == "Promoted"
    assert [one.name for one in stack.events].count(events.WRITABLE) >= 1


def test_nothing_that_belongs_to_its_rollouts_is_changed_and_everything_else_is(stack: LivingStack) -> None:
    """The plan leaves out the service, its scaling and its task definition, with a code; another resource is made."""
    put(stack, FUTURE)
    stack.go(31.0)
    documents = list(copy.deepcopy(with_image(stack.commits.documents, "v2")))
    next(one for one in documents if one["kind"] == "Service")["desired_count"] = 3
    documents.append({"kind": "Registry", "name": "another"})
    stack.commit(documents)
    stack.go(120.0)
    assert set(stack.watched.writes) == {"ecr.CreateRepository"}
    assert not [one for one in stack.events if one.name == events.IN_PLACE]
    held = {str(one.action.address): one.code for one in stack.last.plan.deferred}
    assert held[f"service/{SERVICE}"] is DeferralCode.UNKNOWN_FORMAT
    assert held[f"task-definition/{SERVICE}"] is DeferralCode.UNKNOWN_FORMAT
    drop(stack, formats.KEY)
    assert stack.settle()
    assert stack.why_not_in_place() == []


def _removed(documents: list[Document]) -> None:
    documents[:] = [one for one in documents if one["kind"] != "Service"]


def test_a_service_that_leaves_stays_with_all_that_it_runs_on(stack: LivingStack) -> None:
    """Requests are answered as before, whatever is removed from the specs with it."""
    put(stack, FUTURE)
    stack.go(31.0)
    documents = list(stack.commits.documents)
    _removed(documents)
    before = stack.outsider.served()
    stack.commit(documents)
    stack.go(LONG)
    assert stack.outsider.served() == before
    assert service(stack)["status"] == "ACTIVE"


@pytest.mark.parametrize("key", mostly_slow(DAMAGED, formats.KEY, KEYS["deadline"], KEYS["request"]))
def test_a_value_that_cannot_be_read_is_not_taken_for_missing(stack: LivingStack, key: str) -> None:
    """Of any tag, while a version is on its way and beside a request. A request itself is only not executed."""
    stack.commit(with_image(stack.commits.documents, "v2"))
    assert stack.until(Phase.SCALING_UP)
    put(stack, {key: "2 what comes"})
    if key in READABLE:
        stack.go(60.0)
        assert not [one for one in stack.events if one.name == events.READ_ONLY]
        return
    (result,) = stack.results
    stack.stage.seen.append(result)
    stack.stage.say(RequestVerb.ABORT)
    untouched(stack)


@pytest.mark.parametrize("value", mostly_slow(["2", "0", "v1"], "2"))
def test_the_requests_for_a_stack_in_an_unknown_format_stop_all_of_it(stack: LivingStack, value: str) -> None:
    """It is not known whether it is suspended, nor which revision is in place."""
    put(stack, {formats.STACK_KEY: value})
    stack.go(31.0)
    stack.watched.writes.clear()
    stack.commit(with_image(stack.commits.documents, "v2"))
    stack.restart()
    stack.go(LONG)
    assert not stack.watched.writes
    assert [one.code for one in stack.last.refusals] == [RefusalCode.UNKNOWN_FORMAT]
    blocked = [one.details for one in stack.events if one.name == events.PLAN_BLOCKED]
    assert blocked[-1] == {"codes": ["unknown-format"]}
    drop(stack, formats.STACK_KEY)
    assert stack.settle()
    assert stack.why_not_in_place() == []


def test_a_stack_is_not_destroyed_around_such_a_service(stack: LivingStack) -> None:
    """The whole plan is refused: what is left would have no network."""
    from dataclasses import replace

    put(stack, FUTURE)
    controller = stack.controller
    assert controller.revisions.active is not None
    desired_state = replace(controller.revisions.active.desired_state, leaving=True)
    _, plan = look(controller.aws, controller.kinds, desired_state)
    assert RefusalCode.UNKNOWN_FORMAT in {one.code for one in plan.refusals}
