"""Carrying out a plan: order, partial failure, and what waits for the next pass."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.clock import ManualClock
from reconciler.model.guard import Guard
from reconciler.model.plan import RefusalCode
from reconciler.model.resource import Desired
from reconciler.reconcile.executor import Result, summary
from reconciler.reconcile.observe import StackId
from reconciler.reconcile.pass_ import DesiredState, act, look
from tests.harness.driving import Report, converge
from tests.toy import KINDS, STACK, ToyAws, shelf, want


def desired_state(*desired: Desired[Any], **kwargs: Any) -> DesiredState:
    return DesiredState(StackId(STACK, "123456789012", "us-west-2"), desired, **kwargs)


def run(world: ToyAws, wanted: DesiredState, *, patience: float = 60.0) -> Report:
    aws = AwsClient(world, clock=ManualClock())
    return converge(aws, KINDS, wanted, look(aws, KINDS, wanted), patience_seconds=patience, stop=threading.Event())


def test_apply_then_diff_is_empty() -> None:
    """What was applied is found as wanted; a second pass writes nothing."""
    world, wanted = ToyAws(), desired_state(want("box", "b", shelf=shelf("s"), color="red"), want("shelf", "s"))
    report = run(world, wanted)
    assert summary(report.last.outcomes)[Result.DONE] == 2
    world.calls.clear()
    _, again = look(AwsClient(world), KINDS, wanted)
    assert not again
    assert {call.operation for call in world.calls} == {"GetResources", "ListThings"}


def test_one_branch_fails_and_the_others_go_on() -> None:
    """A failed step stops what depends on it and nothing else, and says which is which."""
    world = ToyAws()
    world.fail["toy.CreateThing bad"] = errors.Denied("no", call="toy.CreateThing", code="AccessDenied")
    report = run(
        world,
        desired_state(
            want("shelf", "bad"),
            want("box", "on-bad", shelf=shelf("bad")),
            want("shelf", "good"),
            want("box", "on-good", shelf=shelf("good")),
        ),
    )
    results = {str(outcome.step.address): outcome.result for outcome in report.last.outcomes}
    assert results == {
        "shelf/bad": Result.FAILED,
        "box/on-bad": Result.SKIPPED,
        "shelf/good": Result.DONE,
        "box/on-good": Result.DONE,
    }


def test_a_lost_answer_is_looked_at_again_and_not_sent_again() -> None:
    """A create without token whose answer was lost is sent once; the next pass finds what it made."""
    world = ToyAws()

    class Losing(ToyAws):
        lost = False

        def CreateThing(self, **params: Any) -> dict[str, Any]:
            answer = super().CreateThing(**params)
            if not self.lost:
                self.lost = True
                raise errors.Ambiguous("reset", call="toy.CreateThing", code="NoAnswer")
            return answer

    world = Losing()
    report = run(world, desired_state(want("shelf", "s")))
    assert len(report.passes) == 2
    assert [call.operation for call in world.calls].count("CreateThing") == 1
    assert len(world.things) == 1


def test_what_is_still_used_waits_until_patience_ends() -> None:
    """A blocked deletion is tried again pass after pass, and the end of patience is said."""
    world = ToyAws()
    on = world.put("shelf", "s")
    world.put("box", "theirs", stack="others", shelf=on)
    report = run(world, desired_state(), patience=30.0)
    assert report.timed_out
    assert len(report.passes) > 2
    assert set(world.things) == {"shelf-1", "box-2"}


def test_nothing_is_written_from_a_refused_plan() -> None:
    """A plan with a refusal is not carried out, not even its other parts."""
    world = ToyAws()
    world.put("shelf", "taken", stack=None)
    wanted = desired_state(want("shelf", "taken"), want("shelf", "free"))
    aws = AwsClient(world)
    with pytest.raises(errors.Refused) as caught:
        act(aws, KINDS, wanted, *look(aws, KINDS, wanted))
    assert caught.value.code == RefusalCode.CONFLICT
    assert not [call for call in world.calls if call.operation.startswith(("Create", "Modify", "Tag", "Delete"))]


def test_the_guard_stops_the_first_plan() -> None:
    """More deletions than the guard allows: nothing goes."""
    world = ToyAws()
    world.put("shelf", "a")
    world.put("shelf", "b")
    aws = AwsClient(world)
    _, plan = look(aws, KINDS, desired_state(guard=Guard(max_delete=1)))
    assert [refusal.code for refusal in plan.refusals] == ["guard"]


def test_adopting_writes_the_tags_and_the_rest() -> None:
    """After adoption the resource is ours and as wanted."""
    world = ToyAws()
    world.put("shelf", "s", stack=None, height=1)
    wanted = desired_state(want("shelf", "s", adopt=True, height=2))
    run(world, wanted)
    assert world.things["shelf-1"]["spec"]["height"] == 2
    assert not look(AwsClient(world), KINDS, wanted)[1]


def test_a_replacement_moves_its_users_before_the_old_one_goes() -> None:
    """Replacing makes the new one, and only then drops the old one."""
    world = ToyAws()
    on = world.put("shelf", "s")
    world.put("box", "b", shelf=on, size=1)
    run(world, desired_state(want("shelf", "s"), want("box", "b", shelf=shelf("s"), size=2)))
    writes = [call.operation for call in world.calls if call.operation in ("CreateThing", "DeleteThing")]
    assert writes == ["CreateThing", "DeleteThing"]
    assert [item["spec"]["size"] for item in world.things.values() if item["kind"] == "box"] == [2]


def test_a_stop_lets_nothing_further_begin() -> None:
    """Once asked to stop, no further step is begun, and the report says so."""
    world, stop = ToyAws(), threading.Event()
    aws, wanted = (
        AwsClient(world, clock=ManualClock()),
        desired_state(want("shelf", "s"), want("box", "b", shelf=shelf("s"))),
    )
    report = converge(
        aws,
        KINDS,
        wanted,
        look(aws, KINDS, wanted),
        patience_seconds=60,
        stop=stop,
        on_end=lambda _: stop.set(),
    )
    assert report.interrupted
    assert [item["name"] for item in world.things.values()] == ["s"]


def test_destroying_looks_where_the_specs_say_and_keeps_what_is_not_ours() -> None:
    """Leaving deletes all that is ours, guard or no guard, and nothing else."""
    world = ToyAws()
    on = world.put("shelf", "s")
    world.put("box", "b", shelf=on)
    world.put("shelf", "theirs", stack="others")
    run(world, desired_state(want("shelf", "s"), leaving=True, guard=Guard(max_delete=0)))
    assert [item["name"] for item in world.things.values()] == ["theirs"]
