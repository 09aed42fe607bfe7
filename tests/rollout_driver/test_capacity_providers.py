"""Other capacity providers, and plain Fargate again, under each engine over the local AWS emulator."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.controller.until import has_ended
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.promises.conftest import mostly_slow

LAUNCH = "desired_count: 1"
SPOT = f"{LAUNCH}\ncapacity_providers: [FARGATE_SPOT]"
PLAIN = f"{LAUNCH}\nlaunch: FARGATE"
ENGINES = {
    "rolling": {"deployment: careful": "", "[my-app-frontend-tg-1, my-app-frontend-tg-2]": "[my-app-frontend-tg-1]"},
    "task_sets": {},
    "codedeploy": {"type: blue_green": "type: blue_green\nengine: codedeploy"},
    "ecs_native": {"type: blue_green": "type: blue_green\nengine: ecs_native"},
}

pytestmark = pytest.mark.apart


def providers(stage: EmulatedStack) -> set[str]:
    """Where the service's running tasks are."""
    ecs = stage.laptop.client("ecs")
    arns = ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    tasks: list[dict[str, Any]] = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
    return {one.get("capacityProviderName") or one["launchType"] for one in tasks}


def settled(stage: EmulatedStack) -> list[str]:
    """What a plan would still change."""
    _, plan = pass_.look(stage.aws, discover(), stage.desired_state)
    return [str(action.address) for action in plan.actions]


@pytest.mark.parametrize("engine", mostly_slow(ENGINES, "rolling"))
def test_other_capacity_is_a_new_release_that_ends_with_nothing_left(engine: str) -> None:
    """ECS refuses another strategy without a forced deployment, and an empty one where a service was created with one:
    to plain Fargate and back, the tasks end up where the specs say, and the plan is empty."""
    with emulated_stack({LAUNCH: SPOT} | ENGINES[engine], SHORT) as stage:
        stage.serving()
        stage.laptop.advance(7200)
        assert providers(stage) == {"FARGATE_SPOT"}
        for wanted, where in ((PLAIN, {"FARGATE"}), (SPOT, {"FARGATE_SPOT"})):
            stage.change({LAUNCH: wanted})
            assert not stage.apply(has_ended, patience=86_400.0).went_wrong
            stage.laptop.advance(7200)
            assert providers(stage) == where
            assert settled(stage) == []
