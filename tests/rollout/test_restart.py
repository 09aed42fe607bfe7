"""Whatever a process that has just begun finds, it knows where the rollout is: from the facts, never from memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.rollout.actions import DeleteTaskSet, SetPrimary, SetWeights
from reconciler.rollout.engine import Phase, RolloutHealth, Waiting
from reconciler.rollout.requests import Pause
from reconciler.rollout.state import ObservedService, Scaling, TaskSet
from reconciler.rollout.stored_state import DeadlineKind, Outcome
from tests.rollout.facts import (
    BLUE,
    CANARY,
    CAREFUL,
    GOOD_LOOKS,
    GREEN,
    HOUR,
    MINUTE,
    due,
    ill,
    kinds,
    marked,
    only,
    seen,
    side,
    step,
    written,
)

LIVE_GREEN = replace(GREEN, primary=True)
WAS_BLUE = replace(BLUE, primary=False)
STARTING = replace(GREEN, running=0, steady=False, healthy=())

OBSERVED: dict[str, tuple[ObservedService, Phase, list[str]]] = {
    "one set, primary, with production": (seen(BLUE, wanted="a"), Phase.IDLE, []),
    "one set that is not primary: a first deployment was interrupted": (
        seen(replace(GREEN, slot=0), marks=marked(due(DeadlineKind.UP)), looks=GOOD_LOOKS),
        Phase.INITIAL_DEPLOYMENT,
        ["SetPrimary", "WriteState"],
    ),
    "blue and a wanted set that starts": (
        seen(BLUE, STARTING, marks=marked(due(DeadlineKind.UP)), looks=-1),
        Phase.SCALING_UP,
        [],
    ),
    "the same, and its deadline is lost": (seen(BLUE, STARTING, looks=-1), Phase.SCALING_UP, ["WriteState"]),
    "the same, with a deadline of another release": (
        seen(BLUE, STARTING, marks=marked(due(DeadlineKind.GATE, -HOUR, release="c")), looks=-1),
        Phase.SCALING_UP,
        ["WriteState"],
    ),
    "green was well when the process ended, in the tests": (
        seen(BLUE, GREEN, test=(0, 100), marks=marked(due(DeadlineKind.TEST)), looks=1),
        Phase.TESTING,
        ["RunTests"],
    ),
    "waiting for the word": (
        seen(BLUE, GREEN, test=(0, 100), marks=marked(due(DeadlineKind.GATE)), looks=1),
        Phase.AWAITING_PROMOTION,
        [],
    ),
    "approved, and cut short before the switch": (
        seen(BLUE, GREEN, marks=marked(due(DeadlineKind.TO, weight=100)), looks=GOOD_LOOKS),
        Phase.SHIFTING,
        ["SetWeights"],
    ),
    "approved, and it has to be looked at again first": (
        seen(BLUE, GREEN, marks=marked(due(DeadlineKind.TO, weight=100)), looks=1),
        Phase.SHIFTING,
        [],
    ),
    "switched, and cut short before that was noted": (
        seen(BLUE, GREEN, production=(0, 100), marks=marked(due(DeadlineKind.TO, weight=100)), looks=1),
        Phase.VERIFYING,
        ["WriteState"],
    ),
    "being watched, and the deadline is lost": (
        seen(BLUE, GREEN, production=(0, 100), looks=1),
        Phase.VERIFYING,
        ["WriteState"],
    ),
    "watched long enough, green not yet primary": (
        seen(BLUE, GREEN, production=(0, 100), marks=marked(due(DeadlineKind.VERIFY, -MINUTE)), looks=1),
        Phase.BAKING,
        ["SetPrimary", "WriteState"],
    ),
    "green primary and in production, blue still there": (
        seen(WAS_BLUE, LIVE_GREEN, production=(0, 100), marks=marked(due(DeadlineKind.WARM)), looks=1),
        Phase.BAKING,
        [],
    ),
    "the same, and the deadline is lost: all of its clocks start anew": (
        seen(WAS_BLUE, LIVE_GREEN, production=(0, 100), looks=1),
        Phase.VERIFYING,
        ["WriteState"],
    ),
    "blue's time over": (
        seen(WAS_BLUE, LIVE_GREEN, production=(0, 100), marks=marked(due(DeadlineKind.WARM, -MINUTE)), looks=1),
        Phase.TEARDOWN,
        ["WriteState", "DeleteTaskSet"],
    ),
    "blue's tasks stopping": (
        seen(replace(WAS_BLUE, draining=True), LIVE_GREEN, production=(0, 100), test=(0, 100)),
        Phase.TEARDOWN,
        [],
    ),
    "two sets, the other not wanted, and it never had production": (
        seen(BLUE, side("c", 1), marks=marked(due(DeadlineKind.GATE, release="c"))),
        Phase.SUPERSEDED,
        ["DeleteTaskSet", "WriteState"],
    ),
    "two sets, the other not wanted, and nobody knows what it had": (
        seen(BLUE, side("c", 1)),
        Phase.SUPERSEDED,
        ["WriteState"],
    ),
    "production shared at no step, and nothing noted": (
        seen(BLUE, GREEN, production=(63, 37), looks=1),
        Phase.BLOCKED,
        [],
    ),
    "production names what is not ours": (seen(BLUE, GREEN, production=None), Phase.BLOCKED, []),
    "production at green, which is well and was not noted": (
        seen(BLUE, GREEN, production=(0, 100), marks=marked(due(DeadlineKind.GATE)), looks=1),
        Phase.VERIFYING,
        ["WriteState"],
    ),
    "production back at blue while green was watched": (
        seen(BLUE, GREEN, marks=marked(due(DeadlineKind.VERIFY)), looks=GOOD_LOOKS),
        Phase.ROLLING_BACK,
        ["WriteState"],
    ),
    "a set that is being removed": (seen(BLUE, replace(GREEN, draining=True), wanted="a"), Phase.TEARDOWN, []),
}


@pytest.mark.parametrize("name", OBSERVED)
def test_what_is_found_says_where_it_is(name: str) -> None:
    """Each observation after a crash has one meaning."""
    facts, phase, decisions = OBSERVED[name]
    found = step(facts)
    assert (found.phase, kinds(found)) == (phase, decisions), found.because


def test_a_lost_deadline_starts_its_whole_clock_anew() -> None:
    """It may end later than it would have, never sooner."""
    found = written(step(seen(WAS_BLUE, LIVE_GREEN, production=(0, 100), looks=1)))
    assert found.deadline == due(DeadlineKind.VERIFY, CAREFUL.verify_for)


def test_a_shared_production_goes_on_at_the_step_it_was_left_at() -> None:
    """The recorded step is resumed; a step that lost its record gets its whole pause again."""
    facts = seen(BLUE, GREEN, production=(90, 10), looks=GOOD_LOOKS)
    noted = replace(facts, marks=marked(due(DeadlineKind.AT, -MINUTE, weight=10)))
    assert written(step(noted, CANARY)).deadline == due(DeadlineKind.TO, CANARY.healthy_within, weight=50)
    assert written(step(facts, CANARY)).deadline == due(DeadlineKind.AT, CANARY.shares[0].pause, weight=10)


def test_no_more_than_five_task_sets() -> None:
    """ECS counts sets that are going away; a crash loop cannot fill the limit."""
    going = tuple(replace(side(f"x{number}", 1), id=f"x{number}", draining=True) for number in range(4))
    found = step(seen(BLUE, *going))
    assert found.phase is Phase.SCALING_UP
    assert not found.decisions
    assert found.wake_at is not None


def test_sets_left_by_a_crash_go_and_those_in_use_stay() -> None:
    """Of more than two sets, what has production and what is wanted are kept."""
    extra = side("x", 1, age=3)
    first = step(seen(BLUE, extra, GREEN, marks=marked(due(DeadlineKind.UP)), looks=1))
    assert written(first).deadline == due(DeadlineKind.RETIRE, CAREFUL.drain, release="x")
    after = step(
        seen(BLUE, extra, GREEN, marks=marked(due(DeadlineKind.RETIRE, -MINUTE, release="x")), looks=1),
    )
    assert after.decisions[0] == DeleteTaskSet(extra.id, 1)


def test_production_shared_with_a_side_that_is_gone_goes_to_the_other() -> None:
    """Requests to a side without tasks are lost ones."""
    found = step(seen(BLUE, production=(90, 10)), CANARY)
    assert only(found) == SetWeights("production", (100, 0), (90, 10))


@pytest.mark.parametrize("side_there", [GREEN, ill(GREEN)])
def test_a_version_in_quarantine_that_gets_production_by_hand_is_asked_about(side_there: TaskSet) -> None:
    """Whoever did it may have had a reason: nothing is written to the listener."""
    facts = seen(BLUE, side_there, production=(0, 100), marks=marked(quarantine=("b",)), looks=-5)
    found = step(facts)
    assert (found.phase, found.waits_for, found.health) == (Phase.BLOCKED, Waiting.PERSON, RolloutHealth.DEGRADED)
    assert not found.decisions


def test_what_hands_moved_back_is_taken_for_rolled_back() -> None:
    """It is not tried again against whoever did it."""
    after = written(step(seen(BLUE, GREEN, marks=marked(due(DeadlineKind.WARM)), looks=GOOD_LOOKS)))
    assert after.quarantine == ("b",)
    assert after.ended is not None
    assert after.ended.outcome is Outcome.ROLLED_BACK


def test_everything_borrowed_is_given_back_by_whoever_comes_next() -> None:
    """Label, test listener, autoscaling, clocks: not remembered as borrowed, but seen as not in order."""
    live = replace(BLUE, release="b", primary=False)
    noted = marked(due(DeadlineKind.WARM), hold=Pause("ana", "b"))
    other = replace(side("x", 1), draining=True)
    facts = seen(replace(live, primary=True), other, test=(0, 100), marks=noted, scaling=Scaling.SUSPENDED)
    found = step(facts)
    assert kinds(found) == ["SetWeights", "SuspendScaling", "WriteState"]
    assert written(found).deadline is None
    assert written(found).hold is None
    labelled = step(replace(facts, sets=(live, replace(side("x", 1, age=0), primary=True))))
    assert SetPrimary(live.id) in labelled.decisions
