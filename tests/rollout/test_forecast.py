"""A forecast adds up what the strategy and AWS take, and learns from what releases really took."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.rollout import release_times
from reconciler.rollout.actions import CreateTaskSet, WriteState
from reconciler.rollout.attempts import KEPT_TIMES, ReleaseTimes
from reconciler.rollout.durations import Durations
from reconciler.rollout.engine import Phase, RolloutStep
from reconciler.rollout.forecast import Forecast, Part, forecast, rounded
from reconciler.rollout.simulation import Simulation
from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.state_tags import of_tags, tags_of
from reconciler.rollout.stored_state import Actor, Outcome, RolloutResult, StoredState
from reconciler.rollout.strategy import Promotion, Share, Strategy

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TASK_SETS = Strategy(durations=Durations(healthy=20 * SECOND), drain=30 * SECOND)


def test_the_parts_of_a_blue_green() -> None:
    """Image, checks and the two looks that confirm them; the gate; and what comes after production apart."""
    timed = replace(TASK_SETS, promotion=Promotion.TIMED, promote_after=timedelta(hours=2))
    found = forecast(timed, 2)
    assert dict(found.parts) == {
        Part.START: 25 * SECOND,
        Part.HEALTH: 22 * SECOND,
        Part.PROMOTION: timedelta(hours=2),
        Part.VERIFY: timedelta(minutes=5),
        Part.BAKE: timedelta(hours=1),
        Part.REMOVAL: 30 * SECOND,
    }
    assert found.production == timedelta(hours=2, seconds=47)
    assert found.unattended == 47 * SECOND
    assert not found.manual


def test_a_person_is_not_forecast() -> None:
    """The wait for a manual promotion has no length."""
    found = forecast(replace(TASK_SETS, promotion=Promotion.MANUAL), 2)
    assert found.manual
    assert Part.PROMOTION not in dict(found.parts)
    assert found.production == 47 * SECOND


def test_traffic_steps_and_a_task_before() -> None:
    """Each pause counts, and so does the pre-deployment task."""
    shares = (Share(10, timedelta(minutes=5)), Share(50, timedelta(minutes=10)))
    parts = dict(forecast(replace(TASK_SETS, shares=shares), 2, task=True).parts)
    assert parts[Part.SHIFT] == timedelta(minutes=15)
    assert parts[Part.TASK] == 90 * SECOND


@pytest.mark.parametrize("engine", ["task_sets", "ecs_native", "codedeploy"])
def test_days_of_waiting_are_forecast_in_a_few_looks(engine: str) -> None:
    """While nothing but a deadline is waited for, the simulation goes straight to it: in traffic steps, too."""
    day = timedelta(days=1)
    policy = replace(TASK_SETS, engine=engine, shares=(Share(10, day), Share(50, 2 * day)), verify_for=day)
    assert len(list(Simulation(policy, 2).steps())) < 150
    parts = dict(forecast(policy, 2).parts)
    assert timedelta() <= parts[Part.SHIFT] - 3 * day <= timedelta(minutes=2)
    assert timedelta() <= parts[Part.VERIFY] - day <= timedelta(minutes=2)


@pytest.mark.parametrize(
    ("lower", "upper", "desired", "waves"),
    [(100, 200, 6, 1), (100, 150, 6, 2), (50, 100, 6, 2), (75, 125, 10, 3), (0, 100, 4, 1), (100, 100, 3, 1)],
)
def test_waves_of_a_rolling_deployment(lower: int, upper: int, desired: int, waves: int) -> None:
    """As many as its limits make; one that cannot get on counts as one."""
    durations = Durations(healthy=20 * SECOND, lower=lower, upper=upper)
    assert durations.waves(desired) == waves
    rolling = Strategy(engine="rolling", drain=30 * SECOND, durations=durations)
    assert forecast(rolling, desired).production == waves * 45 * SECOND + 30 * SECOND
    assert dict(forecast(rolling, desired).parts)[Part.DRAIN] == 30 * SECOND


def _taken(*healthy: int) -> tuple[ReleaseTimes, ...]:
    return tuple(ReleaseTimes(f"r{at}", NOW, 47, one, one, one, one) for at, one in enumerate(healthy))


@pytest.mark.parametrize("engine", ["task_sets", "ecs_native", "codedeploy", "rolling"])
def test_what_the_last_releases_took_is_forecast(engine: str) -> None:
    """The middle one of the last few counts, and the image is what took longer."""
    policy = replace(TASK_SETS, engine=engine)
    usual = dict(forecast(policy, 3).parts)
    up = sum((usual.get(part, timedelta()) for part in list(Part)[1:6]), timedelta())
    seconds = int(up.total_seconds())
    slower = dict(forecast(policy, 3, times=_taken(seconds + 60, seconds + 500, seconds + 55)).parts)
    assert abs(slower.pop(Part.START) - usual.pop(Part.START) - 60 * SECOND) <= 15 * SECOND  # it is looked at so often
    assert abs(slower[Part.HEALTH] - usual[Part.HEALTH]) <= 15 * SECOND


def test_times_that_are_shorter_than_the_checks_make_no_negative_start() -> None:
    """Nothing is forecast to take less than no time."""
    assert Part.START not in dict(forecast(TASK_SETS, 1, times=_taken(1)).parts)


def test_unfinished_releases_teach_nothing() -> None:
    """Only one that came into production says how long it takes."""
    stuck = (ReleaseTimes("r1", NOW, 47, healthy=900),)
    assert forecast(TASK_SETS, 1, times=stuck) == forecast(TASK_SETS, 1)


def test_what_is_left_of_a_rollout() -> None:
    """The rest of its phase, and what comes after; a phase that takes too long has nothing left."""
    found = forecast(replace(TASK_SETS, promotion=Promotion.TIMED, promote_after=timedelta(hours=2)), 2)
    assert found.left(Phase.SCALING_UP, 17 * SECOND) == timedelta(hours=2, seconds=30)
    assert found.left(Phase.AWAITING_PROMOTION, timedelta(hours=1)) == timedelta(hours=1)
    assert found.late(Phase.SCALING_UP, 60 * SECOND) == 13 * SECOND
    assert found.left(Phase.SCALING_UP, 60 * SECOND) == timedelta(hours=2)


def test_rounding() -> None:
    """To what people read at that length."""
    assert [rounded(one * SECOND) for one in (0, 47, 62, 599, 3661)] == ["0s", "47s", "1m", "10m", "1h1m"]


# -- times that are stored

BLUE = TaskSet("blue", "v1", 0, NOW - timedelta(days=1), primary=True, running=1)
STARTING = RolloutStep(Phase.SCALING_UP, (CreateTaskSet("v2", 1, 100, "1"),), NOW, release="v2")


EXPECTED = Forecast(((Part.START, 47 * SECOND), (Part.PROMOTION, 600 * SECOND)))


def _noted(step: RolloutStep, seen: ObservedService, at: int, *, starts: bool = False) -> ObservedService:
    """What is stored after the step, `at` seconds from the start."""
    result = release_times.noted(step, seen, NOW + at * SECOND, lambda: EXPECTED, starts=starts)
    for one in result.decisions:
        if isinstance(one, WriteState):
            seen = replace(seen, marks=one.on(seen.marks))
    return seen


def test_a_release_on_its_way() -> None:
    """Each stage is noted once, by the step that reaches it, and the wait for a promotion does not count."""
    seen = _noted(STARTING, ObservedService("v2", 1, (BLUE,)), 0, starts=True)
    for at, phase in ((5, Phase.SCALING_UP), (47, Phase.TESTING), (50, Phase.AWAITING_PROMOTION)):
        seen = _noted(RolloutStep(phase, release="v2"), seen, at)
    seen = _noted(RolloutStep(Phase.SCALING_UP, release="v2"), seen, 55)
    seen = _noted(RolloutStep(Phase.SHIFTING, release="v2"), seen, 650)
    seen = _noted(RolloutStep(Phase.VERIFYING, release="v2"), seen, 660)
    seen = _noted(RolloutStep(Phase.BAKING, release="v2"), seen, 999)
    (times,) = seen.marks.times
    assert times == ReleaseTimes("v2", NOW, 47, healthy=47, tested=50, approved=650, production=660)
    assert times.taken == 60
    assert of_tags(tags_of(seen.marks)) == seen.marks


def test_a_step_that_notes_nothing_new_is_left_as_it_is() -> None:
    """No write for the sake of times, and none of a service at rest."""
    rest = RolloutStep(Phase.IDLE, release="v1")
    seen = ObservedService("v1", 1, (BLUE,))
    assert release_times.noted(rest, seen, NOW, lambda: EXPECTED, starts=False) is rest


def test_a_release_whose_forecast_is_not_known_is_not_noted() -> None:
    """No rollout depends on it: a simulation that does not come to its end stops none."""
    seen = ObservedService("v2", 1, (BLUE,))
    assert release_times.noted(STARTING, seen, NOW, lambda: None, starts=True) is STARTING


def test_a_first_deployment_is_not_noted() -> None:
    """It has no version to take over from, so it is no measure for the next."""
    first = replace(STARTING, phase=Phase.INITIAL_DEPLOYMENT)
    assert not _noted(first, ObservedService("v2", 1), 0, starts=True).marks.times


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.ABORTED, Outcome.SUPERSEDED])
def test_a_release_that_failed_has_no_times(outcome: Outcome) -> None:
    """Another attempt at it starts again."""
    seen = _noted(STARTING, ObservedService("v2", 1, (BLUE,)), 0, starts=True)
    ended = RolloutResult("v2", outcome, "scaling_up", NOW, Actor.ENGINE)
    assert not _noted(RolloutStep(Phase.FAILED, release="v2", ended=ended), seen, 9).marks.times


def test_a_version_that_is_rolled_back_in_production_keeps_its_times() -> None:
    """All of production had it."""
    done = StoredState(times=_taken(47))
    seen = ObservedService("r0", 1, (BLUE,), marks=done)
    ended = RolloutResult("r0", Outcome.ROLLED_BACK, "verifying", NOW, Actor.ENGINE)
    assert _noted(RolloutStep(Phase.ROLLING_BACK, release="r0", ended=ended), seen, 9).marks.times == done.times


def test_the_newest_few_are_kept() -> None:
    """A release that comes again replaces its own times, and one that never arrived those of nobody else."""
    old = (*_taken(10, 20, 30), ReleaseTimes("lost", NOW, 47, healthy=12))[-KEPT_TIMES:]
    seen = ObservedService("r1", 1, (BLUE,), marks=StoredState(times=old))
    times = _noted(STARTING, seen, 0, starts=True).marks.times
    assert [one.release for one in times] == ["r1", "r2"]
    longest = replace(_taken(10**8)[0], release="0123456789ab", expected=10**8)
    assert len(tags_of(StoredState(times=(longest,) * KEPT_TIMES))["reconciler:times"]) <= 256


def test_times_that_cannot_be_read_hold_nothing_up() -> None:
    """Nothing is decided by them, so the rest of the state counts, and so do those that can be read."""
    (known,) = _taken(47)
    found = of_tags({"reconciler:times": f"v2:1:2 {known.text()} x"})
    assert (found.times, found.unreadable) == ((known,), "")
