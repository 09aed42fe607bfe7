"""The drift policy: which differences are drift, and which are a version."""

from __future__ import annotations

import pytest

from reconciler.model.diff import Change
from reconciler.model.plan import Action, Plan, Verb
from reconciler.model.resource import Address, Ref
from reconciler.reconcile.drift import REVERTS, WINDOW_SECONDS, DriftMode, DriftPolicy, DriftRule
from tests.toy import STACK, want

WANTED = want("box", "b", shelf="shelf-1", color="red")
PUSHED = Change(("color",), "image@sha256:old", "image@sha256:new", release=True)
FOLLOWS = Change(("shelf",), "shelf-1", Ref(Address("shelf", "s")))
CHANGED = Change(("color",), "blue", "red")


def settled() -> DriftPolicy:
    policy = DriftPolicy()
    policy.settle({WANTED.address: WANTED})
    return policy


@pytest.mark.parametrize(
    ("change", "mode"),
    [
        *((PUSHED, mode) for mode in (None, *DriftMode)),
        *((FOLLOWS, mode) for mode in (None, DriftMode.ENFORCE, DriftMode.WARN)),
    ],
)
def test_a_new_version_and_what_follows_from_a_change_are_no_drift(change: Change, mode: DriftMode | None) -> None:
    """However often a tag is pushed, it is carried out: nothing is reported, held back or counted as reverted."""
    policy, wanted = settled(), {WANTED.address: WANTED}
    rules = () if mode is None else (DriftRule("*", mode),)
    plan = Plan(STACK, (Action(Verb.UPDATE, WANTED.address, "", (change,), new=WANTED),))
    for now in range(5):
        left, drifts = policy.judge(plan, wanted, rules, float(now))
        assert left.actions == plan.actions
        assert drifts == ()
        policy.corrected(drifts, {WANTED.address}, float(now))


def test_what_was_contested_stays_so_until_the_specs_change() -> None:
    """However much later: an hour would only begin the next round."""
    policy, wanted = settled(), {WANTED.address: WANTED}
    plan = Plan(STACK, (Action(Verb.UPDATE, WANTED.address, "", (CHANGED,), new=WANTED),))
    for now in range(REVERTS):
        _, drifts = policy.judge(plan, wanted, (), float(now))
        policy.corrected(drifts, {WANTED.address}, float(now))
    for now in (10.0, 2 * WINDOW_SECONDS, 100 * WINDOW_SECONDS):
        left, (drift,) = policy.judge(plan, wanted, (), now)
        assert drift.contested
        assert left.actions == ()
    policy.flaps.forget()
    assert policy.judge(plan, wanted, (), now)[0].actions == plan.actions


@pytest.mark.parametrize("policy", [DriftPolicy(), settled()], ids=["a command", "a running controller"])
def test_an_ignored_field_is_somebody_elses_also_when_it_is_to_name_something_new(policy: DriftPolicy) -> None:
    """Until its resource is made, the new value is a reference: that makes no difference to who owns the field."""
    plan = Plan(STACK, (Action(Verb.UPDATE, WANTED.address, "", (FOLLOWS,), new=WANTED),))
    left, drifts = policy.judge(plan, {WANTED.address: WANTED}, (DriftRule("*", DriftMode.IGNORE, "shelf"),), 0.0)
    assert (left.actions, drifts) == ((), ())


def test_a_change_by_hand_beside_a_new_version_is_drift() -> None:
    """Only the version is exempt."""
    wanted = {WANTED.address: WANTED}
    plan = Plan(STACK, (Action(Verb.UPDATE, WANTED.address, "", (FOLLOWS, CHANGED), new=WANTED),))
    left, (drift,) = settled().judge(plan, wanted, (DriftRule("*", DriftMode.WARN),), 0.0)
    assert drift.paths == ("color",)
    assert [action.changes for action in left.actions] == [(FOLLOWS,)]


@pytest.mark.parametrize("policy", [DriftPolicy(), settled()], ids=["a command", "a running controller"])
def test_what_the_specs_change_under_ignore_is_not_written_and_said(policy: DriftPolicy) -> None:
    """Whether the difference is a change of the specs or may be one; drift of an ignored field is not reported."""
    changed = want("box", "b", shelf="shelf-1", color="green")
    plan = Plan(STACK, (Action(Verb.UPDATE, WANTED.address, "", (CHANGED,), new=changed),))
    rules = (DriftRule("*", DriftMode.IGNORE, "color", "painted by hand"),)
    left, drifts = policy.judge(plan, {WANTED.address: changed}, rules, 0.0)
    assert (left.actions, drifts) == ((), ())
    (note,) = left.warnings
    assert note.address == WANTED.address
    assert "color" in note.because
    assert note.rule == "painted by hand"
    assert note.rule in note.because
    same, _ = settled().judge(plan, {WANTED.address: WANTED}, rules, 0.0)
    assert same.warnings == ()
