"""Task scale-in protection: tasks that should stop and may not are named, with the end of their protection.

The real driver over the local AWS emulator, on simulated time.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.rollout.engine import Phase, RolloutHealth
from reconciler.rollout.stored_state import Outcome
from tests.harness.driving import has_ended
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.rollout_driver.test_counts import outcomes

TWO_TASKS = {"desired_count: 1": "desired_count: 2"}
HOURS = 3600.0
ROLLING = TWO_TASKS | {
    "deployment: careful": "",
    "[my-app-frontend-tg-1, my-app-frontend-tg-2]": "[my-app-frontend-tg-1]",
}


@pytest.fixture
def stage() -> Iterator[EmulatedStack]:
    with emulated_stack(TWO_TASKS, SHORT) as found:
        found.serving()
        yield found


def protect(stage: EmulatedStack, hours: int = 24) -> str:
    """Protect one task; its id."""
    ecs = stage.laptop.client("ecs")
    arn: str = ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"][0]
    ecs.update_task_protection(cluster=CLUSTER, tasks=[arn], protectionEnabled=True, expiresInMinutes=hours * 60)
    return arn.rpartition("/")[2]


def wait(stage: EmulatedStack, seconds: float) -> None:
    began = stage.laptop.clock.monotonic()
    stage.follow(lambda turn: stage.laptop.clock.monotonic() - began >= seconds, patience=seconds)


@pytest.mark.slow
def test_a_removed_version_with_protected_tasks_is_named(stage: EmulatedStack) -> None:
    """Blue cannot lose its task: the reason says which one and until when, for a call a minute."""
    task, until = protect(stage), stage.laptop.clock.now()
    stage.spec(v1="v2")
    stage.apply(lambda turn: turn.step is not None and turn.step.phase is Phase.TEARDOWN and not turn.busy)
    step = stage.last.step
    assert step is not None
    assert step.health is RolloutHealth.SUSPENDED
    assert task[:8] in step.because
    assert f"until {until.replace(day=until.day + 1):%a %d %b %H:%M} UTC" in step.because
    stage.transport.sent.clear()
    wait(stage, HOURS)
    assert stage.last.step is not None
    assert stage.transport.sent["GetTaskProtection"] <= 61
    assert (stage.last.step.phase, stage.last.step.because) == (step.phase, step.because)
    stage.follow()
    assert outcomes(stage) == [Outcome.PROMOTED]
    assert stage.last.step is not None
    assert (stage.last.step.phase, stage.last.step.health) == (Phase.IDLE, RolloutHealth.HEALTHY)


def test_protected_tasks_are_asked_about_only_where_they_should_stop(stage: EmulatedStack) -> None:
    """A rollout that removes nothing makes no call, although tasks are protected; nor does a service at rest."""
    protect(stage)
    stage.follow()
    stage.spec(v1="v2")
    stage.apply(lambda turn: turn.step is not None and turn.step.phase is Phase.BAKING and not turn.busy)
    assert not stage.transport.sent["GetTaskProtection"]


def test_the_next_version_waits_for_the_target_group(stage: EmulatedStack) -> None:
    """Tasks of v1 would receive its requests: v3 is started once they are gone, and not blamed for them."""
    task = protect(stage, hours=2)
    stage.spec(v1="v2")
    stage.apply(lambda turn: turn.step is not None and turn.step.phase is Phase.TEARDOWN and not turn.busy)
    stage.spec(v1="v3")
    stage.apply(lambda turn: False, patience=HOURS)
    step = stage.last.step
    assert step is not None
    assert (step.health, task[:8] in step.because) == (RolloutHealth.SUSPENDED, True)
    assert len([one for one in stage.service()["taskSets"] if one["status"] != "DRAINING"]) == 1
    stage.follow(lambda turn: len(outcomes(stage)) == 2)
    assert outcomes(stage) == [Outcome.PROMOTED, Outcome.PROMOTED]


def test_a_service_that_was_scaled_in_names_its_protected_tasks(stage: EmulatedStack) -> None:
    """At rest with more tasks than wanted: the reason says which of them is protected, and until when."""
    ecs = stage.laptop.client("ecs")
    arns = ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    ecs.update_task_protection(cluster=CLUSTER, tasks=arns, protectionEnabled=True, expiresInMinutes=60)
    stage.change({"desired_count: 1": "desired_count: 1"})
    stage.infrastructure()
    stage.follow(lambda turn: not turn.busy)
    step = stage.last.step
    assert step is not None
    assert (step.phase, step.health) == (Phase.IDLE, RolloutHealth.SUSPENDED)
    assert all(arn.rpartition("/")[2][:8] in step.because for arn in arns)
    stage.follow()
    assert stage.last.step is not None
    assert stage.last.step.health is RolloutHealth.HEALTHY


@pytest.mark.slow
def test_a_rolling_deployment_names_the_protected_tasks_of_the_previous_version() -> None:
    """All new tasks run, and ECS cannot complete the deployment."""
    with emulated_stack(ROLLING) as stage:
        stage.serving()
        task = protect(stage)
        stage.spec(v1="v2")
        stage.apply(lambda turn: stage.laptop.clock.monotonic() > 1 * HOURS, patience=1.5 * HOURS)
        step = stage.last.step
        assert step is not None
        assert (step.phase, step.health) == (Phase.SCALING_UP, RolloutHealth.SUSPENDED)
        assert task[:8] in step.because
        assert not outcomes(stage)
        stage.follow(has_ended)
        assert outcomes(stage) == [Outcome.PROMOTED]
