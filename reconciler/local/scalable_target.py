"""A scalable target: the bounds of an ECS service's desired count, its policies, and what has been scaled."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.local.ecs.state import Service
from reconciler.local.world import World

Params = dict[str, Any]
"""Parameters or an answer, spelt as AWS spells them."""
DIMENSION = "ecs:service:DesiredCount"
SUSPENDED = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}
ACTIVITIES = 100
"""Activities of a target that are kept."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What was scaled last in one direction, and from how many tasks."""

    at: datetime
    before: int


@dataclass(slots=True)
class ScalableTarget:
    arn: str
    resource: str
    low: int
    high: int
    created_at: datetime
    suspended: dict[str, bool] = field(default_factory=lambda: dict(SUSPENDED))
    tags: dict[str, str] = field(default_factory=dict)
    policies: dict[str, Params] = field(default_factory=dict)  # by name, as described
    schedules: dict[str, Params] = field(default_factory=dict)
    scaled_out: Activity | None = None
    scaled_in: Activity | None = None
    activities: deque[Params] = field(default_factory=lambda: deque(maxlen=ACTIVITIES))  # newest first


def service_of(world: World, resource: str) -> Service | None:
    """The service that `service/CLUSTER/NAME` stands for, while it is ACTIVE."""
    _, cluster, name = resource.split("/")
    found = world.ecs.services.get((cluster, name))
    return found if found and found.status == "ACTIVE" else None
