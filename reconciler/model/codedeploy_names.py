"""Names in CodeDeploy: of a service's application and deployment group, and of deployment configurations.

Application and group are named as the Amazon ECS console names them, so that those that it has created can be adopted.
A configuration of ours is named after its content, as the predefined ones are: it takes no tags, an account has 50 of
them, and every stack that needs the same one shares it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

LONGEST: Final = 100
"""Characters of a name (CodeDeploy API Reference, CreateApplication)."""

ALL_AT_ONCE: Final = "CodeDeployDefault.ECSAllAtOnce"
OURS: Final = "Reconciler."

PREDEFINED: Final = frozenset(
    f"CodeDeployDefault.{name}"
    for name in (
        "ECSAllAtOnce",
        "ECSCanary10Percent5Minutes",
        "ECSCanary10Percent15Minutes",
        "ECSLinear10PercentEvery1Minutes",
        "ECSLinear10PercentEvery3Minutes",
    )
)
"""CodeDeploy user guide, "Deployment configurations on an Amazon ECS compute platform"."""

_CANARY: Final = re.compile(r"ECSCanary(\d+)Percent(\d+)Minutes")
_LINEAR: Final = re.compile(r"ECSLinear(\d+)PercentEvery(\d+)Minutes")


def application(cluster: str, service: str) -> str:
    return f"AppECS-{cluster}-{service}"


def deployment_group(cluster: str, service: str) -> str:
    return f"DgpECS-{cluster}-{service}"


def canary(percent: int, minutes: int) -> str:
    """The configuration that shifts `percent` first and the rest after `minutes`."""
    return _preferred(f"ECSCanary{percent}Percent{minutes}Minutes")


def linear(percent: int, minutes: int) -> str:
    """The configuration that shifts `percent` more every `minutes`."""
    return _preferred(f"ECSLinear{percent}PercentEvery{minutes}Minutes")


def _preferred(name: str) -> str:
    predefined = f"CodeDeployDefault.{name}"
    return predefined if predefined in PREDEFINED else f"{OURS}{name}"


def shape(name: str) -> tuple[str, int, int] | None:
    """`canary` or `linear`, the percentage and the minutes of a configuration; None if its name does not say them."""
    content = name.removeprefix(OURS) if name.startswith(OURS) else name.removeprefix("CodeDeployDefault.")
    if name not in PREDEFINED and not name.startswith(OURS):
        return None
    for kind, pattern in (("canary", _CANARY), ("linear", _LINEAR)):
        if (match := pattern.fullmatch(content)) is not None:
            return kind, int(match[1]), int(match[2])
    return None


def routing(name: str) -> Mapping[str, Any] | None:
    """The `trafficRoutingConfig` of a configuration of ours, from its name; None of any other."""
    match shape(name) if name.startswith(OURS) else None:
        case "canary", percent, minutes:
            canary = {"canaryPercentage": percent, "canaryInterval": minutes}
            return {"type": "TimeBasedCanary", "timeBasedCanary": canary}
        case "linear", percent, minutes:
            linear = {"linearPercentage": percent, "linearInterval": minutes}
            return {"type": "TimeBasedLinear", "timeBasedLinear": linear}
    return None


def weights(name: str) -> tuple[int, ...] | None:
    """Green's shares of production under a configuration, up to 100 percent; None of one whose name does not say it."""
    if name == ALL_AT_ONCE:
        return (100,)
    match shape(name):
        case "canary", percent, _:
            return percent, 100
        case "linear", percent, _ if percent:
            return (*range(percent, 100, percent), 100)
    return None
