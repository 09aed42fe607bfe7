"""What is seen of a service in one look: facts, and nothing that was concluded from them. Small, and hashable."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from reconciler.rollout.stored_state import StoredState

WHOLE: Final = 100
MOST_SETS: Final = 5
"""Task sets that a service may have, those that are going away included. Source: ECS, CreateTaskSet."""

Weights = tuple[int, int]
"""The shares of the two target groups, in percent."""


class Scaling(StrEnum):
    NONE = "none"  # the service does not scale by itself, or the specs hold that still
    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class TaskSet:
    """One version of the service's tasks, in one of the two target groups (`slot`); a deployment, where ECS deploys.

    `healthy`: by zone, how many of its running tasks are targets that the load balancer finds healthy; None if nobody
    looked. `failed`: tasks that stopped by themselves since it was made. `steady` is ECS's word. `state` is ECS's, of a
    deployment of its own, and `reason` what it says of it.
    """

    id: str
    release: str
    slot: int
    born: datetime
    primary: bool = False
    draining: bool = False
    scale: int = WHOLE
    running: int = 0
    pending: int = 0
    steady: bool = False
    healthy: tuple[tuple[str, int], ...] | None = None
    failed: int = 0
    task_definition: str = ""
    state: str = ""
    reason: str = ""

    @property
    def well(self) -> int:
        """How many are known to be healthy."""
        return sum(count for _, count in self.healthy or ())

    @property
    def zones(self) -> frozenset[str]:
        return frozenset(zone for zone, count in self.healthy or () if count)

    def needed(self, desired: int) -> int:
        return math.ceil(desired * self.scale / WHOLE)


@dataclass(frozen=True, slots=True)
class SmokeTestOutcome:
    """How the tests of a release on the test listener went."""

    release: str
    passed: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class ObservedService:
    """The facts.

    `production` and `test` are None where the listener does something that is not ours: names a group that we do not
    know, or does not forward at all. `bare`: the listeners that name only one of the two groups. `tuned`: whether each
    slot's target group has the wanted release's health check. `strangers`: targets in each slot's group that are
    neither draining nor running tasks of the newest set there. `others` counts task sets that are in neither group;
    somebody made them by hand. `definition` is the wanted revision, `differs` what else of ECS's own deployment is not
    as wanted. `alarms` are those that fire. `errors` is the share of 5xx among the new version's answers, in percent.

    The last two are the observer's own memory, gone when it restarts: `looks` in a row that found the newest set well
    (below zero: not well), this one included, and how the tests went.
    """

    wanted: str
    desired: int
    sets: tuple[TaskSet, ...] = ()
    production: Weights | None = (WHOLE, 0)
    test: Weights | None = (WHOLE, 0)
    has_test: bool = True
    bare: tuple[str, ...] = ()
    marks: StoredState = field(default_factory=StoredState)
    scaling: Scaling = Scaling.NONE
    tuned: tuple[bool, bool] = (True, True)
    strangers: tuple[int, int] = (0, 0)
    others: int = 0
    definition: str = ""
    differs: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    errors: float | None = None
    deleting: bool = False
    looks: int = 0
    tested: SmokeTestOutcome | None = None

    @property
    def alive(self) -> tuple[TaskSet, ...]:
        """The sets that are not going away, oldest first."""
        return tuple(sorted((one for one in self.sets if not one.draining), key=lambda one: (one.born, one.id)))

    @property
    def newest(self) -> TaskSet | None:
        """The set that looks are counted for."""
        return max((one for one in self.sets if not one.draining), key=lambda one: (one.born, one.id), default=None)


def all_on(slot: int) -> Weights:
    return (WHOLE, 0) if slot == 0 else (0, WHOLE)


def shared(slot: int, weight: int) -> Weights:
    """`weight` for the slot, the rest for the other."""
    return (weight, WHOLE - weight) if slot == 0 else (WHOLE - weight, weight)
