"""What CodeDeploy knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Params = dict[str, Any]
"""Parameters or an answer, spelt as AWS spells them."""


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


@dataclass(slots=True)
class Release:
    """One CodeDeploy deployment of an ECS service."""

    id: str
    application: str
    group: str
    config: str
    revision: Params
    service: tuple[str, str]
    created_at: datetime
    task_definition: str
    container: str
    port: int
    launch_changes: Params
    events: list[LifecycleEvent]
    status: str = "Created"
    step: str = "created"
    since: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    creator: str = "user"
    description: str = ""
    rollback_of: str = ""
    rollback: Params | None = None
    error: Params | None = None
    auto_rollback: Params | None = None
    alarms: Params | None = None
    termination_wait_since: datetime | None = None
    ready_since: datetime | None = None
    shifted: float = 0.0
    shift_step: int = 0
    blue: str = ""  # the number of the task set that served when it began
    green: str = ""
    blue_group: str = ""  # target group ARNs
    green_group: str = ""
    stop_requested: bool = False

    @property
    def over(self) -> bool:
        return self.status in ("Succeeded", "Failed", "Stopped")


@dataclass(slots=True)
class CodeDeployState:
    applications: dict[str, Application] = field(default_factory=dict)
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    configs: dict[str, Params] = field(default_factory=dict)
    releases: dict[str, Release] = field(default_factory=dict)
