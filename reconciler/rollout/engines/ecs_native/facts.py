"""Observed state of a service whose traffic ECS shifts: what its tasks and rules show, and its service deployment."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from reconciler.rollout.engine import Limits
from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.strategy import Share
from reconciler.rollout.tracker import LATEST

MINUTE: Final = timedelta(minutes=1)

PAUSED_FOR: Final = timedelta(minutes=20_160)
"""For which a PAUSE hook waits at most (API Reference, DeploymentLifecycleHookTimeoutConfiguration)."""

TESTED_WITHIN: Final = timedelta(days=7)
"""Time limit of the tests, so that the hook that waits for them never expires as late as the one at the gate."""

BAKED_FOR: Final = timedelta(minutes=1440)
"""For which ECS keeps the previous tasks, and waits between two steps, at most (API Reference,
DeploymentConfiguration, CanaryConfiguration, LinearConfiguration)."""

LIMITS: Final = Limits(
    promotion=PAUSED_FOR,
    tests=TESTED_WITHIN,
    bake=BAKED_FOR,
    pause=BAKED_FOR,
    fixed_steps=True,
    least_linear_step=3,
    whole=True,
    hooks=10,
)


class Status(StrEnum):
    """Of a service deployment, in ECS's spelling."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    SUCCESSFUL = "SUCCESSFUL"
    STOP_REQUESTED = "STOP_REQUESTED"
    STOPPED = "STOPPED"
    ROLLBACK_REQUESTED = "ROLLBACK_REQUESTED"
    ROLLBACK_IN_PROGRESS = "ROLLBACK_IN_PROGRESS"
    ROLLBACK_SUCCESSFUL = "ROLLBACK_SUCCESSFUL"
    ROLLBACK_FAILED = "ROLLBACK_FAILED"


OVER: Final = frozenset({Status.SUCCESSFUL, Status.STOPPED, Status.ROLLBACK_SUCCESSFUL, Status.ROLLBACK_FAILED})
GOING_BACK: Final = frozenset({Status.ROLLBACK_REQUESTED, Status.ROLLBACK_IN_PROGRESS, Status.STOP_REQUESTED})

SHIFTING: Final = frozenset({"PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT"})
UNSHIFTED: Final = frozenset(
    {"RECONCILE_SERVICE", "PRE_SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT"}
)
WITH_TEST_TRAFFIC: Final = "POST_TEST_TRAFFIC_SHIFT"
SCALED_UP: Final = "POST_SCALE_UP"
BAKE_TIME: Final = "BAKE_TIME"
CLEAN_UP: Final = "CLEAN_UP"
SHIFTED: Final = frozenset({"POST_PRODUCTION_TRAFFIC_SHIFT", BAKE_TIME, CLEAN_UP})
"""Lifecycle stages that mean something here; ECS has others, and may get more."""


class HookAction(StrEnum):
    """What a PAUSE hook does, in ECS's spelling."""

    CONTINUE = "CONTINUE"
    ROLLBACK = "ROLLBACK"


@dataclass(frozen=True, slots=True)
class PauseHook:
    """A PAUSE hook as it is declared: what ECS does by itself after so many minutes."""

    minutes: int
    then: HookAction


@dataclass(frozen=True, slots=True)
class Hook:
    """A PAUSE hook of a deployment that has reached its stage. `waits`: it can be continued; `passed`: the deployment
    went on.
    """

    id: str
    then: HookAction
    expires: datetime
    waits: bool = True
    passed: bool = False


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A hook of a deployment that has reached its stage and calls a function, by the function's ARN. `stages` are those
    of all hooks that call it: ECS does not say which one it was.
    """

    function: str
    stages: tuple[str, ...] = ()
    runs: bool = False
    failed: bool = False

    @property
    def name(self) -> str:
        return self.function.rpartition(":function:")[2] or self.function


@dataclass(frozen=True, slots=True)
class Deployment:
    """`release` and `task_definition` are those of the target, which is the deployment's task set `target` (an id).
    `stage` is ECS's, or "". `declared` and `shares` are its own hooks and traffic steps, which stay as they were when
    it was created. `functions` are called by its other hooks. `updated` is when ECS last changed it, and
    `taken_back` when its rollback began. `stopped`:
    somebody asked ECS to stop it. `why` is the reason that ECS gives for its status.
    """

    id: str
    release: str
    status: Status
    born: datetime
    stage: str = ""
    target: str = ""
    task_definition: str = ""
    hooks: tuple[Hook, ...] = ()
    declared: tuple[PauseHook, ...] = ()
    functions: tuple[FunctionCall, ...] = ()
    shares: tuple[Share, ...] = ()
    updated: datetime | None = None
    taken_back: datetime | None = None
    finished: datetime | None = None
    stopped: bool = False
    why: str = ""

    @property
    def active(self) -> bool:
        return self.status not in OVER

    @property
    def going_back(self) -> bool:
        return self.status in GOING_BACK

    @property
    def shifts(self) -> bool:
        """Whether production traffic is being shifted by it, or has been; of one that is being undone, as far as its
        hooks tell: a rollback has stages of the same names.
        """
        if self.rejected:
            return False
        if not self.active or self.going_back:
            passed = sum(one.passed for one in self.hooks)
            return passed >= len(self.declared) if self.declared else self.stage in (*SHIFTING, BAKE_TIME)
        return self.stage in SHIFTING or self.stage in SHIFTED

    @property
    def has_production(self) -> bool:
        """Whether its target has all of production, as far as its stage tells."""
        done = self.active and not self.going_back and self.stage in SHIFTED
        return done or self.status is Status.SUCCESSFUL

    def gave_all(self, now: datetime) -> bool:
        """Whether all of production was shifted so long ago that a read of the listener shows it."""
        baking = self.active and not self.going_back and self.stage == BAKE_TIME
        return baking and self.updated is not None and now - self.updated >= LATEST

    @property
    def rejected(self) -> bool:
        """Whether a function has failed in a stage before production traffic."""
        before = UNSHIFTED if self.shares else UNSHIFTED | {"PRE_PRODUCTION_TRAFFIC_SHIFT"}
        return any(one.failed and before.issuperset(one.stages) for one in self.functions)

    @property
    def calling(self) -> tuple[str, ...]:
        """The names of the functions whose answers it waits for."""
        return tuple(sorted({one.name for one in self.functions if one.runs}))

    @property
    def cleans_up(self) -> bool:
        """Whether it has succeeded but for the previous tasks, which are being removed."""
        return self.active and not self.going_back and self.stage == CLEAN_UP


@dataclass(frozen=True, slots=True)
class NativeService(ObservedService):
    """`deployment`: the newest service deployment, if it matters: one that is active, or how a rollout has ended.
    `lost`: why ECS would roll any deployment back, and what to do (pair.py). `connected`: requests come in by Service
    Connect alone, so that no listener shows where they go, and only ECS can shift them. `shifting_since`: when it began
    to shift production traffic, in a simulation only.
    """

    deployment: Deployment | None = None
    lost: str = ""
    connected: bool = False
    shifting_since: datetime | None = None

    @property
    def active(self) -> Deployment | None:
        return self.deployment if self.deployment is not None and self.deployment.active else None

    @property
    def target(self) -> TaskSet | None:
        """The tasks of the active deployment's target, unless it is being rolled back."""
        if self.active is None or self.active.going_back:
            return None
        return next((one for one in self.sets if one.id == self.active.target), None)


def native(seen: ObservedService) -> NativeService:
    """`seen` as a service of which no deployment is known, unless it is."""
    if isinstance(seen, NativeService):
        return seen
    return NativeService(**{one.name: getattr(seen, one.name) for one in fields(ObservedService)})
