"""What a `step` may decide: each one or two AWS calls, none of which does harm when it is made twice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from reconciler.rollout.state import Weights
from reconciler.rollout.stored_state import KEYS, StoredState
from reconciler.rollout.strategy import SmokeTest


@dataclass(frozen=True, slots=True)
class WriteState:
    """Write on the service what has to be remembered: only the fields that `before` and `after` differ in."""

    before: StoredState
    after: StoredState

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(name for name in KEYS if getattr(self.before, name) != getattr(self.after, name))

    def on(self, marks: StoredState) -> StoredState:
        """`marks` once this is written, which may have changed in other fields since."""
        return replace(marks, **{name: getattr(self.after, name) for name in self.fields})


@dataclass(frozen=True, slots=True)
class SuspendScaling:
    """Hold autoscaling still, or let it go on."""

    suspend: bool


@dataclass(frozen=True, slots=True)
class UpdateHealthCheck:
    """Give a slot's target group the wanted release's health check; production never looks at it meanwhile."""

    slot: int


@dataclass(frozen=True, slots=True)
class CreateTaskSet:
    """A task set of a release. Deterministic: the same `salt` makes the same set, however often it is asked for.

    `task_definition` is the wanted release's unless said otherwise.
    """

    release: str
    slot: int
    scale: int
    salt: str
    task_definition: str = ""


@dataclass(frozen=True, slots=True)
class ScaleTaskSet:
    """How many tasks a set has, in percent of the desired count."""

    id: str
    scale: int


@dataclass(frozen=True, slots=True)
class SetWeights:
    """Where a listener sends requests. Refused if it does not send them as `was` any more: somebody was there."""

    listener: str  # "production" | "test"
    weights: Weights
    was: Weights | None


@dataclass(frozen=True, slots=True)
class SetPrimary:
    """Make a set the primary one: a label, by which DescribeServices shows it; no traffic moves."""

    id: str


@dataclass(frozen=True, slots=True)
class DeleteTaskSet:
    """Stop a set's tasks and remove it. Refused if production sends anything to its slot at that moment."""

    id: str
    slot: int


@dataclass(frozen=True, slots=True)
class RunTests:
    """Ask the test listener what it answers. Not an AWS call: whoever drives the engine asks, and tells the result."""

    release: str
    tests: tuple[SmokeTest, ...]


@dataclass(frozen=True, slots=True)
class UpdateService:
    """Tell ECS to run a revision, the wanted one unless said otherwise, and `members` of UpdateService as wanted."""

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
    | UpdateService
)
