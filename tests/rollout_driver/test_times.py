"""Forecast and reality: on the emulator with AWS's durations, a rollout takes what was forecast for it.

`pytest -m slow tests/rollout_driver/test_times.py -s` prints the table of all engines and strategies.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean

import pytest

from reconciler.local.timings import Timings
from reconciler.rollout.attempts import ReleaseTimes
from reconciler.rollout.engine import Phase
from reconciler.rollout.forecast import Forecast
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout_driver.driver import StepResult
from reconciler.rollout_driver.times import forecast_of
from tests.harness.emulated_stack import EmulatedStack, emulated_stack

WITHIN = 0.15
PATIENCE = 4 * 3600.0

AUTO = {"promotion: {mode: timed, after: 2h}": "promotion: {mode: auto}"}
MANUAL = {"promotion: {mode: timed, after: 2h}": "promotion: {mode: manual}"}
UNTESTED = {"test:\n  - {http: /, expect: {status: 200, body: Hello}, times: 5, within: 1m}\n": ""}
SLOW_CHECKS = {"interval: 10s": "interval: 30s", "healthy_threshold: 2": "healthy_threshold: 5"}
BLUE_GREEN = "type: blue_green"
NATIVE = {BLUE_GREEN: f"{BLUE_GREEN}\nengine: ecs_native"}
CODEDEPLOY = {BLUE_GREEN: f"{BLUE_GREEN}\nengine: codedeploy"}
ROLLING = {
    BLUE_GREEN: "type: rolling",
    "green: {healthy_within: 15m, max_failed_tasks: 3}": "",
    **UNTESTED,
    "promotion: {mode: timed, after: 2h} ": "",
    "verify: {for: 5m}": "",
    "teardown: {after: 1h} ": "",
    ", my-app-frontend-tg-2]": "]",
}


def _steps(type: str, engine: str, *steps: tuple[int, str]) -> dict[str, str]:
    listed = ", ".join(f"{{weight: {weight}, pause: {pause}}}" for weight, pause in steps)
    return {BLUE_GREEN: f"type: {type}\nengine: {engine}\nsteps: [{listed}]"}


LINEAR = ((25, "2m"), (50, "2m"), (75, "2m"))
CASES: Mapping[str, Mapping[str, str]] = {
    "task_sets, timed": {},
    "task_sets, auto": AUTO,
    "task_sets, auto, untested": AUTO | UNTESTED,
    "task_sets, manual": MANUAL,
    "task_sets, slow checks": AUTO | SLOW_CHECKS,
    "task_sets, canary": AUTO | _steps("canary", "task_sets", (10, "5m"), (50, "10m")),
    "task_sets, linear": AUTO | _steps("linear", "task_sets", *LINEAR),
    "rolling": ROLLING,
    "rolling, six tasks": ROLLING | {"desired_count: 1": "desired_count: 6"},
    "rolling, six tasks in waves": ROLLING
    | {"type: blue_green": "type: rolling\nrolling: {max_percent: 150}", "desired_count: 1": "desired_count: 6"},
    "rolling, slow checks": ROLLING | SLOW_CHECKS,
    "ecs_native, timed": NATIVE,
    "ecs_native, auto": NATIVE | AUTO,
    "ecs_native, auto, untested": NATIVE | AUTO | UNTESTED,
    "ecs_native, manual": NATIVE | MANUAL,
    "ecs_native, canary": AUTO | _steps("canary", "ecs_native", (20, "5m")),
    "ecs_native, linear": AUTO | _steps("linear", "ecs_native", *LINEAR),
    "codedeploy, timed": CODEDEPLOY,
    "codedeploy, auto": CODEDEPLOY | AUTO,
    "codedeploy, manual": CODEDEPLOY | MANUAL,
    "codedeploy, canary": AUTO | _steps("canary", "codedeploy", (20, "5m")),
    "codedeploy, linear": AUTO | _steps("linear", "codedeploy", *LINEAR),
}
SAMPLE = ("task_sets, auto", "rolling, six tasks in waves")


def promoted(result: StepResult) -> bool:
    found = () if result.seen is None else result.seen.marks.times
    return bool(found) and found[0].complete and result.seen is not None and found[0].release == result.seen.wanted


def at_the_gate(result: StepResult) -> bool:
    return result.step is not None and result.step.phase is Phase.AWAITING_PROMOTION and not result.busy


def release(stage: EmulatedStack, old: str, new: str) -> tuple[Forecast, ReleaseTimes]:
    """What was forecast for the new tag, and what it took."""
    stage.spec(**{old: new})
    report = stage.infrastructure()
    (rollout,) = stage.rollouts(report)
    seen, _ = stage.driver.look(rollout)
    found = forecast_of(rollout, seen, stage.laptop.clock.now())
    if found.manual:
        stage.follow(at_the_gate, patience=PATIENCE)
        stage.laptop.advance(1234)
        stage.say(RequestVerb.PROMOTE)
    stage.follow(promoted, patience=PATIENCE)
    seen_last = stage.last.seen
    assert seen_last is not None
    return found, seen_last.marks.times[0]


def deviation(found: Forecast, took: ReleaseTimes) -> float:
    return took.taken / found.unattended.total_seconds() - 1


def measured(name: str) -> tuple[Forecast, ReleaseTimes]:
    with emulated_stack(CASES[name], timings=Timings.aws()) as stage:
        stage.serving()
        return release(stage, "v1", "v2")


def check(name: str) -> None:
    found, took = measured(name)
    off = deviation(found, took)
    print(f"{name:30} {found.unattended.total_seconds():6.0f} s {took.taken:6} s {off:+6.1%}")
    assert took.expected == round(found.unattended.total_seconds())
    assert abs(off) <= WITHIN, (found, took)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_rollout_takes_what_was_forecast(name: str) -> None:
    """Within 15 percent, of an engine of ours and of ECS's; the others have their turn among the slow tests."""
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in SAMPLE])
def test_each_strategy_takes_what_was_forecast(name: str) -> None:
    """Within 15 percent, of each strategy that each engine has."""
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["task_sets", "rolling", "ecs_native", "codedeploy"])
def test_our_own_share_of_a_release_is_seconds(engine: str) -> None:
    """Whenever AWS is ready, the next call follows within five seconds on average."""
    from benchmarks import own_share  # which measures releases of this module

    ours = [taken - floor for floor, taken in (own_share.measure(engine, pull) for pull in own_share.PULLS)]
    assert 0 <= mean(ours) <= own_share.GOAL
