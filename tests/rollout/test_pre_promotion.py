"""Green comes up, is tested, and waits for the word; production is not touched until then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.rollout.actions import (
    CreateTaskSet,
    DeleteTaskSet,
    RunTests,
    ScaleTaskSet,
    SetWeights,
    SuspendScaling,
    UpdateHealthCheck,
)
from reconciler.rollout.engine import Phase, RolloutHealth, Waiting
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Pause
from reconciler.rollout.state import Scaling, SmokeTestOutcome
from reconciler.rollout.stored_state import Actor, DeadlineKind, Outcome
from reconciler.rollout.strategy import OnNewRevision, Promotion
from tests.rollout.facts import (
    BLUE,
    CAREFUL,
    GOOD_LOOKS,
    GREEN,
    HOUR,
    MINUTE,
    NOW,
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


def test_it_starts_beside_blue_with_autoscaling_held_still() -> None:
    """In the group that has no production, with a deadline, and with the release's own health check."""
    found = step(seen(BLUE, scaling=Scaling.ACTIVE, tuned=(True, False)))
    assert kinds(found) == ["SuspendScaling", "WriteState", "UpdateHealthCheck", "CreateTaskSet"]
    assert written(found).deadline == due(DeadlineKind.UP, CAREFUL.healthy_within)
    assert found.decisions[2] == UpdateHealthCheck(1)
    made = found.decisions[3]
    assert isinstance(made, CreateTaskSet)
    assert (made.release, made.slot, made.scale) == ("b", 1, 100)


def test_a_second_look_asks_for_the_same_set_again() -> None:
    """Cut short between the note and the request, the next process asks in the same words."""
    first = step(seen(BLUE))
    noted = seen(BLUE, marks=written(first))
    again = step(noted, now=NOW + MINUTE)
    assert again.decisions[-1] == first.decisions[-1]
    assert kinds(again) == ["CreateTaskSet"]


def test_blue_in_the_second_group_means_green_in_the_first() -> None:
    """The group is told from the weights, never from a name."""
    found = step(seen(replace(BLUE, slot=1), production=(0, 100), test=(0, 100)))
    assert isinstance(found.decisions[-1], CreateTaskSet)
    assert found.decisions[-1].slot == 0


def test_both_groups_are_named_before_a_set_is_made() -> None:
    """ECS takes no target group that no listener names."""
    for name in ("production", "test"):
        found = step(seen(BLUE, bare=(name,)))
        assert only(found) == SetWeights(name, (100, 0), (100, 0))


def test_a_smaller_green_grows_before_the_switch() -> None:
    """And is looked at again at its full size."""
    small = replace(CAREFUL, scale=50)
    made = step(seen(BLUE), small).decisions[-1]
    assert isinstance(made, CreateTaskSet)
    assert made.scale == 50
    half = side("b", 1, desired=1, scale=50)
    facts = seen(BLUE, half, marks=marked(due(DeadlineKind.TO, weight=100)), looks=GOOD_LOOKS)
    assert only(step(facts, small)) == ScaleTaskSet(half.id, 100)
    growing = replace(half, scale=100)
    assert not step(replace(facts, sets=(BLUE, growing), looks=-1), small).decisions


def test_failed_tasks_end_it() -> None:
    """ECS has no circuit breaker for task sets, and would go on for ever."""
    found = step(seen(BLUE, replace(GREEN, failed=3, healthy=()), marks=marked(due(DeadlineKind.UP)), looks=-1))
    assert (found.phase, found.health) == (Phase.FAILED, RolloutHealth.DEGRADED)
    assert written(found).quarantine == ("b",)
    assert found.ended is not None
    assert (found.ended.outcome, found.ended.phase, found.ended.by) == (Outcome.FAILED, Phase.SCALING_UP, Actor.ENGINE)


def test_its_time_ends_it_unless_it_is_well_at_that_very_look() -> None:
    """Who was away for the whole time does not fail what came up meanwhile."""
    late = marked(due(DeadlineKind.UP, -MINUTE))
    over = step(seen(BLUE, ill(GREEN), marks=late, looks=-1)).ended
    assert over is not None
    assert (over.outcome, over.by) == (Outcome.FAILED, Actor.TIMER)
    assert step(seen(BLUE, GREEN, marks=late, looks=1)).phase is Phase.SCALING_UP


def test_a_failed_green_goes_and_production_was_not_touched() -> None:
    """It never had a request, so that nothing is waited for."""
    failed = marked(due(DeadlineKind.UP), quarantine=("b",))
    assert step(seen(BLUE, ill(GREEN), marks=failed, looks=-4)).decisions[0] == DeleteTaskSet(GREEN.id, 1)


def test_a_failed_green_stays_while_blue_is_ill() -> None:
    """Never the only healthy side."""
    found = step(seen(ill(BLUE), GREEN, marks=marked(due(DeadlineKind.UP), quarantine=("b",)), looks=4))
    assert not found.decisions
    assert found.health is RolloutHealth.DEGRADED


def test_a_hundred_looks_after_a_failure_write_nothing() -> None:
    """Not until its content changes, or somebody says retry."""
    facts = seen(BLUE, marks=marked(quarantine=("b",)))
    steps = [step(facts, now=NOW + number * HOUR) for number in range(100)]
    assert all(found.at_rest and found.phase is Phase.FAILED for found in steps)
    assert {found.because.count("quarantined") for found in steps} == {1}
    assert kinds(step(replace(facts, wanted="c"))) == ["WriteState", "CreateTaskSet"]


def test_the_test_listener_shows_green_before_it_is_tested() -> None:
    """And the clock of the tests begins."""
    found = step(seen(BLUE, GREEN, marks=marked(due(DeadlineKind.UP)), looks=GOOD_LOOKS))
    assert found.phase is Phase.TESTING
    assert found.decisions[0] == SetWeights("test", (0, 100), (100, 0))
    assert written(found).deadline == due(DeadlineKind.TEST, CAREFUL.test_for + MINUTE)


def test_tests_decide() -> None:
    """Passed: on to the gate. Failed: it is over, and says which."""
    at_test = seen(BLUE, GREEN, test=(0, 100), marks=marked(due(DeadlineKind.TEST)), looks=1)
    assert only(step(at_test)) == RunTests("b", CAREFUL.tests)
    passed = step(replace(at_test, tested=SmokeTestOutcome("b", True)))
    assert written(passed).deadline == due(DeadlineKind.GATE, 2 * HOUR)
    failed = step(replace(at_test, tested=SmokeTestOutcome("b", False, "GET / answered 500, not 200")))
    assert failed.phase is Phase.FAILED
    assert "answered 500" in failed.because


def test_tests_of_another_release_say_nothing() -> None:
    """What was found out about what was there before is not about this."""
    at_test = seen(
        BLUE, GREEN, test=(0, 100), marks=marked(due(DeadlineKind.TEST)), looks=1, tested=SmokeTestOutcome("x", True)
    )
    assert kinds(step(at_test)) == ["RunTests"]


def test_a_test_listener_in_foreign_hands_is_not_written_to() -> None:
    """The tests cannot be run; that is said, and ends it in time."""
    at_test = seen(BLUE, GREEN, test=None, marks=marked(due(DeadlineKind.TEST)), looks=1)
    assert not step(at_test).decisions
    assert step(at_test).health is RolloutHealth.DEGRADED
    assert step(replace(at_test, marks=marked(due(DeadlineKind.TEST, -MINUTE)))).phase is Phase.FAILED


@pytest.mark.parametrize(
    ("promotion", "deadline"),
    [
        (Promotion.TIMED, due(DeadlineKind.GATE, 2 * HOUR)),
        (Promotion.MANUAL, replace(due(DeadlineKind.GATE), at=None)),
        (Promotion.AUTO, due(DeadlineKind.TO, CAREFUL.healthy_within, weight=100)),
    ],
)
def test_whose_word_is_waited_for(promotion: Promotion, deadline: object) -> None:
    """The clock of the gate begins only once green is healthy and tested."""
    policy = replace(CAREFUL, promotion=promotion, tests=())
    found = step(seen(BLUE, GREEN, test=(0, 100), marks=marked(due(DeadlineKind.UP)), looks=GOOD_LOOKS), policy)
    assert written(found).deadline == deadline


def test_waiting_is_said_with_its_end() -> None:
    """Suspended, until when, and for whom."""
    facts = seen(BLUE, GREEN, test=(0, 100), marks=marked(due(DeadlineKind.GATE)), looks=1)
    timed = step(facts)
    assert (timed.health, timed.until, timed.waits_for) == (RolloutHealth.SUSPENDED, NOW + HOUR, Waiting.NOBODY)
    by_hand = replace(CAREFUL, promotion=Promotion.MANUAL)
    manual = step(replace(facts, marks=marked(replace(due(DeadlineKind.GATE), at=None))), by_hand)
    assert (manual.until, manual.waits_for) == (None, Waiting.PERSON)
    assert manual.wake_at is not None, "green is watched while it waits"


def test_a_gate_is_what_the_strategy_says_now() -> None:
    """A timer that has elapsed does not promote what is to be promoted by hand; one that is declared now begins now."""
    manual = replace(CAREFUL, promotion=Promotion.MANUAL)
    late = seen(BLUE, GREEN, test=(0, 100), marks=marked(due(DeadlineKind.GATE, -MINUTE)), looks=1)
    untimed = replace(due(DeadlineKind.GATE), at=None)
    stopped = step(late, manual)
    assert (stopped.phase, written(stopped).deadline) == (Phase.AWAITING_PROMOTION, untimed)
    begun = step(replace(late, marks=marked(untimed)))
    assert (begun.phase, written(begun).deadline) == (Phase.AWAITING_PROMOTION, due(DeadlineKind.GATE, 2 * HOUR))


def test_the_clock_opens_the_gate() -> None:
    """For a green that is well at that look."""
    late = marked(due(DeadlineKind.GATE, -MINUTE))
    facts = seen(BLUE, GREEN, test=(0, 100), marks=late, looks=1)
    assert written(step(facts)).deadline == due(DeadlineKind.TO, CAREFUL.healthy_within, weight=100)
    assert not step(replace(facts, looks=0)).decisions


def test_green_that_falls_ill_starts_over() -> None:
    """Neither a test nor a gate is passed by what is not well any more; a single bad look is not believed."""
    facts = seen(BLUE, ill(GREEN), test=(0, 100), marks=marked(due(DeadlineKind.GATE)), looks=-1)
    assert not step(facts).decisions
    assert written(step(replace(facts, looks=-3))).deadline == due(DeadlineKind.UP, CAREFUL.healthy_within)


def test_the_switch_is_one_write_that_names_what_was_seen() -> None:
    """All of production to green, if the listener is still as it was."""
    found = step(seen(BLUE, GREEN, marks=marked(due(DeadlineKind.TO, weight=100)), looks=GOOD_LOOKS))
    assert only(found) == SetWeights("production", (0, 100), (100, 0))


@pytest.mark.parametrize(
    "wrong",
    [
        {"looks": 2},
        {"alarms": ("errors",)},
        {"strangers": (0, 1), "looks": -1},
        {"marks": marked(due(DeadlineKind.TO, weight=100), hold=Pause("ana", "b"))},
    ],
)
def test_the_switch_waits_for_every_precondition(wrong: dict[str, object]) -> None:
    """Enough looks, no alarm, no stranger in its group, nobody who holds it."""
    facts = seen(BLUE, GREEN, marks=marked(due(DeadlineKind.TO, weight=100)), looks=GOOD_LOOKS)
    found = step(replace(facts, **wrong))
    assert found.phase is Phase.SHIFTING
    assert not found.decisions
    assert found.because


def test_a_switch_that_never_can_be_made_fails() -> None:
    """An alarm that does not stop ends it; a hold does not."""
    late = marked(due(DeadlineKind.TO, -MINUTE, weight=100))
    facts = seen(BLUE, GREEN, marks=late, looks=GOOD_LOOKS, alarms=("errors",))
    assert step(facts).phase is Phase.FAILED
    held = replace(facts, marks=replace(late, hold=Pause("ana", "b")))
    assert step(held).waits_for is Waiting.PERSON


def test_a_newer_version_supersedes_and_starts_at_once() -> None:
    """Green goes, production is not touched, and the gate starts again."""
    facts = seen(BLUE, GREEN, wanted="c", marks=marked(due(DeadlineKind.GATE)), looks=5)
    gone = step(facts)
    assert (gone.phase, gone.decisions[0]) == (Phase.SUPERSEDED, DeleteTaskSet(GREEN.id, 1))
    assert gone.ended is not None
    assert (gone.ended.release, gone.ended.outcome, gone.ended.by) == ("b", Outcome.SUPERSEDED, Actor.SPECS)
    after = step(seen(BLUE, replace(GREEN, draining=True), wanted="c"))
    assert isinstance(after.decisions[-1], CreateTaskSet)


def test_a_newer_version_queues_where_the_policy_says_so() -> None:
    """What is under way goes on to its end; a version taken back is an end to it all the same."""
    queue = replace(CAREFUL, on_new_revision=OnNewRevision.QUEUE)
    facts = seen(BLUE, GREEN, wanted="c", test=(0, 100), marks=marked(due(DeadlineKind.GATE)), looks=1)
    assert step(facts, queue).phase is Phase.AWAITING_PROMOTION
    assert step(replace(facts, wanted="a"), queue).phase is Phase.SUPERSEDED


def test_a_newer_version_is_rejected_where_the_policy_says_so() -> None:
    """It is not tried when the other is through, either; retry brings it."""
    reject = replace(CAREFUL, on_new_revision=OnNewRevision.REJECT)
    facts = seen(BLUE, GREEN, wanted="c", test=(0, 100), marks=marked(due(DeadlineKind.GATE)), looks=1)
    found = step(facts, reject)
    after = written(found)
    assert (after.quarantine, after.rejection_of("c")) == (("c",), "rejected because b was being rolled out")
    assert found.ended is not None
    assert (found.ended.release, found.ended.outcome) == ("c", Outcome.ABORTED)
    onwards = step(replace(facts, marks=after), reject)
    assert (onwards.phase, onwards.release) == (Phase.AWAITING_PROMOTION, "b")


def test_back_to_what_runs_needs_no_rollout() -> None:
    """A version that is taken back while it waits simply goes."""
    found = step(seen(BLUE, GREEN, wanted="a", marks=marked(due(DeadlineKind.GATE)), looks=1))
    assert found.decisions[0] == DeleteTaskSet(GREEN.id, 1)


def test_going_back_skips_tests_gate_and_windows() -> None:
    """What ran before was let in once already."""
    back = marked(quarantine=("b",), rollback_target=Version("old", "web:7"))
    live = replace(BLUE, release="b")
    made = step(seen(live, marks=back)).decisions[-1]
    assert isinstance(made, CreateTaskSet)
    assert (made.release, made.task_definition) == ("old", "web:7")
    old = side("old", 1, age=0)
    up = replace(back, deadline=due(DeadlineKind.UP, release="old"))
    found = step(seen(live, old, marks=up, looks=GOOD_LOOKS))
    assert written(found).deadline == due(DeadlineKind.TO, CAREFUL.healthy_within, release="old", weight=100)


def test_no_tasks_wanted_in_mid_flight_is_no_fault_of_green() -> None:
    """Nothing can be tested or switched to, and nothing has failed: the timer starts again once tasks are wanted."""
    none = seen(BLUE, ill(GREEN), desired=0, marks=marked(due(DeadlineKind.UP, -HOUR)), looks=-5)
    assert written(step(none)).deadline is None
    found = step(replace(none, marks=marked()))
    assert not found.decisions
    assert (found.wake_at, found.waits_for) == (None, Waiting.SPEC)


def test_autoscaling_that_somebody_woke_is_held_still_again() -> None:
    """It would count blue and green as one."""
    found = step(
        seen(BLUE, GREEN, test=(0, 100), marks=marked(due(DeadlineKind.GATE)), looks=1, scaling=Scaling.ACTIVE)
    )
    assert only(found) == SuspendScaling(suspend=True)


def test_a_wait_is_no_longer_than_its_deadline() -> None:
    """Whoever drives it looks again in time."""
    soon = marked(due(DeadlineKind.GATE, timedelta(seconds=4)))
    found = step(seen(BLUE, GREEN, test=(0, 100), marks=soon, looks=1))
    assert found.wake_at == NOW + timedelta(seconds=4)


@pytest.mark.parametrize(("stage", "weight"), [(DeadlineKind.UP, 0), (DeadlineKind.TO, 100)])
def test_no_deadline_fails_healthy_tasks_that_ecs_is_still_stabilizing(stage: DeadlineKind, weight: int) -> None:
    """The desired count went up and down again: every task is healthy, and ECS has not said so yet."""
    busy = replace(GREEN, steady=False)
    found = step(seen(BLUE, busy, marks=marked(due(stage, -MINUTE, weight=weight)), scaling=Scaling.SUSPENDED))
    assert found.decisions == ()
    assert found.because == "ECS is still stabilizing the task set"
    ill_zone = replace(busy, healthy=(("a", 2),))
    facts = seen(BLUE, ill_zone, marks=marked(due(stage, -MINUTE, weight=weight)), scaling=Scaling.SUSPENDED)
    assert step(facts).phase is Phase.FAILED
