"""What was written and does not show yet is not acted on; what never shows is believed in the end."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.clock import ManualClock
from reconciler.model.diff import diff
from reconciler.model.observed_state import ObservedState
from reconciler.model.ownership import TagChange
from reconciler.model.resource import Observed, ResourceHealth
from reconciler.reconcile.executor import Result
from reconciler.reconcile.expectations import (
    DECLINED_SECONDS,
    MADE_SECONDS,
    READS,
    TRIES,
    UNSEEN,
    WRITE_SECONDS,
    Expectations,
)
from reconciler.reconcile.observe import StackId
from reconciler.reconcile.pass_ import DesiredState, look
from tests.harness.driving import converge
from tests.model.ordered_plan import plan
from tests.toy import KINDS, STACK, ToyAws, shelf, want

PLACE = StackId(STACK, "123456789012", "us-west-2")
SHELF = want("shelf", "s", height=2)
BOX = want("box", "b", shelf=shelf("s"))


def seen(spec: Any = None, identifier: str = "shelf-1") -> Observed[Any]:
    return Observed(SHELF.address, identifier, SHELF.spec if spec is None else spec, tags=SHELF.tags)


def world(*found: Observed[Any]) -> ObservedState:
    kinds: dict[str, list[Observed[Any]]] = {"shelf": [], "box": []}
    for one in found:
        kinds[one.address.kind].append(one)
    return ObservedState(kinds)


def verbs(found: ObservedState, *desired: Any) -> list[str]:
    made = plan(STACK, desired or (SHELF, BOX), found, KINDS)
    return [f"{action.verb} {action.address}" for action in made.actions] + [
        f"wait {note.address}" for note in made.waiting
    ]


def test_what_was_made_and_does_not_show_is_neither_made_again_nor_built_on() -> None:
    """A creation that no read shows yet holds its address, and all that refers to it."""
    clock = ManualClock()
    told = Expectations(clock)
    told.created(SHELF, "shelf-1")
    assert verbs(told.mark_pending(world())) == ["wait shelf/s", "wait box/b"]
    assert verbs(told.mark_pending(world(seen()))) == ["create box/b"]
    assert verbs(world()) == ["create shelf/s", "create box/b"], "without the expectation"


def test_what_aws_has_declined_is_not_compared_for_an_hour() -> None:
    """Only the field that it declined, and only of that resource."""
    clock = ManualClock()
    told = Expectations(clock)
    lower = seen(SHELF.spec.model_copy(update={"height": 1}))
    told.declined(lower, frozenset({"height"}))
    assert verbs(told.mark_pending(world(lower)), SHELF) == []
    other = seen(lower.spec, "shelf-2")
    assert verbs(told.mark_pending(world(other)), SHELF) == ["update shelf/s"]
    clock.advance(DECLINED_SECONDS)
    assert verbs(told.mark_pending(world(lower)), SHELF) == ["update shelf/s"]


def test_a_read_that_hides_again_what_another_has_shown_is_not_believed() -> None:
    """Copies of the account lag differently: having been seen once does not end an expectation."""
    told = Expectations(ManualClock())
    told.created(SHELF, "shelf-1")
    told.mark_pending(world(seen()))
    assert verbs(told.mark_pending(world())) == ["wait shelf/s", "wait box/b"]


@pytest.mark.parametrize(("write", "seconds"), [("created", MADE_SECONDS), ("uncertain", WRITE_SECONDS)])
def test_what_does_not_show_for_long_enough_is_believed_not_to_be(write: str, seconds: float) -> None:
    """After its time, and as many reads in a row as it takes, the reads are right."""
    clock = ManualClock()
    told = Expectations(clock)
    if write == "created":
        told.created(SHELF, "shelf-1")
    else:
        told.uncertain(SHELF)
    clock.advance(seconds - 1)
    for _ in range(2 * READS):
        assert verbs(told.mark_pending(world())) == ["wait shelf/s", "wait box/b"]
    clock.advance(2)
    for _ in range(READS - 1):
        assert verbs(told.mark_pending(world())) == ["wait shelf/s", "wait box/b"]
    assert verbs(told.mark_pending(world())) == ["create shelf/s", "create box/b"]
    assert len(told) == 0


def test_a_read_in_between_that_shows_it_starts_the_counting_anew() -> None:
    """Only reads in a row count."""
    clock = ManualClock()
    told = Expectations(clock)
    told.uncertain(SHELF)
    clock.advance(WRITE_SECONDS + 1)
    told.mark_pending(world())
    told.mark_pending(ObservedState({}, {}))  # not read at all
    assert len(told) == 1
    told.mark_pending(world(seen()))
    assert len(told) == 0, "it shows, and its time is over"


def test_a_creation_in_doubt_is_over_once_something_of_ours_stands_there() -> None:
    """Made after all: what shows is compared as ever."""
    told = Expectations(ManualClock())
    told.uncertain(SHELF)
    assert verbs(told.mark_pending(world())) == ["wait shelf/s", "wait box/b"]
    assert verbs(told.mark_pending(world(seen())), SHELF) == []


def test_an_old_value_after_a_change_is_not_changed_again() -> None:
    """As long as a read shows the value from before, nothing is done; a third value is somebody else's, and is."""
    told = Expectations(ManualClock())
    old = seen(want("shelf", "s", height=1).spec)
    told.updated(old, SHELF, diff(old, SHELF.spec))
    assert verbs(told.mark_pending(world(old)), SHELF) == ["wait shelf/s"]
    assert verbs(told.mark_pending(world(seen())), SHELF) == []
    third = seen(want("shelf", "s", height=9).spec)
    assert verbs(told.mark_pending(world(third)), SHELF) == ["update shelf/s"]


def test_old_tags_are_not_written_again() -> None:
    """Tags are read as late as anything."""
    told = Expectations(ManualClock())
    bare = Observed(SHELF.address, "shelf-1", SHELF.spec, tags={**SHELF.tags, "team": "old"})
    told.updated(bare, SHELF, (), TagChange({"team": "new"}, ()))
    (held,) = told.mark_pending(world(bare)).found["shelf"]
    assert held.facts["deleting"]
    fresh = Observed(SHELF.address, "shelf-1", SHELF.spec, tags={**SHELF.tags, "team": "new"})
    assert told.mark_pending(world(fresh)).found["shelf"] == (fresh,)


def test_what_was_deleted_and_still_shows_is_waited_for() -> None:
    """It is not deleted again, and nothing is made in its place, until it is gone."""
    told = Expectations(ManualClock())
    told.deleted(seen())
    assert verbs(told.mark_pending(world(seen())), SHELF) == ["wait shelf/s"]
    assert verbs(told.mark_pending(world(seen())), want("shelf", "other")) == ["create shelf/other", "wait shelf/s"]
    assert verbs(told.mark_pending(world()), SHELF) == ["create shelf/s"]


def test_what_is_made_again_under_the_same_id_is_not_waited_for_to_go() -> None:
    """Where the name is the id, the latest write counts."""
    told = Expectations(ManualClock())
    told.deleted(seen())
    told.created(SHELF, "shelf-1")
    assert verbs(told.mark_pending(world(seen())), SHELF) == []


def test_what_stands_on_something_unseen_is_still_looked_for() -> None:
    """While the account is read, what was made stands in with its id, and with nothing else that AWS would say."""
    told = Expectations(ManualClock())
    told.created(SHELF, "shelf-1")
    told.uncertain(want("shelf", "t"))
    (stand_in,) = told.add_missing("shelf", ())
    assert (stand_in.id, stand_in.health, stand_in.facts) == ("shelf-1", ResourceHealth.PROGRESSING, {UNSEEN: True})
    assert told.add_missing("shelf", (seen(),)) == (seen(),)
    assert told.add_missing("box", ()) == ()


def test_what_could_not_be_read_is_not_counted_as_missing() -> None:
    """Unknown is not absent here either."""
    clock = ManualClock()
    told = Expectations(clock)
    told.created(SHELF, "shelf-1")
    clock.advance(MADE_SECONDS + 1)
    for _ in range(2 * READS):
        told.mark_pending(ObservedState({"box": ()}, {}))
    assert len(told) == 1


def test_what_is_never_answered_and_never_shows_is_given_up() -> None:
    """Three tries of the same write, a minute at least: then it has failed, and what needs it is not begun."""

    class Deaf(ToyAws):
        def CreateThing(self, **params: Any) -> dict[str, Any]:
            raise errors.Ambiguous("no answer", call="toy.CreateThing", code="Garbled")

    clock, wanted = ManualClock(), DesiredState(PLACE, (SHELF, BOX))
    world = Deaf()
    aws = AwsClient(world, clock=clock)
    report = converge(aws, KINDS, wanted, look(aws, KINDS, wanted), patience_seconds=86_400.0, stop=threading.Event())
    sent = [call for call in world.calls if call.operation == "CreateThing"]
    assert len(sent) == TRIES
    assert not report.timed_out
    assert [str(one.step.address) for one in report.last.failed] == ["shelf/s"]
    assert {str(one.step.address): one.result for one in report.last.outcomes}["box/b"] is Result.SKIPPED
    assert clock.monotonic() < 600


def test_a_bad_minute_is_waited_for() -> None:
    """Not three tries within seconds: AWS has bad minutes. Another write, or an answer, begins the counting anew."""
    clock = ManualClock()
    told = Expectations(clock)
    assert [told.unanswered("step", "create") for _ in range(9)] == [False] * 9
    clock.advance(WRITE_SECONDS)
    assert not told.unanswered("other step", "create")
    assert told.unanswered("step", "create")
    assert not told.unanswered("step", "another value")
    clock.advance(WRITE_SECONDS)
    told.answered("step")
    assert not told.unanswered("step", "another value")
