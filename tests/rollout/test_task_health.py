"""Health of tasks behind no load balancer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reconciler.rollout.state import TaskSet
from reconciler.rollout.task_health import PROVEN, without_targets
from tests.rollout.facts import NOW

ONE = TaskSet("ecs-svc/1", "A", 0, NOW - timedelta(hours=1), running=1)
UP = {"lastStatus": "RUNNING", "desiredStatus": "RUNNING", "availabilityZone": "us-west-2a", "startedAt": NOW - PROVEN}
AT_ONCE = {"startedAt": NOW - timedelta(seconds=2)}


@pytest.mark.parametrize(
    ("task", "well", "failing"),
    [
        ({}, 1, 0),
        ({"healthStatus": "UNKNOWN"}, 1, 0),
        (AT_ONCE, 0, 0),
        (AT_ONCE | {"healthStatus": "HEALTHY"}, 1, 0),
        ({"healthStatus": "UNHEALTHY"}, 0, 1),
        ({"desiredStatus": "STOPPED"}, 0, 0),
        ({"lastStatus": "PENDING"}, 0, 0),
    ],
)
def test_a_task_is_healthy_by_its_check_or_by_its_time(task: dict[str, Any], well: int, failing: int) -> None:
    """One that has just started, without a check, proves nothing yet."""
    found = without_targets(replace(ONE, healthy=None), [UP | task], NOW)
    assert (found.well, found.failing) == (well, failing)
    assert found.last_started == ((UP | task)["startedAt"] if well else None)
