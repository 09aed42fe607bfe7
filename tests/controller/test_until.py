"""When a run is over: on a world of toys, where a pass takes no time."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.clock import ManualClock
from reconciler.controller.schedule import COMMAND
from reconciler.model import ownership
from reconciler.model.plan import DeferralCode, Plan, Verb
from reconciler.reconcile.drift import DriftMode, DriftRule
from reconciler.reconcile.pass_ import DesiredState, look
from tests.harness import fake_types
from tests.harness.driving import Report, converge
from tests.toy import KINDS, STACK, shelf, want

BLOCKED = errors.Blocked("somebody uses it", call="toy.DeleteThing", code="InUse")


def carried_out(
    account: fake_types.Shared, desired_state: DesiredState, *, patience: float = 1800.0,
    clock: ManualClock | None = None,
    meanwhile: Any = None,
) -> tuple[Plan, Report]:  # fmt: skip
    aws = AwsClient(account, clock=clock or ManualClock())
    first = look(aws, KINDS, desired_state)
    if meanwhile is not None:
        meanwhile()
    return first[1], converge(aws, KINDS, desired_state, first, patience_seconds=patience, stop=threading.Event())


@pytest.mark.parametrize("began", [0.0, 0.1, 1e6 + 0.1])
@pytest.mark.parametrize("patience", [0.0, 0.3, 10.1, 61.7])
def test_the_time_limit_is_met_whatever_floating_point_makes_of_it(began: float, patience: float) -> None:
    """A clock that stands exactly at the end of the time is not asked for the rest of it for ever."""
    account, clock = fake_types.Shared(), ManualClock()
    clock.advance(began)
    account.put("shelf", "old")
    account.fail["toy.DeleteThing"] = BLOCKED
    _, report = carried_out(account, fake_types.wishing(), patience=patience, clock=clock)
    assert report.timed_out
    assert clock.monotonic() - began == pytest.approx(patience, abs=1e-3)


class Spelled(fake_types.Shared):
    """An AWS that gives a field back otherwise than it was written."""

    def __init__(self, field: str, value: Any) -> None:
        super().__init__()
        self.field, self.value = field, value

    def ListThings(self, kind: str) -> dict[str, Any]:
        things = super().ListThings(kind)["things"]
        return {"things": [one | {"spec": one["spec"] | ({self.field: self.value} if kind == "box" else {})}
                           for one in things]}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "verb", "code"),
    [("color", "RED", Verb.UPDATE, DeferralCode.WRITTEN), ("size", 99, Verb.REPLACE, DeferralCode.NOT_APPROVED)],
)
def test_what_aws_spells_otherwise_is_written_once(field: str, value: Any, verb: Verb, code: DeferralCode) -> None:
    """An update once, and a replacement not at all: nobody agreed to lose what was just made."""
    account = Spelled(field, value)
    desired_state = fake_types.wishing(want("shelf", "s"), want("box", "b", shelf=shelf("s"), color="red"))
    _, report = carried_out(account, desired_state)
    assert not report.timed_out
    assert account.made["box/b"] == 1
    assert account.dropped == 0
    assert sum(call.operation == "ModifyThing" for call in account.calls) == (verb is Verb.UPDATE)
    (left,) = report.passes[-1].plan.deferred
    assert (left.action.verb, left.code) == (verb, code)


def test_adopting_is_not_repeated_where_a_tag_does_not_stick() -> None:
    """It is written once, and left to the next command."""
    account = fake_types.Shared()
    account.put("shelf", "s", stack=None)
    account.TagThing = lambda id, put, drop: {}  # type: ignore[method-assign]
    _, report = carried_out(account, fake_types.wishing(want("shelf", "s", adopt=True)))
    assert not report.timed_out
    assert sum(call.operation == "TagThing" for call in account.calls) == 1


def test_adopting_leaves_what_is_somebody_elses() -> None:
    """A field that is ignored is not overwritten by taking the resource over either; the rest is."""
    account = fake_types.Shared()
    place = account.put("shelf", "s", height=1)
    box = account.put("box", "b", stack=None, shelf=place, size=1, color="grey", labels=["old"])
    desired_state = fake_types.wishing(
        want("shelf", "s", height=1),
        want("box", "b", shelf=shelf("s"), color="red", labels=("new", "old"), adopt=True),
        rules=(DriftRule("box/*", DriftMode.IGNORE, "color"),),
    )
    _, report = carried_out(account, desired_state)
    assert not report.timed_out
    assert account.things[box]["spec"]["color"] == "grey"
    assert account.things[box]["spec"]["labels"] == ("new", "old")
    assert ownership.owner(account.things[box]["tags"]) == STACK


def test_only_what_was_agreed_is_done() -> None:
    """What turned up meanwhile is left, at addresses that the plan has nothing for, and as a replacement at any."""
    account = fake_types.Shared()
    one, two = account.put("shelf", "one", height=1), account.put("shelf", "two", height=1)
    box = account.put("box", "b", shelf=one, size=1, color="red")
    desired_state = fake_types.wishing(
        want("shelf", "one", height=2),
        want("shelf", "two", height=1),
        want("box", "b", shelf=shelf("one"), color="blue"),
    )

    def meanwhile() -> None:
        account.things[two]["spec"]["height"] = 9
        account.put("shelf", "spare")

    def resized() -> None:
        account.things[box]["spec"]["size"] = 7

    modify = account.ModifyThing

    def modified(id: str, spec: dict[str, Any]) -> dict[str, Any]:
        resized()
        return modify(id, spec)

    account.ModifyThing = modified  # type: ignore[method-assign]
    plan, report = carried_out(account, desired_state, meanwhile=meanwhile)
    assert sorted(str(action.address) for action in plan.actions) == ["box/b", "shelf/one"]
    assert account.things[two]["spec"]["height"] == 9
    assert account.dropped == 0
    left = {(one.action.verb, str(one.action.address)) for one in report.passes[-1].plan.deferred}
    assert left == {(Verb.UPDATE, "shelf/two"), (Verb.DELETE, "shelf/spare"), (Verb.REPLACE, "box/b")}


def test_a_command_never_waits_without_end() -> None:
    """A wait of infinite length is an OverflowError in `threading`."""
    assert COMMAND.fast < float("inf")
    assert COMMAND.longest_pause < float("inf")
