"""Counts that change during a rollout, tasks that AWS takes away, and capacity that it does not have.

The real driver over the local AWS emulator, on simulated time in which a task takes a minute to start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from reconciler.controller.until import has_ended
from reconciler.local.faults import Fault, FaultKind
from reconciler.local.scripted import Script
from reconciler.rollout.engine import Phase, RolloutHealth, Waiting
from reconciler.rollout.stored_state import Outcome
from reconciler.rollout.strategy import Promotion, Share
from tests.harness.driving import was_promoted
from tests.harness.emulated_stack import CLUSTER, HELLO, SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.promises.conftest import mostly_slow

ONE, TWO = "my-app-frontend-tg-1", "my-app-frontend-tg-2"
CANARY = SHORT | {"shares": (Share(10, timedelta(minutes=3)),), "verify_for": timedelta(minutes=3)}
CANARY |= {"teardown_after": timedelta(minutes=4), "healthy_within": timedelta(minutes=5)}
FOUR = {"desired_count: 1": "desired_count: 4"}
UNDER_TRAFFIC = [Phase.SHIFTING, Phase.VERIFYING, Phase.BAKING]
BEFORE_TRAFFIC = [Phase.SCALING_UP, Phase.AWAITING_PROMOTION]


pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def stage(for_a_module: None) -> Iterator[EmulatedStack]:
    """v1 serves with four tasks; a task takes a minute to start."""
    with emulated_stack(FOUR, CANARY) as found:
        found.serving()
        found.laptop.script(Script(starts_after=60.0))
        yield found


def in_phase(stage: EmulatedStack, phase: Phase) -> None:
    """A rollout of v2, observed once in the phase with nothing left to do, and some time into it."""
    stage.spec(v1="v2")
    stage.apply(lambda turn: turn.step is not None and turn.step.phase is phase and not turn.busy)
    stage.laptop.advance(10)


def outcomes(stage: EmulatedStack) -> list[Outcome]:
    return [turn.step.ended.outcome for turn in stage.seen if turn.step is not None and turn.step.ended is not None]


def least(stage: EmulatedStack, goal: Callable[[Any], bool] = has_ended) -> int:
    """Follow the rollout; the fewest healthy targets that production had at any look."""
    counts: list[int] = []

    def look(turn: Any) -> bool:
        counts.append(healthy_in_production(stage))
        return goal(turn)

    stage.follow(look)
    return min(counts)


def healthy_in_production(stage: EmulatedStack) -> int:
    elb, weights = stage.laptop.client("elbv2"), stage.weights(80)
    groups = elb.describe_target_groups()["TargetGroups"]
    return sum(
        item["TargetHealth"]["State"] == "healthy"
        for group in groups
        if weights.get(group["TargetGroupName"])
        for item in elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    )


def green_tasks(stage: EmulatedStack) -> list[str]:
    green = max(stage.service()["taskSets"], key=lambda one: one["createdAt"])["id"]
    found: list[str] = stage.laptop.client("ecs").list_tasks(cluster=CLUSTER, startedBy=green)["taskArns"]
    return found


def running(stage: EmulatedStack) -> list[int]:
    return sorted(one["runningCount"] for one in stage.service()["taskSets"])


@pytest.mark.parametrize("phase", mostly_slow([*BEFORE_TRAFFIC, *UNDER_TRAFFIC], Phase.SCALING_UP, Phase.BAKING))
def test_a_raised_count_is_no_verdict_on_the_version(stage: EmulatedStack, phase: Phase) -> None:
    """Tasks that are still starting are not ill; the rollout goes on, and both versions grow."""
    in_phase(stage, phase)
    stage.change({"desired_count: 1": "desired_count: 8"})
    stage.infrastructure()
    assert stage.service()["desiredCount"] == 8
    assert least(stage) >= 4
    assert outcomes(stage) == [Outcome.PROMOTED]
    assert running(stage) == [8]


@pytest.mark.parametrize("kind", ["spot_interruption", "retirement"])
@pytest.mark.parametrize("phase", mostly_slow(UNDER_TRAFFIC, Phase.VERIFYING))
def test_an_interrupted_task_is_no_verdict_on_the_version(stage: EmulatedStack, phase: Phase, kind: FaultKind) -> None:
    """AWS takes two tasks away, which take a minute to be replaced."""
    in_phase(stage, phase)
    stage.laptop.aws.inject(Fault(kind, image=f"*{stage.digest('v2')}*", count=2))
    stage.laptop.aws.inject(Fault(kind, count=2))
    stage.follow()
    assert outcomes(stage) == [Outcome.PROMOTED]
    assert running(stage) == [4]


@pytest.mark.parametrize("phase", mostly_slow(UNDER_TRAFFIC, Phase.VERIFYING))
def test_blue_serves_while_all_tasks_of_green_are_interrupted(stage: EmulatedStack, phase: Phase) -> None:
    """Production moves to blue within seconds, and green is brought up, tested and promoted again."""
    in_phase(stage, phase)
    for arn in green_tasks(stage):
        stage.laptop.client("ecs").stop_task(cluster=CLUSTER, task=arn)
    began = stage.laptop.clock.now()
    stage.follow(lambda turn: stage.weights(80)[ONE] == 100)
    assert (stage.laptop.clock.now() - began).total_seconds() <= 30
    stage.follow()
    assert outcomes(stage) == [Outcome.PROMOTED]
    assert stage.weights(80)[TWO] == 100


@pytest.mark.parametrize("phase", mostly_slow(UNDER_TRAFFIC, Phase.VERIFYING))
@pytest.mark.parametrize("how", ["its targets fail", "half of its tasks exit"])
def test_a_version_that_fails_leaves_production_as_fast_as_ever(stage: EmulatedStack, phase: Phase, how: str) -> None:
    """Failing targets and failed tasks count at once, also while the count is being raised."""
    in_phase(stage, phase)
    stage.change({"desired_count: 1": "desired_count: 8"})
    stage.infrastructure()
    stage.follow(lambda turn: True)
    if how == "its targets fail":
        stage.laptop.script(Script(image=f"*{stage.digest('v2')}*", healthy=False, starts_after=60.0))
    up = [task for arn in green_tasks(stage) if (task := arn.rpartition("/")[2]) in stage.laptop.tasks.running]
    for task in up[:2] if how == "half of its tasks exit" else ():
        stage.laptop.tasks.kill(task)
    stage.laptop.aws.tick()
    began = stage.laptop.clock.now()
    stage.follow(lambda turn: stage.weights(80)[ONE] == 100)
    assert (stage.laptop.clock.now() - began).total_seconds() <= 30
    assert outcomes(stage) == [Outcome.ROLLED_BACK]


@pytest.mark.slow
def test_without_capacity_a_version_waits_and_then_goes_on(stage: EmulatedStack) -> None:
    """For an hour AWS has no room: the status says so, nothing fails, and once there is room the rollout goes on."""
    fault = stage.laptop.aws.inject(Fault("no_capacity"))
    stage.spec(v1="v2")
    stage.apply(lambda turn: stage.laptop.clock.monotonic() > 3600, patience=3600.0)
    step = stage.last.step
    assert step is not None
    assert (step.phase, step.health) == (Phase.SCALING_UP, RolloutHealth.SUSPENDED)
    assert "Capacity is unavailable" in step.because
    assert not outcomes(stage)
    stage.laptop.aws.faults.remove(fault)
    stage.follow()
    assert outcomes(stage) == [Outcome.PROMOTED]


def test_a_lower_count_follows_the_release_that_it_came_with(stage: EmulatedStack) -> None:
    """Blue keeps its tasks until green is in production for good."""
    stage.change({"desired_count: 1": "desired_count: 1", "tag: v1": "tag: v2"})
    stage.apply(was_promoted)
    assert stage.service()["desiredCount"] == 4
    stage.infrastructure()
    assert stage.service()["desiredCount"] == 4
    stage.follow()
    stage.infrastructure()
    assert stage.service()["desiredCount"] == 1


@pytest.mark.slow
def test_a_lower_count_goes_back_with_a_version_that_fails(stage: EmulatedStack) -> None:
    """Production is not smaller because of a version that never served; `diff` says that the count waits."""
    stage.answers = lambda path: (500, "no")
    stage.change({"desired_count: 1": "desired_count: 1", "tag: v1": "tag: v2"})
    assert stage.apply(has_ended).went_wrong
    last = stage.infrastructure().last
    assert stage.service()["desiredCount"] == 4
    deferred = {str(change) for one in last.plan.deferred for change in one.action.changes}
    assert deferred == {"desired_count"}
    stage.answers = lambda path: HELLO
    stage.change({"tag: v1": "tag: v3"})
    stage.apply(has_ended)
    stage.infrastructure()
    assert stage.service()["desiredCount"] == 1


def test_autoscaling_grows_both_versions_at_a_manual_gate() -> None:
    """The load doubles while a version waits for a person: the count of the autoscaler holds for blue and green."""
    scaled = {"desired_count: 1": "desired_count: 4\nscaling: {min: 4, max: 12, cpu: 60}"}
    with emulated_stack(scaled, SHORT | {"promotion": Promotion.MANUAL}) as stage:
        stage.serving()
        stage.spec(v1="v2")
        stage.apply(has_ended)
        (target,) = stage.laptop.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")[
            "ScalableTargets"
        ]
        assert target["SuspendedState"] == {
            "DynamicScalingInSuspended": True,
            "DynamicScalingOutSuspended": False,
            "ScheduledScalingSuspended": False,
        }
        stage.laptop.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, desiredCount=8)
        assert running(stage) == [8, 8]
        stage.texts["desired_count: 1"] = "desired_count: 10\nscaling: {min: 10, max: 12, cpu: 60}"
        stage.change({})
        stage.infrastructure()
        assert running(stage) == [10, 10]


def test_a_service_without_tasks_starts_the_new_version() -> None:
    """A version that is committed while no tasks are wanted is the one that runs once they are."""
    with emulated_stack({"desired_count: 1": "desired_count: 1"}, SHORT) as stage:
        stage.serving()
        stage.change({"desired_count: 1": "desired_count: 0"})
        stage.apply(has_ended)
        stage.change({"tag: v1": "tag: v2"})
        stage.apply(has_ended)
        assert stage.last.step is not None
        assert stage.last.step.waits_for is Waiting.SPEC
        before = len(stage.laptop.tasks.started)
        stage.change({"desired_count: 1": "desired_count: 1"})
        stage.apply(has_ended)
        started = {container.image for task in stage.laptop.tasks.started[before:] for container in task.containers}
        assert [image.rpartition("@")[2] for image in started] == [stage.digest("v2")]
        assert stage.last.step is not None
        assert stage.last.step.phase is Phase.IDLE


AGAIN = {Phase.AWAITING_PROMOTION: Phase.SCALING_UP, Phase.BAKING: Phase.VERIFYING}


@pytest.mark.parametrize("phase", mostly_slow([*BEFORE_TRAFFIC, *UNDER_TRAFFIC], Phase.SCALING_UP, Phase.BAKING))
def test_no_wanted_tasks_hold_a_rollout_still(stage: EmulatedStack, phase: Phase) -> None:
    """It says so, rests without a call, and has its health proved again when tasks are wanted again."""
    in_phase(stage, phase)
    ecs = stage.laptop.client("ecs")
    ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=0)
    stage.follow()
    step = stage.last.step
    assert step is not None
    assert (step.phase, step.health, step.waits_for) == (AGAIN.get(phase, phase), RolloutHealth.SUSPENDED, Waiting.SPEC)
    assert not outcomes(stage)
    ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=4)
    stage.follow(lambda turn: outcomes(stage) != [])
    assert outcomes(stage) == [Outcome.PROMOTED]


ROLLING = {
    "desired_count: 1": "desired_count: 4",
    "deployment: careful": "",
    "[my-app-frontend-tg-1, my-app-frontend-tg-2]": "[my-app-frontend-tg-1]",
}


def test_a_rolling_deployment_without_capacity_is_tried_again() -> None:
    """ECS's circuit breaker goes back each time; the version is not blamed, and runs once there is capacity."""
    with emulated_stack(ROLLING) as stage:
        stage.serving()
        fault = stage.laptop.aws.inject(Fault("no_capacity"))
        stage.spec(v1="v2")
        stage.apply(lambda turn: False, patience=6 * 3600.0)
        step = stage.last.step
        assert step is not None
        assert (step.phase, step.health) == (Phase.SCALING_UP, RolloutHealth.SUSPENDED)
        assert not outcomes(stage)
        assert 4 <= stage.transport.sent["UpdateService"] <= 12
        assert stage.service()["runningCount"] == 4
        stage.laptop.aws.faults.remove(fault)
        stage.follow()
        assert outcomes(stage) == [Outcome.PROMOTED]
        assert not {key for key in stage.tags() if key.endswith((":retry", ":quarantine"))}


def test_a_rolling_version_that_fails_beside_a_lack_of_capacity_is_rolled_back() -> None:
    """A task of the version itself exited: that is a verdict, whatever else AWS lacked."""
    with emulated_stack(ROLLING) as stage:
        stage.serving()
        stage.laptop.script(Script(image=f"*{stage.digest('v2')}*", healthy=False, exits_after=1.0, exit_code=1))
        stage.laptop.aws.inject(Fault("no_capacity", count=2))
        stage.spec(v1="v2")
        assert stage.apply(has_ended, patience=6 * 3600.0).went_wrong
        assert outcomes(stage) == [Outcome.ROLLED_BACK]
