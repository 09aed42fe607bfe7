"""Text of a rollout's actions, as a timeline shows them."""

from __future__ import annotations

import math
from typing import Final

from reconciler.rollout.actions import (
    CreateTaskSet,
    DeleteTaskSet,
    EngineAction,
    RolloutAction,
    RunTask,
    RunTests,
    ScaleTaskSet,
    SetPrimary,
    SetWeights,
    SuspendScaling,
    UpdateHealthCheck,
    UpdateService,
    WriteState,
)
from reconciler.rollout.pre_deployment import PreDeployment
from reconciler.rollout.release import Ports, entrance
from reconciler.rollout.state import WHOLE, ObservedService, all_on

BLUE: Final = "v1"
GREEN: Final = "v2"
"""The releases of a simulated rollout."""


def action_text(action: RolloutAction, seen: ObservedService, ports: Ports, task: PreDeployment | None) -> str:
    """What `action` does, in a few words; empty where a reader would not miss it."""
    production, test = ports
    match action:
        case CreateTaskSet(scale=scale):
            return f"green: {tasks_text(math.ceil(seen.desired * scale / WHOLE))}"
        case ScaleTaskSet(scale=scale):
            return f"green: {tasks_text(math.ceil(seen.desired * scale / WHOLE))}"
        case SetWeights(listener="production", weights=weights):
            return _share(seen, weights, production)
        case SetWeights(weights=weights):
            return f"{_side(seen, weights)} on :{test}"
        case RunTests(tests=tests):
            return f"{len(tests)} {'test' if len(tests) == 1 else 'tests'} on :{test}"
        case DeleteTaskSet(id=identifier):
            return f"remove {'blue' if _release(seen, identifier) == BLUE else 'green'}"
        case SuspendScaling(suspend):
            return "suspend autoscaling" if suspend else "resume autoscaling"
        case UpdateHealthCheck():
            return "update green's health check"
        case UpdateService():
            return f"ECS replaces {tasks_text(seen.desired)}"
        case RunTask():
            return f"run {task}"
        case EngineAction():
            return action.text(seen, ports)
        case WriteState() | SetPrimary():
            return ""


def _share(seen: ObservedService, weights: tuple[int, int], port: int | str) -> str:
    green = next((one.slot for one in seen.alive if one.release == GREEN), 0)
    share = weights[green]
    if share == WHOLE:
        return f"switch {entrance(port)}"
    return f"{share} % of {entrance(port)}" if share else f"switch {entrance(port)} back to blue"


def _side(seen: ObservedService, weights: tuple[int, int]) -> str:
    shown = next((one for one in seen.alive if weights == all_on(one.slot)), None)
    return "blue" if shown is not None and shown.release == BLUE else "green"


def _release(seen: ObservedService, identifier: str) -> str:
    return next((one.release for one in seen.sets if one.id == identifier), "")


def tasks_text(count: int) -> str:
    return f"{count} {'task' if count == 1 else 'tasks'}"
