"""Rollout actions: what an engine may decide to do, each one or two idempotent AWS calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from reconciler.rollout import verdicts
from reconciler.rollout.attempts import TaskRun
from reconciler.rollout.release import Ports
from reconciler.rollout.state import ObservedService, Weights
from reconciler.rollout.stored_state import FIELDS, StoredState
from reconciler.rollout.strategy import SmokeTest


@dataclass(frozen=True, slots=True)
class WriteState:
    """Store rollout state as tags on the service: only the fields in which `before` and `after` differ."""

    before: StoredState
    after: StoredState

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(name for name in FIELDS if getattr(self.before, name) != getattr(self.after, name))

    def on(self, marks: StoredState) -> StoredState:
        """`marks` after this write; other fields may have changed in the meantime."""
        return replace(marks, **{name: getattr(self.after, name) for name in self.fields})


def stored(marks: StoredState, fields: Mapping[str, Any], judges: str = "") -> tuple[WriteState, ...]:
    """The write that stores `fields`, or nothing if they have these values already.

    A release that it quarantines is stored with the reason. `judges` are the digests of what releases are judged by
    now; an attempt keeps the one that it began with.
    """
    after = verdicts.begun(marks, replace(marks, **fields), judges)
    after = verdicts.explained(marks, after, judges) if "quarantine" in fields else after
    return () if after == marks else (WriteState(marks, after),)


@dataclass(frozen=True, slots=True)
class SuspendScaling:
    """Suspend or resume automatic scaling in. Scaling out goes on: both versions follow the load."""

    suspend: bool


@dataclass(frozen=True, slots=True)
class UpdateHealthCheck:
    """Give a slot's target group the health check of the wanted release. The slot receives no production traffic."""

    slot: int


@dataclass(frozen=True, slots=True)
class CreateTaskSet:
    """Create a task set of a release. The same `salt` always creates the same task set in a target group, however often
    it is sent.

    `task_definition` is the wanted release's unless given.
    """

    release: str
    slot: int
    scale: int
    salt: str
    task_definition: str = ""


@dataclass(frozen=True, slots=True)
class ScaleTaskSet:
    """Set the scale of a task set, in percent of the desired count."""

    id: str
    scale: int


@dataclass(frozen=True, slots=True)
class SetWeights:
    """Set the weights of a listener. Refused if its current weights are not `was`: they were changed outside."""

    listener: str  # "production" | "test"
    weights: Weights
    was: Weights | None


@dataclass(frozen=True, slots=True)
class SetPrimary:
    """Make a task set the primary one: a label shown by DescribeServices. It moves no traffic."""

    id: str


@dataclass(frozen=True, slots=True)
class DeleteTaskSet:
    """Stop a task set's tasks and delete it. Refused if its slot receives production traffic at that moment."""

    id: str
    slot: int


@dataclass(frozen=True, slots=True)
class RunTests:
    """Send the smoke tests to the test listener. Not an AWS call: the driver sends them and records the result."""

    release: str
    tests: tuple[SmokeTest, ...]


@dataclass(frozen=True, slots=True)
class RunTask:
    """Start the pre-deployment task. The same `run` starts the same task, however often it is sent.

    No engine applies it: the driver does, for all of them.
    """

    run: TaskRun


@dataclass(frozen=True, slots=True)
class UpdateService:
    """Deploy a revision (the wanted one unless given) and set `members` of UpdateService as wanted."""

    task_definition: str = ""
    members: tuple[str, ...] = ()


class EngineAction(ABC):
    """An action that one engine alone knows, and that says itself what others know of an action."""

    __slots__ = ()

    @property
    def revision(self) -> str | None:
        """As `started_revision`."""
        return None

    def amounts_to(self, seen: ObservedService) -> tuple[RolloutAction, ...]:
        """What it does to production traffic and to task sets, as the actions that the safety check judges."""
        return ()

    @abstractmethod
    def visible(self, seen: ObservedService) -> bool:
        """Whether `seen` shows that it was carried out."""

    @abstractmethod
    def after(self, seen: ObservedService, now: datetime) -> ObservedService:
        """The observed state once it was carried out. Raises `errors.StalePlan` if AWS would refuse it."""

    @abstractmethod
    def text(self, seen: ObservedService, ports: Ports) -> str:
        """What it does, in a few words; `ports` are those of the production and of the test listener."""


RolloutAction: TypeAlias = (
    WriteState
    | SuspendScaling
    | UpdateHealthCheck
    | CreateTaskSet
    | ScaleTaskSet
    | SetWeights
    | SetPrimary
    | DeleteTaskSet
    | RunTests
    | RunTask
    | UpdateService
    | EngineAction
)


def started_revision(action: RolloutAction) -> str | None:
    """The revision that `action` starts tasks of, `""` for the wanted release's; None if it starts none."""
    if isinstance(action, EngineAction):
        return action.revision
    return action.task_definition if isinstance(action, CreateTaskSet | UpdateService) else None
