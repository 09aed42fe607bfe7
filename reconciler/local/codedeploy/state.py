"""What CodeDeploy knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Params = dict[str, Any]
"""Parameters or an answer, spelt as AWS spells them."""
EVENTS = (
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "AllowTestTraffic",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
)
"""Lifecycle events of an ECS deployment, in their order."""


@dataclass(slots=True)
class Application:
    id: str
    name: str
    created_at: datetime
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Group:
    id: str
    application: str
    name: str
    settings: Params  # as GetDeploymentGroup has them
    tags: dict[str, str] = field(default_factory=dict)
    last_successful: Params | None = None
    last_attempted: Params | None = None
    target_revision: Params | None = None


@dataclass(slots=True)
class LifecycleEvent:
    name: str
    status: str = "Pending"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    hook: str = ""
    execution_id: str = ""
    diagnostics: Params | None = None


@dataclass(frozen=True, slots=True)
class AppSpec:
    task_definition: str
    container: str
    port: int
    changes: Params  # in the words of CreateTaskSet
    hooks: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Release:
    """One CodeDeploy deployment of an ECS service."""

    id: str
    application: str
    group: str
    settings: Params  # the deployment group's, as they were when the deployment was created
    config: str
    revision: Params
    service: tuple[str, str]
    created_at: datetime
    events: list[LifecycleEvent] = field(default_factory=lambda: [LifecycleEvent(name) for name in EVENTS])
    spec: AppSpec | None = None  # read from the revision once the deployment starts
    status: str = "Created"
    step: str = "created"
    since: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    creator: str = "user"
    description: str = ""
    rolls_back: str = ""  # the deployment to whose original task set this one returns traffic
    rollback: Params | None = None
    error: Params | None = None
    auto_rollback: Params | None = None
    alarms: Params | None = None
    termination_wait_since: datetime | None = None
    shifted: float = 0.0
    shift_step: int = 0
    desired: int = 0  # of the service, at the last look during the shift
    scaled_at: datetime | None = None  # when that changed
    blue: str = ""  # the number of the task set that served when it began
    green: str = ""
    blue_group: str = ""  # target group ARNs
    green_group: str = ""
    stopping: bool = False  # StopDeployment was called and is pending
    stop_with_rollback: bool | None = None

    @property
    def over(self) -> bool:
        return self.status in ("Succeeded", "Failed", "Stopped")

    @property
    def automatic(self) -> bool:
        """CodeDeploy has created it, to roll another one back."""
        return self.creator == "codeDeployRollback"


@dataclass(slots=True)
class CodeDeployState:
    applications: dict[str, Application] = field(default_factory=dict)
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    configs: dict[str, Params] = field(default_factory=dict)
    releases: dict[str, Release] = field(default_factory=dict)
