"""Durations of what AWS does in a rollout, as far as they do not follow from what a strategy waits for.

Sources: the ECS developer guide ("Optimize load balancer health check parameters", "How Amazon ECS determines task
health"), and stages and starts of small Fargate tasks as they were observed. `rollout/forecast.py` corrects the start
of a task by what the last releases of the service really took.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

PROVISIONED: Final = timedelta(seconds=10)
"""From the request of a Fargate task to its network interface."""

PULLED: Final = timedelta(seconds=15)
"""For the image and the start of the containers; it grows with the image."""

UNCHECKED: Final = timedelta(seconds=40)
"""After which ECS counts a running task as healthy that nothing checks."""


@dataclass(frozen=True, slots=True)
class Durations:
    """`start`: from the request of a task until it runs. `healthy`: from then until its checks have passed. `stage`: of
    a deployment that AWS runs, for a stage that waits for nothing. `task_run`: a pre-deployment task. `lower` and
    `upper` are the limits of a rolling deployment, in percent of the desired count.

    A task is assumed to stop when it is asked to, once its connections have ended (`Strategy.drain`).
    """

    start: timedelta = PROVISIONED + PULLED
    healthy: timedelta = UNCHECKED
    stage: timedelta = timedelta(seconds=20)
    task_run: timedelta = timedelta(seconds=90)
    lower: int = 100
    upper: int = 200

    @property
    def up(self) -> timedelta:
        """From the request of a task until it is healthy."""
        return self.start + self.healthy

    def waves(self, desired: int) -> int:
        """How many times in a row a rolling deployment starts new tasks and waits for them."""
        least, most = math.ceil(desired * self.lower / 100), math.floor(desired * self.upper / 100)
        new, old, waves = 0, desired, 0
        while new < desired:
            old -= max(0, min(old, new + old - least))
            started = min(desired - new, most - new - old)
            if started <= 0:
                break  # ECS cannot get on, which its own events say
            new, waves = new + started, waves + 1
        return max(1, waves)
