"""Lifecycle hooks of a service that call Lambda functions. PAUSE hooks are the rollout's: they come and go with its
deployments, and are kept as they are found.

ECS takes the hooks of a service as a whole, and a deployment keeps those that it started with. Source: ECS API
Reference, DeploymentLifecycleHook; ECS developer guide, "Lambda hooks for Amazon ECS service deployments".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler.model import resource
from reconciler.model.resource import Link

PAUSE: Final = "PAUSE"
FUNCTION: Final = "AWS_LAMBDA"
MINUTES: Final = 1440
"""For which ECS waits for a function where nothing else is declared, and at most."""

STAGES: Final = (
    "RECONCILE_SERVICE",
    "PRE_SCALE_UP",
    "POST_SCALE_UP",
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
)
"""The lifecycle stages that may have hooks, in the order in which a deployment reaches them."""


class FunctionHook(resource.Spec):
    """`function` is an ARN, `details` a JSON object as text, or "". `on_timeout` is ROLLBACK or CONTINUE, after so many
    minutes.
    """

    function: str
    stages: tuple[str, ...]
    role: Link
    details: str = ""
    minutes: int = MINUTES
    on_timeout: str = "ROLLBACK"

    def __str__(self) -> str:
        """What tells one hook of a service from the others: no function is called twice in a stage."""
        return f"{self.function.rpartition(':function:')[2]}@{'+'.join(self.stages).lower()}"


def in_order(stages: Iterable[str]) -> tuple[str, ...]:
    """As a deployment reaches them; those that are newer than this version come last."""
    return tuple(sorted(stages, key=lambda stage: (STAGES.index(stage) if stage in STAGES else len(STAGES), stage)))


def details(value: Any) -> str:
    return json.dumps(value, sort_keys=True) if value else ""


def written(hooks: Iterable[FunctionHook]) -> list[dict[str, Any]]:
    """The members of `lifecycleHooks`."""
    found = []
    for one in hooks:
        hook: dict[str, Any] = {
            "targetType": FUNCTION,
            "hookTargetArn": one.function,
            "roleArn": one.role,
            "lifecycleStages": list(one.stages),
            "timeoutConfiguration": {"timeoutInMinutes": one.minutes, "action": one.on_timeout},
        }
        found.append(hook | ({"hookDetails": json.loads(one.details)} if one.details else {}))
    return found


def read(configuration: Mapping[str, Any]) -> tuple[FunctionHook, ...]:
    found = []
    for one in configuration.get("lifecycleHooks") or ():
        if one.get("targetType") != PAUSE:
            timeout = one.get("timeoutConfiguration") or {}
            hook = FunctionHook(
                function=one.get("hookTargetArn", ""),
                stages=in_order(one.get("lifecycleStages") or ()),
                role=one.get("roleArn", ""),
                details=details(one.get("hookDetails")),
                minutes=timeout.get("timeoutInMinutes", MINUTES),
                on_timeout=timeout.get("action", "ROLLBACK"),
            )
            found.append(hook)
    return tuple(sorted(found, key=str))


def pauses(item: Mapping[str, Any]) -> list[Any]:
    """The PAUSE hooks of a service from AWS."""
    hooks = (item.get("deploymentConfiguration") or {}).get("lifecycleHooks") or ()
    return [one for one in hooks if one.get("targetType") == PAUSE]


def functions(item: Mapping[str, Any]) -> list[Any]:
    """The hooks of a service from AWS that call functions."""
    hooks = (item.get("deploymentConfiguration") or {}).get("lifecycleHooks") or ()
    return [one for one in hooks if one.get("targetType") != PAUSE]
