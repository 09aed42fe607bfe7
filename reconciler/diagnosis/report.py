"""Failure report values: the evidence, what the rollout knows, and the diagnosis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.diagnosis.cause import UNKNOWN
from reconciler.diagnosis.observations import EPOCH, Event, Target, Task, Unread


@dataclass(frozen=True, slots=True)
class KnownContainer:
    """What the task definition says of a container; of its environment nothing."""

    image: str = ""
    essential: bool = True
    log_group: str = ""
    log_prefix: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What the release's own specs say of what failed; it fills placeholders and says where logs are."""

    containers: Mapping[str, KnownContainer] = field(default_factory=dict)
    path: str = ""
    port: str = ""
    matcher: str = ""
    role: str = ""

    @property
    def essential(self) -> frozenset[str] | None:
        """None where nothing is known."""
        return frozenset(name for name, one in self.containers.items() if one.essential) or None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was read. `rollout` is the deployment's rolloutStateReason."""

    tasks: tuple[Task, ...] = ()
    targets: tuple[Target, ...] = ()
    events: tuple[Event, ...] = ()
    rollout: str = ""
    log: tuple[str, ...] = ()
    log_of: str = ""
    known: Known = field(default_factory=Known)
    unread: tuple[Unread, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """A field that this release changed: its name, never its value, and where it stands."""

    path: str
    where: str = ""
    commit: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """What the rollout knows and AWS does not.

    `address` is `service/api`. `happened` is what went wrong. `outcome` is "failed" or
    "was rolled back". `production` says what became of production, `done` what was done about it. All are
    whole phrases without a full stop. `of_service`: tasks of the service itself failed, and not another one.
    `judged`: the rollout itself judged the running version, by a test, its responses or an alarm.
    """

    address: str
    release: str
    phase: str
    happened: str = ""
    outcome: str = "failed"
    production: str = ""
    done: str = ""
    changed: tuple[Changed, ...] = ()
    next: tuple[str, ...] = ()
    of_service: bool = True
    judged: bool = False

    @property
    def name(self) -> str:
        return self.address.rpartition("/")[2]

    @property
    def where(self) -> str:
        """The first line of the specs that this release changed, or ""."""
        return next((one.where for one in self.changed if one.where), "")


@dataclass(frozen=True, slots=True)
class Finding:
    """The cause in words. `counts` is whether the release is to blame, `outside` what to do that no spec says, and
    `program` whether the image is to be mended.
    """

    id: str
    title: str
    text: str
    check: str
    counts: bool = True
    outside: str = ""
    program: bool = False

    @property
    def known(self) -> bool:
        return self.id != UNKNOWN.id


@dataclass(frozen=True, slots=True)
class TaskFold:
    """Tasks that ended alike, newest first; `reason` is the newest one's, in AWS's words."""

    cause: str
    ids: tuple[str, ...]
    status: str = "STOPPED"
    stop_code: str = ""
    exit_code: int | None = None
    container: str = ""
    reason: str = ""
    at: datetime = EPOCH

    @property
    def count(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class TargetFold:
    cause: str
    ids: tuple[str, ...]
    state: str
    reason: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class EventFold:
    """A service event and how often it was repeated; the newest one's words."""

    cause: str
    message: str
    count: int = 1
    at: datetime = EPOCH


@dataclass(frozen=True, slots=True)
class Diagnosis:
    story: Story
    finding: Finding
    tasks: tuple[TaskFold, ...] = ()
    targets: tuple[TargetFold, ...] = ()
    events: tuple[EventFold, ...] = ()
    log: tuple[str, ...] = ()
    log_of: str = ""
    next: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()
