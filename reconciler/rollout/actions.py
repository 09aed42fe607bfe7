"""Rollout actions: what an engine may decide to do, each one or two idempotent AWS calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from reconciler.rollout import verdicts
from reconciler.rollout.attempts import TaskRun
from reconciler.rollout.state import Weights
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
)
