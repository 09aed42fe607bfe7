"""Health of tasks that are behind no load balancer: what the health checks of their containers say.

A task that has none, or that they have not judged yet, is healthy once it has run for a while: one that crashes would
be up at every other look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.rollout.state import TaskSet

PROVEN: Final = timedelta(seconds=30)
"""For which a task has to run until it counts as healthy without a check that says so."""


def without_targets(one: TaskSet, tasks: Iterable[Mapping[str, Any]], now: datetime) -> TaskSet:
    """The set with the health of its tasks, as DescribeTasks has them."""
    up = [
        (task, _judged(task, now)) for task in tasks if task.get("lastStatus") == task.get("desiredStatus") == "RUNNING"
    ]
    return with_healthy(
        one,
        [task for task, health in up if health == "HEALTHY"],
        failing=sum(health == "UNHEALTHY" for _, health in up),
    )


def with_healthy(one: TaskSet, tasks: Sequence[Mapping[str, Any]], *, failing: int) -> TaskSet:
    """The set with these tasks as its healthy ones."""
    zones = Counter(task.get("availabilityZone", "") for task in tasks)
    started = max((task["startedAt"] for task in tasks if "startedAt" in task), default=None)
    return replace(one, healthy=tuple(sorted(zones.items())), last_started=started, failing=failing)


def _judged(task: Mapping[str, Any], now: datetime) -> str:
    status: str = task.get("healthStatus") or "UNKNOWN"
    proven = status == "UNKNOWN" and now - task.get("startedAt", now) >= PROVEN
    return "HEALTHY" if proven else status
