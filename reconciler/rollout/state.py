"""Observed state of a service: facts from one observation, without conclusions. Small and hashable."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from reconciler.rollout.change_facts import ChangeFacts
from reconciler.rollout.fallback_state import MainService
from reconciler.rollout.stored_state import StoredState

WHOLE: Final = 100
MOST_SETS: Final = 5
"""Maximum number of task sets of a service, including those being deleted. Source: ECS, CreateTaskSet."""

UNNAMED: Final = "unknown"
"""The release of a task set that was created outside the controller."""

SHORT: Final = 6


def short(release: str) -> str:
    """`41ab07`"""
    return release if release == UNNAMED else release[:SHORT]


Weights = tuple[int, int]
"""The shares of the two target groups, in percent."""


class Scaling(StrEnum):
    """Automatic scaling in. Scaling out, and scaling by a schedule, are never suspended by a rollout."""

    NONE = "none"  # the service does not scale by itself, or somebody suspended its scaling altogether
    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class TaskSet:
    """One version of the service's tasks in one of the two target groups (`slot`); or a deployment run by ECS.

    `healthy`: healthy targets among its running tasks, by zone; None if target health was not read. `last_started`:
    when the last of these was started, or None if there are none. `failing`: targets that fail their health checks
    although their tasks had time to start. `failed`: tasks that stopped unexpectedly since it was created. `unplaced`:
    the lack of capacity that keeps ECS from starting its missing tasks, or "". `subnets` are those of its tasks.
    `protected`: tasks that ECS should stop and that are protected from scale-in, and until when. `steady` is ECS's
    stability status. `state` and `reason` are those of a deployment run by ECS.
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
    last_started: datetime | None = None
    failing: int = 0
    failed: int = 0
    unplaced: str = ""
    protected: tuple[tuple[str, datetime], ...] = ()
    task_definition: str = ""
    subnets: frozenset[str] = frozenset()
    state: str = ""
    reason: str = ""

    @property
    def well(self) -> int:
        """Number of tasks that are known to be healthy."""
        return sum(count for _, count in self.healthy or ())

    @property
    def zones(self) -> frozenset[str]:
        return frozenset(zone for zone, count in self.healthy or () if count)

    def needed(self, desired: int) -> int:
        return math.ceil(desired * self.scale / WHOLE)


@dataclass(frozen=True, slots=True)
class SmokeTestOutcome:
    """Result of the smoke tests of a release."""

    release: str
    passed: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class ObservedService:
    """The observed facts.

    `production` and `test` are None if the listener forwards to unmanaged targets or does not forward. `bare`: the
    listeners that name only one of the two groups. `tuned`: whether each slot's target group has the health check of
    the wanted release. `strangers`: targets in each slot's group that are neither draining nor running tasks of the
    newest task set there. `inherited`: whether those may be of a service that leaves the specs, and goes once this one
    is healthy. `others` counts task sets in neither group, created outside. `definition` is the wanted
    revision, `differs` lists other differences of a deployment run by ECS. `alarms` are in alarm state. `errors` is the
    share of 5xx responses of the new version, in percent. `waits`: why the wanted release is not started yet, if
    it is not ready; `wanted` is "" if its id is not known. `withdrawn`: why the specs do not contain the release any
    more that is being rolled out. `judges`: the digest of what its releases are judged by. `lacked`: the lack of
    capacity for which alone ECS gave up its deployment, or "".
    `change` is observed only of a service whose engine changes, `main` of one that
    runs on demand what that service lacks. `stranded`: AWS has given up a rollback, and left the
    tasks of the version, while another one has all of production.

    The last four are kept in memory and lost at a restart: `looks` in a row in which the newest task set was healthy
    (below zero: unhealthy), this one included; the test result; since when tasks of the newest task set are missing;
    and how many of its tasks had failed when it was last complete.
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
    inherited: tuple[bool, bool] = (False, False)
    others: int = 0
    stranded: bool = False
    definition: str = ""
    differs: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    errors: float | None = None
    deleting: bool = False
    waits: str = ""
    withdrawn: str = ""
    lacked: str = ""
    judges: str = ""
    change: ChangeFacts | None = None
    main: MainService | None = None
    looks: int = 0
    tested: SmokeTestOutcome | None = None
    missing_since: datetime | None = None
    failed_before: int | None = None

    @property
    def alive(self) -> tuple[TaskSet, ...]:
        """The task sets that are not being deleted, oldest first."""
        return tuple(sorted((one for one in self.sets if not one.draining), key=lambda one: (one.born, one.id)))

    @property
    def startable(self) -> bool:
        """Whether the wanted release can be rolled out. If not, what is under way goes on without it."""
        return not self.waits and not self.marks.quarantined(self.wanted)

    @property
    def scale_in_suspended_since(self) -> datetime | None:
        """A rollout suspends scaling in right before it creates the task set of the new version."""
        return self.alive[-1].born if self.scaling is Scaling.SUSPENDED and len(self.alive) > 1 else None

    @property
    def newest(self) -> TaskSet | None:
        """The task set that `looks` counts for."""
        return max((one for one in self.sets if not one.draining), key=lambda one: (one.born, one.id), default=None)


def all_on(slot: int) -> Weights:
    return (WHOLE, 0) if slot == 0 else (0, WHOLE)


def shared(slot: int, weight: int) -> Weights:
    """`weight` for the slot, the rest for the other one."""
    return (weight, WHOLE - weight) if slot == 0 else (WHOLE - weight, weight)
