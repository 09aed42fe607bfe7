"""Observed state of a service that CodeDeploy deploys: what its task sets show, and its deployments."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from reconciler.rollout.engine import Limits
from reconciler.rollout.state import ObservedService, TaskSet

INSTALLED_WITHIN: Final = timedelta(hours=1)
"""After which CodeDeploy fails a deployment whose tasks are not steady (user guide, "AppSpec 'hooks' section")."""

SHIFTED_WITHIN: Final = timedelta(hours=120)
"""From the start of a deployment to the shift of traffic, at most (user guide, "CodeDeploy quotas", for ECS)."""

READY_FOR: Final = SHIFTED_WITHIN - INSTALLED_WITHIN
"""For which a deployment waits to be continued. It is the longest possible, because CodeDeploy *stops* it then."""

KEPT_FOR: Final = timedelta(hours=48)
"""For which the original tasks are kept after the shift, at most (the same page). Ours is the shorter time."""

IN_TIME: Final = timedelta(hours=1)
"""How long before CodeDeploy stops a deployment that is ready our own time ends, so that it is continued before."""

LIMITS: Final = Limits(
    healthy_within=INSTALLED_WITHIN,
    promotion=READY_FOR - IN_TIME,
    stops_after=READY_FOR,
    bake=KEPT_FOR,
    pause=KEPT_FOR,
    alarms=10,  # API Reference, AlarmConfiguration
    own_timers=True,
    fixed_steps=True,
    whole=True,
)


class Status(StrEnum):
    """Of a deployment, in CodeDeploy's spelling."""

    CREATED = "Created"
    QUEUED = "Queued"
    IN_PROGRESS = "InProgress"
    BAKING = "Baking"
    READY = "Ready"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPED = "Stopped"


OVER: Final = frozenset({Status.SUCCEEDED, Status.FAILED, Status.STOPPED})
ACTIVE: Final = tuple(one for one in Status if one not in OVER)


TIMEOUT: Final = "TIMEOUT"
MANUAL_STOP: Final = "MANUAL_STOP"
"""Error code of a deployment that was stopped (CodeDeploy API Reference, ErrorInformation)."""


class Stage(StrEnum):
    """How far a deployment has come."""

    INSTALLING = "installing"
    TESTABLE = "testable"  # the test listener forwards to the new tasks
    SHIFTING = "shifting"  # production traffic is being shifted, or has been
    KEEPING = "keeping"  # all of it has been, and the original tasks are kept


_DESCRIPTION: Final = re.compile(r"release (\S+), attempt (\d+) \(reconciler\)")


def description(release: str, attempt: str) -> str:
    """By which a deployment is found again: CreateDeployment takes no token, and a retry has the same revision.

    CodeDeploy takes 256 characters.
    """
    return f"release {release}, attempt {attempt} (reconciler)"


def described(text: str) -> tuple[str, str]:
    """Release and attempt; empty for a deployment that somebody else has created."""
    match = _DESCRIPTION.fullmatch(text)
    return (match[1], match[2]) if match is not None else ("", "")


@dataclass(frozen=True, slots=True)
class Deployment:
    """`ready_at`: since when it waits to be continued. `shifted_at`: since when it keeps the original tasks.
    `rolls_back`: the deployment that this one was created for by CodeDeploy, to roll it back. `why` is the reason that
    CodeDeploy gives for its end, and `code` its error code. `weights` are the shares of production that its
    configuration gives to green, None if that is not known. `ready_for` and `kept_for` are the waits that it began
    with, which are those of its group at that time.
    """

    id: str
    release: str
    attempt: str
    status: Status
    born: datetime
    stage: Stage = Stage.INSTALLING
    ready_at: datetime | None = None
    shifted_at: datetime | None = None
    rolls_back: str = ""
    why: str = ""
    code: str = ""
    weights: tuple[int, ...] | None = None
    ready_for: timedelta = READY_FOR
    kept_for: timedelta = KEPT_FOR
    ended_at: datetime | None = None

    @property
    def not_installed(self) -> bool:
        """Whether CodeDeploy gave it up because its tasks were not healthy in time."""
        return self.status is Status.FAILED and self.code == TIMEOUT and self.stage is Stage.INSTALLING

    @property
    def active(self) -> bool:
        return self.status not in OVER

    @property
    def ready(self) -> bool:
        return self.status is Status.READY

    @property
    def stopped(self) -> bool:
        """Whether StopDeployment has ended it, and neither a failure nor an alarm."""
        return self.status is Status.STOPPED and (self.code or self.why or MANUAL_STOP) == MANUAL_STOP

    @property
    def shifts(self) -> bool:
        """Whether production traffic is being shifted by it, or has been."""
        return self.stage in (Stage.SHIFTING, Stage.KEEPING)

    @property
    def continued(self) -> bool:
        """Whether it is about to shift production traffic: its wait before that is over, or has not begun."""
        return self.status is Status.IN_PROGRESS and self.stage is Stage.TESTABLE

    @property
    def keeps(self) -> bool:
        """Whether it waits to terminate the original tasks."""
        return self.active and self.stage is Stage.KEEPING

    @property
    def stops_at(self) -> datetime | None:
        """When CodeDeploy stops it unless it is continued."""
        return None if self.ready_at is None or not self.ready else self.ready_at + self.ready_for

    @property
    def removes_at(self) -> datetime | None:
        """When CodeDeploy removes the original tasks by itself."""
        return None if self.shifted_at is None or not self.keeps else self.shifted_at + self.kept_for


@dataclass(frozen=True, slots=True)
class DeployedService(ObservedService):
    """`active`: the deployment that CodeDeploy is working on, whoever has created it. `ours`: that of the release that
    is being rolled out, also if it is over. `versions`: the deployment that has created each task set, by its id.
    """

    active: Deployment | None = None
    ours: Deployment | None = None
    versions: tuple[tuple[str, str], ...] = ()

    def created_by(self, deployment: str) -> TaskSet | None:
        ids = {identifier for identifier, by in self.versions if by == deployment}
        return next((one for one in self.sets if one.id in ids), None)


def deployed(seen: ObservedService) -> DeployedService:
    """`seen` as a service of which no deployment is known, unless its deployments are."""
    if isinstance(seen, DeployedService):
        return seen
    return DeployedService(**{one.name: getattr(seen, one.name) for one in fields(ObservedService)})
