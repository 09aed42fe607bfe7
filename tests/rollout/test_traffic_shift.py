"""From the first share of production to the end of blue: forwards only if green is well, back at any moment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.rollout.actions import DeleteTaskSet, ScaleTaskSet, SetPrimary, SetWeights, UpdateHealthCheck
from reconciler.rollout.engine import Phase, RolloutHealth
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Pause
from reconciler.rollout.state import WHOLE, ObservedService, Scaling
from reconciler.rollout.stored_state import Actor, DeadlineKind, Outcome
from reconciler.rollout.strategy import Share, Strategy
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

LIVE = replace(GREEN, primary=True)
WAS_BLUE = replace(BLUE, primary=False)


def shared(weight: int, stage: DeadlineKind, wait_over: bool = False, **fields: object) -> ObservedService:
    deadline = due(stage, -MINUTE if wait_over else MINUTE, weight=weight)
    found = seen(BLUE, GREEN, production=(100 - weight, weight), marks=marked(deadline), looks=GOOD_LOOKS)
    return replace(found, **fields)


def switched(stage: DeadlineKind, wait_over: bool = False, **fields: object) -> ObservedService:
    deadline = due(stage, -MINUTE if wait_over else MINUTE)
    sets = (BLUE, GREEN) if stage is DeadlineKind.VERIFY else (WAS_BLUE, LIVE)
    found = seen(*sets, production=(0, 100), test=(0, 100), marks=marked(deadline), looks=1)
    return replace(found, **fields)


def test_a_canary_goes_step_by_step() -> None:
    """10, 50, then all; each step is noted before it is made, and watched for its whole pause."""
    first = seen(BLUE, GREEN, marks=marked(due(DeadlineKind.TO, weight=10)), looks=GOOD_LOOKS)
    assert only(step(first, CANARY)) == SetWeights("production", (90, 10), (100, 0))
    seen_there = shared(10, DeadlineKind.TO)
    assert written(step(seen_there, CANARY)).deadline == due(DeadlineKind.AT, 5 * MINUTE, weight=10)
    assert not step(shared(10, DeadlineKind.AT), CANARY).decisions
    over = step(shared(10, DeadlineKind.AT, wait_over=True), CANARY)
    assert written(over).deadline == due(DeadlineKind.TO, CANARY.healthy_within, weight=50)
    next_one = seen(BLUE, GREEN, production=(90, 10), marks=marked(due(DeadlineKind.TO, weight=50)), looks=GOOD_LOOKS)
    assert only(step(next_one, CANARY)) == SetWeights("production", (50, 50), (90, 10))
    last = seen(BLUE, GREEN, production=(50, 50), marks=marked(due(DeadlineKind.TO, weight=100)), looks=GOOD_LOOKS)
    assert only(step(last, CANARY)) == SetWeights("production", (0, 100), (50, 50))


SHRUNK: dict[str, Any] = {"scale": 0, "running": 0, "healthy": (), "steady": False}


@pytest.mark.parametrize("stage", [DeadlineKind.GATE, DeadlineKind.TO])
@pytest.mark.parametrize("scaling", [Scaling.ACTIVE, Scaling.SUSPENDED])
def test_blue_gets_its_tasks_back_if_somebody_scales_it_down(stage: DeadlineKind, scaling: Scaling) -> None:
    """It is the one that serves, for as long as green is not promoted."""
    where = seen(replace(BLUE, **SHRUNK), GREEN, marks=marked(due(stage, weight=10)), looks=GOOD_LOOKS, scaling=scaling)
    assert only(step(where, CANARY)) == ScaleTaskSet(BLUE.id, WHOLE)


@pytest.mark.parametrize("stage", [DeadlineKind.VERIFY, DeadlineKind.WARM])
@pytest.mark.parametrize("wait_over", [False, True])
def test_green_gets_its_tasks_back_if_somebody_scales_it_down(stage: DeadlineKind, wait_over: bool) -> None:
    """Otherwise production would have no tasks, beside a blue that is healthy, for as long as nobody notices."""
    found = step(replace(switched(stage, wait_over), sets=(WAS_BLUE, replace(LIVE, **SHRUNK)), looks=0))
    assert only(found) == ScaleTaskSet(LIVE.id, WHOLE)
    assert found.health is not RolloutHealth.HEALTHY


def test_every_version_with_a_share_of_production_gets_its_tasks_back() -> None:
    """Whichever side somebody scales down while production is shared, and however far."""
    half = shared(50, DeadlineKind.AT)
    some = replace(GREEN, scale=50, running=1)
    found = step(replace(half, sets=(replace(BLUE, **SHRUNK), some), looks=0), CANARY)
    assert found.decisions == (ScaleTaskSet(BLUE.id, WHOLE), ScaleTaskSet(GREEN.id, WHOLE))


@pytest.mark.parametrize("where", [shared(50, DeadlineKind.AT), switched(DeadlineKind.VERIFY)])
def test_a_rollback_waits_for_no_task_set_that_production_leaves(where: ObservedService) -> None:
    """A version in alarm that somebody scaled down would get its tasks back first, and requests until then."""
    found = step(replace(where, sets=(BLUE, replace(GREEN, scale=50, running=1)), alarms=("errors",)), CANARY)
    assert kinds(found) == ["SetWeights", "WriteState"]
    assert found.decisions[0] == SetWeights("production", (100, 0), where.production)


def test_a_suspended_service_stays_as_somebody_has_scaled_it() -> None:
    """Whoever suspended it works on it by hand."""
    where = replace(switched(DeadlineKind.WARM), sets=(WAS_BLUE, replace(LIVE, **SHRUNK)), looks=0)
    assert not step(replace(where, marks=replace(where.marks, suspended=Pause("ana")))).decisions


@pytest.mark.parametrize(
    ("policy", "trouble", "named"),
    [
        (CANARY, {"alarms": ("errors",)}, ("errors",)),
        (replace(CANARY, max_5xx=0.5), {"errors": 0.7}, ("0.7 %", "5xx", "0.5 %")),
        (CANARY, {"looks": -3, "sets": (BLUE, ill(GREEN))}, ("0 of 2",)),
    ],
)
@pytest.mark.parametrize("where", [shared(10, DeadlineKind.AT), switched(DeadlineKind.VERIFY)])
def test_trouble_takes_production_back_to_blue(
    where: ObservedService, policy: Strategy, trouble: dict[str, object], named: tuple[str, ...]
) -> None:
    """Traffic first, then the note: two calls, no task started; and it is not tried again."""
    found = step(replace(where, **trouble), policy)
    assert (found.phase, found.health) == (Phase.ROLLING_BACK, RolloutHealth.DEGRADED)
    assert kinds(found) == ["SetWeights", "WriteState"]
    assert found.decisions[0] == SetWeights("production", (100, 0), where.production)
    assert written(found).quarantine == ("b",)
    assert found.ended is not None
    assert (found.ended.outcome, found.ended.by) == (Outcome.ROLLED_BACK, Actor.ENGINE)
    assert all(value in found.ended.why for value in named)


def test_one_bad_look_is_not_believed() -> None:
    """Targets flap; several looks in a row have to agree."""
    assert not step(switched(DeadlineKind.VERIFY, looks=-2, sets=(BLUE, ill(GREEN)))).decisions


def test_production_never_goes_back_to_a_side_that_is_worse_off() -> None:
    """Both bad: it stays, and says so."""
    found = step(switched(DeadlineKind.VERIFY, alarms=("errors",), sets=(ill(BLUE), GREEN)))
    assert not found.decisions
    assert "not rolled back" in found.because
    assert found.health is RolloutHealth.DEGRADED


def test_half_a_blue_takes_over_from_a_green_that_is_gone() -> None:
    """Not worse off is enough."""
    half = replace(BLUE, healthy=(("a", 1),))
    found = step(switched(DeadlineKind.VERIFY, looks=-3, sets=(half, ill(GREEN))))
    assert found.decisions[0] == SetWeights("production", (100, 0), (0, 100))


def test_blue_stays_for_its_whole_time_once_green_was_watched() -> None:
    """The clock of blue's end begins only after the watching."""
    found = step(switched(DeadlineKind.VERIFY, wait_over=True))
    assert found.decisions[0] == SetPrimary(GREEN.id)
    assert written(found).deadline == due(DeadlineKind.WARM, CAREFUL.teardown_after)
    assert not step(switched(DeadlineKind.VERIFY, wait_over=True, looks=0)).decisions


def test_blue_stays_until_requests_to_it_have_ended() -> None:
    """However short the policy's time is."""
    hasty = replace(CAREFUL, teardown_after=0 * MINUTE, drain=10 * MINUTE)
    assert written(step(switched(DeadlineKind.VERIFY, wait_over=True), hasty)).deadline == due(
        DeadlineKind.WARM, 10 * MINUTE
    )


def test_blue_goes_when_its_time_is_over_and_stays_known() -> None:
    """What ran before can be gone back to afterwards."""
    found = step(switched(DeadlineKind.WARM, wait_over=True))
    assert found.decisions[-1] == DeleteTaskSet(BLUE.id, 0)
    assert written(found).previous == Version("a", BLUE.task_definition)
    assert found.ended is not None
    assert (found.ended.outcome, found.ended.by) == (Outcome.PROMOTED, Actor.TIMER)


@pytest.mark.parametrize(
    "reason",
    [
        {"looks": -1, "sets": (WAS_BLUE, ill(LIVE))},
        {"looks": 0},
        {"marks": marked(due(DeadlineKind.WARM, -MINUTE), hold=Pause("ana", "b"))},
    ],
)
def test_blue_stays_while_green_is_not_well_or_somebody_holds_it(reason: dict[str, object]) -> None:
    """Its deadline is the earliest moment, not the only condition."""
    assert not step(switched(DeadlineKind.WARM, wait_over=True, **reason)).decisions


def test_a_green_that_falls_ill_while_blue_is_warm_goes_back() -> None:
    """One write, no task started."""
    found = step(switched(DeadlineKind.WARM, looks=-3, sets=(WAS_BLUE, ill(LIVE))))
    assert kinds(found) == ["SetWeights", "WriteState"]


def test_alarms_are_watched_for_the_time_that_the_policy_says() -> None:
    """Not for the hours in which blue merely stays warm."""
    assert step(switched(DeadlineKind.WARM, alarms=("errors",))).phase is Phase.BAKING


def test_the_specs_going_back_while_blue_is_warm_is_one_write() -> None:
    """No test, no gate; and no quarantine, for it was a change of the specs."""
    found = step(switched(DeadlineKind.WARM, wanted="a"))
    assert kinds(found) == ["SetWeights", "WriteState"]
    assert found.ended is not None
    assert (found.ended.outcome, found.ended.by) == (Outcome.FAST_ROLLED_BACK, Actor.SPECS)
    assert written(found).quarantine == ()


def test_a_newer_version_waits_until_blue_is_gone() -> None:
    """Its group is needed, and blue's time is a promise; it says what comes next."""
    found = step(switched(DeadlineKind.WARM, wanted="c"))
    assert not found.decisions
    assert "c is rolled out next" in found.because


def test_a_newer_version_takes_a_canary_back_first() -> None:
    """A share is no place to stay at."""
    found = step(shared(10, DeadlineKind.AT, wanted="c"), CANARY)
    assert found.phase is Phase.SUPERSEDED
    assert found.decisions[0] == SetWeights("production", (100, 0), (90, 10))
    assert written(found).quarantine == ()


def test_what_was_rolled_back_goes_after_its_last_requests() -> None:
    """Label and test listener first, then the tasks, once the time of the requests is over."""
    quarantined = marked(due(DeadlineKind.RETIRE), quarantine=("b",))
    facts = seen(WAS_BLUE, LIVE, test=(0, 100), marks=quarantined, looks=1)
    assert kinds(step(facts)) == ["SetPrimary", "SetWeights"]
    tidy = replace(facts, sets=(BLUE, GREEN), test=(100, 0))
    assert not step(tidy).decisions
    over = replace(tidy, marks=replace(quarantined, deadline=due(DeadlineKind.RETIRE, -MINUTE)))
    assert step(over).decisions[0] == DeleteTaskSet(GREEN.id, 1)


def test_rest_after_a_rollback_says_what_to_do() -> None:
    """Degraded until the specs change."""
    noted = written(step(switched(DeadlineKind.VERIFY, alarms=("errors",)))).ended
    found = step(seen(BLUE, marks=marked(quarantine=("b",), ended=noted)))
    assert (found.phase, found.health) == (Phase.ROLLED_BACK, RolloutHealth.DEGRADED)
    assert found.at_rest
    assert "retry" in found.because


def test_shares_that_nobody_gave_block_it() -> None:
    """Somebody else is at work: production is not written to, and no clock is trusted any more."""
    facts = seen(BLUE, GREEN, production=(70, 30), marks=marked(due(DeadlineKind.AT, weight=10)), looks=GOOD_LOOKS)
    found = step(facts, CANARY)
    assert found.phase is Phase.BLOCKED
    assert kinds(found) == ["WriteState"]
    assert written(found).deadline is None


def test_a_step_that_cannot_be_made_in_time_goes_back() -> None:
    """Green is not fit for more: then it is not fit for less."""
    late = due(DeadlineKind.TO, -HOUR, weight=50)
    facts = seen(BLUE, ill(GREEN), production=(90, 10), marks=marked(late), looks=-1)
    assert step(facts, CANARY).decisions[0] == SetWeights("production", (100, 0), (90, 10))


def test_an_older_set_than_blue_goes_with_it() -> None:
    """Whatever was left behind by hands or crashes has no better claim than blue."""
    ancient = side("z", 0, age=500)
    found = step(switched(DeadlineKind.WARM, wait_over=True, sets=(ancient, WAS_BLUE, LIVE)))
    assert found.decisions[-1] == DeleteTaskSet(BLUE.id, 0)
    rest = step(switched(DeadlineKind.WARM, wait_over=True, sets=(ancient, replace(WAS_BLUE, draining=True), LIVE)))
    assert rest.decisions[-1] == DeleteTaskSet(ancient.id, 0)


def test_an_empty_target_group_has_the_health_check_of_the_release_again() -> None:
    """So a health check that is changed and changed back leaves both groups as they were."""
    rest = seen(replace(LIVE, release="b"), production=(0, 100), test=(0, 100), tuned=(False, True))
    assert UpdateHealthCheck(0) in step(rest).decisions
    stopping = replace(rest, sets=(*rest.sets, replace(WAS_BLUE, draining=True)))
    assert not any(isinstance(one, UpdateHealthCheck) for one in step(stopping).decisions)
    another = replace(rest, wanted="c", waits="its image has not been pushed")
    assert not any(isinstance(one, UpdateHealthCheck) for one in step(another).decisions)


def test_other_steps_that_are_declared_meanwhile_are_no_verdict() -> None:
    """Whatever share green has or is about to get, it goes on to the next one that is declared now."""
    halves = replace(CANARY, shares=(Share(50, 5 * MINUTE),))
    about_to = seen(BLUE, GREEN, marks=marked(due(DeadlineKind.TO, weight=10)), looks=GOOD_LOOKS)
    assert written(step(about_to, halves)).deadline == due(DeadlineKind.TO, CANARY.healthy_within, weight=50)
    written_already = shared(10, DeadlineKind.TO)
    assert written(step(written_already, halves)).deadline == due(DeadlineKind.AT, 0 * MINUTE, weight=10)
    over = step(shared(10, DeadlineKind.AT, wait_over=True), halves)
    assert written(over).deadline == due(DeadlineKind.TO, CANARY.healthy_within, weight=50)
    between = seen(BLUE, GREEN, production=(90, 10), marks=marked(due(DeadlineKind.TO, weight=50)), looks=GOOD_LOOKS)
    assert only(step(between, halves)) == SetWeights("production", (50, 50), (90, 10))
    quarters = replace(CANARY, shares=(Share(25, 5 * MINUTE),))
    assert written(step(between, quarters)).deadline == due(DeadlineKind.TO, CANARY.healthy_within, weight=25)


@pytest.mark.parametrize("healthy", [True, False])
def test_production_does_not_go_back_to_a_blue_that_is_ill_for_a_step_of_the_strategy(healthy: bool) -> None:
    """Somebody gave green a share that is no step, while its first step was about to begin."""
    blue = BLUE if healthy else replace(BLUE, running=0, healthy=(), steady=False)
    facts = seen(blue, GREEN, production=(30, 70), marks=marked(due(DeadlineKind.TO, -MINUTE, weight=10)), looks=3)
    assert ("SetWeights" in kinds(step(facts, CANARY))) is healthy
