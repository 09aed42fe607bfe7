"""ECS's own blue/green over the local AWS emulator: the story of the example, and what goes wrong in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from reconciler.controller.until import has_ended
from reconciler.rollout import state_tags
from reconciler.rollout.engine import Phase
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.stored_state import Actor, Outcome
from reconciler.rollout_driver.driver import StepResult
from tests.harness.emulated_stack import CLUSTER, SERVICE, EmulatedStack, emulated_stack

ONE, TWO = "my-app-frontend-tg-1", "my-app-frontend-tg-2"
NATIVE = {"type: blue_green": "type: blue_green\nengine: ecs_native"}
HOUR = timedelta(hours=1)
DAY = 86_400.0

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def stage(for_a_module: None) -> Iterator[EmulatedStack]:
    """v1 serves; v2 and v3 are pushed. The waits are the example's: two hours at the gate, one hour of blue."""
    with emulated_stack(NATIVE) as found:
        found.serving()
        yield found


def deployments(stage: EmulatedStack) -> list[dict[str, Any]]:
    """Oldest first."""
    client = stage.laptop.client("ecs")
    listed = client.list_service_deployments(cluster=CLUSTER, service=SERVICE)["serviceDeployments"]
    arns = [one["serviceDeploymentArn"] for one in sorted(listed, key=lambda one: one["createdAt"])]
    found: list[dict[str, Any]] = client.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]
    return sorted(found, key=lambda one: one["createdAt"])


def statuses(stage: EmulatedStack) -> list[str]:
    return [one["status"] for one in deployments(stage)]


def sent(stage: EmulatedStack) -> dict[str, int]:
    """Writes to ECS and to listeners."""
    names = ("UpdateService", "ContinueServiceDeployment", "StopServiceDeployment", "ModifyListener", "ModifyRule")
    return {name: count for name in names if (count := stage.transport.sent[name])}


def versions(stage: EmulatedStack) -> list[tuple[str, str]]:
    return sorted((one["status"], one["taskDefinition"].rpartition("/")[2]) for one in stage.service()["deployments"])


def in_phase(phase: Phase) -> Callable[[StepResult], bool]:
    return lambda result: result.step is not None and result.step.phase is phase and not result.busy


def outcome(stage: EmulatedStack) -> tuple[Outcome, Actor, str]:
    ended = state_tags.of_tags(stage.tags()).ended
    assert ended is not None
    return ended.outcome, ended.by, ended.why


def test_a_new_version_goes_through_every_phase_in_ecs_calls(stage: EmulatedStack) -> None:
    """One deployment: its tests are continued by us, the gate after two hours by ECS; then nothing is left."""
    before = stage.laptop.clock.now()
    stage.spec(v1="v2")
    assert not stage.apply(has_ended, patience=DAY).went_wrong
    assert stage.phases == [
        "scaling_up", "testing", "awaiting_promotion", "verifying", "baking", "teardown", "idle",
    ]  # fmt: skip
    assert sent(stage) == {"UpdateService": 1, "ContinueServiceDeployment": 1}
    assert statuses(stage) == ["SUCCESSFUL", "SUCCESSFUL"]
    assert stage.weights(80) == stage.weights(9000) == {ONE: 0, TWO: 100}
    assert versions(stage) == [("PRIMARY", f"{SERVICE}:3")]
    assert 3 * HOUR < stage.laptop.clock.now() - before < 3.5 * HOUR
    assert outcome(stage)[:2] == (Outcome.PROMOTED, Actor.TIMER)
    stage.transport.sent.clear()
    report = stage.infrastructure()
    assert report.last.plan.actions == ()
    assert not [name for name in stage.transport.sent if name.startswith(("Create", "Update", "Modify"))]
    (rollout,) = stage.rollouts()
    stage.transport.sent.clear()
    stage.driver.advance_one(rollout)
    assert not [name for name in stage.transport.sent if "Deployment" in name or "Revision" in name]


def test_promotion_is_one_call(stage: EmulatedStack) -> None:
    """The gate is opened by a person, and ECS shifts production."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION), patience=DAY)
    assert stage.weights(80) == {ONE: 100, TWO: 0}
    stage.say(RequestVerb.PROMOTE)
    stage.follow(in_phase(Phase.BAKING), patience=DAY)
    assert stage.weights(80) == {ONE: 0, TWO: 100}
    assert sent(stage) == {"UpdateService": 1, "ContinueServiceDeployment": 2}
