"""Deployment engine: the interface that every engine implements, its phases and its steps.

    idle → scaling_up → testing → awaiting_promotion → shifting → verifying → baking → teardown → idle

An engine observes, decides and applies. `decide` is a pure function of the strategy, the observed state and the time.
The phase is derived from the observed state, so it does not depend on who observed the service before.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar

from reconciler.model.permissions import Permissions
from reconciler.model.resource import Calls
from reconciler.rollout.actions import RolloutAction, started_revision
from reconciler.rollout.release import RolloutTarget
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.state import ObservedService, short
from reconciler.rollout.stored_state import RolloutResult
from reconciler.rollout.strategy import Strategy


class Phase(StrEnum):
    IDLE = "idle"
    PRE_DEPLOYMENT = "pre_deployment"  # the task that has to succeed before a version starts
    INITIAL_DEPLOYMENT = "initial_deployment"  # the first deployment, or everything was lost: there is no blue
    SCALING_UP = "scaling_up"
    TESTING = "testing"
    AWAITING_PROMOTION = "awaiting_promotion"
    SHIFTING = "shifting"
    VERIFYING = "verifying"
    BAKING = "baking"
    TEARDOWN = "teardown"
    CHANGING_ENGINE = "changing_engine"  # the service itself changes, step by step; what runs stays
    FAILED = "failed"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"
    BLOCKED = "blocked"  # traffic was changed outside, or the state cannot be read: nothing is written until then


class RolloutHealth(StrEnum):
    """Health of a service during a rollout."""

    HEALTHY = "healthy"
    PROGRESSING = "progressing"
    SUSPENDED = "suspended"  # waiting for something outside: a request, a deployment window
    DEGRADED = "degraded"


class Waiting(StrEnum):
    """What a rollout waits for, if no timer will continue it."""

    NOBODY = ""
    PERSON = "person"
    SPEC = "spec"  # a new version in the specs
    DEPENDENCY = "dependency"  # what the new version needs, for example its image


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """Decision that follows from one observation.

    `decisions` are applied in order, and none after one that failed. `wake_at`: observe again by then; None if only a
    request, a new spec or a dependency continues it, and `waits_for` says which. `until` is the stored deadline of the
    phase. `because` is the status message of the phase; it changes only when the situation does. `ended` is set in the
    one step that ends a rollout. `live` is the slot that receives production traffic, if any.
    """

    phase: Phase
    decisions: tuple[RolloutAction, ...] = ()
    wake_at: datetime | None = None
    because: str = ""
    health: RolloutHealth = RolloutHealth.PROGRESSING
    release: str = ""
    until: datetime | None = None
    waits_for: Waiting = Waiting.NOBODY
    ended: RolloutResult | None = None
    live: int | None = None

    @property
    def at_rest(self) -> bool:
        return not self.decisions and self.wake_at is None


def quarantined(release: str, why: str) -> str:
    """Why that release is not rolled out, and what lifts it; `why` is "" where its end is not recorded any more."""
    found = f"{short(release)} is quarantined; `reconciler retry` or a new version lifts it"
    return f"{why}; {found}" if why else found


@dataclass(frozen=True, slots=True)
class Prefetched:
    """Responses that a pass already has, so that `observe` need not read them again, as AWS returns them.

    `service`: from DescribeServices with TAGS. `actions`: of listeners and rules, `groups`: target groups, by ARN.
    `scalable`: from DescribeScalableTargets. `beside`: the service whose missing tasks it runs, as `service`.
    """

    service: Mapping[str, Any] | None = None
    actions: Mapping[str, Any] = field(default_factory=dict)
    groups: Mapping[str, Any] = field(default_factory=dict)
    scalable: Mapping[str, Any] | None = None
    beside: Mapping[str, Any] | None = None


NOTHING = Prefetched()


class Controller(StrEnum):
    """The deployment controller of an ECS service, in ECS's spelling."""

    EXTERNAL = "EXTERNAL"
    ECS = "ECS"
    CODE_DEPLOY = "CODE_DEPLOY"


class TrafficShifter(StrEnum):
    """Who moves production from one version to the next."""

    US = "us"
    ECS = "ecs"
    CODEDEPLOY = "codedeploy"
    NOBODY = "nobody"  # versions share the target group, and tasks are replaced in it

    @property
    def takes_role(self) -> bool:
        """Whether AWS does it, with a role that it is given."""
        return self in (TrafficShifter.ECS, TrafficShifter.CODEDEPLOY)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine cannot do of what a strategy may ask for; None is no limit.

    `healthy_within`, `tests`, `promotion` (with the tests before it), `teardown`, `bake` (verification and teardown
    together) and `pause` are the longest waits. `stops_after`: when AWS ends the wait for a promotion by itself.
    `own_timers`: AWS keeps the pauses only, which are whole minutes; other waits are ours, within its limits.
    `fixed_steps`: one canary step, and one pause for all linear steps, which are of `least_linear_step` percent at
    least. `whole`: green starts at full size. `hooks`: how many functions AWS calls in a deployment.
    """

    healthy_within: timedelta | None = None
    tests: timedelta | None = None
    promotion: timedelta | None = None
    stops_after: timedelta | None = None
    teardown: timedelta | None = None
    bake: timedelta | None = None
    pause: timedelta | None = None
    alarms: int | None = None
    own_timers: bool = False
    fixed_steps: bool = False
    least_linear_step: int = 1
    whole: bool = False
    hooks: int = 0


class Engine(ABC):
    """How new versions of a service are brought into production. Found by `engines`."""

    name: ClassVar[str]

    types: ClassVar[tuple[str, ...]]
    """The deployment types of a DeploymentStrategy that it does."""

    default: ClassVar[bool] = False
    """It does its types where the strategy names no engine."""

    controller: ClassVar[Controller]
    shifts_traffic: ClassVar[TrafficShifter]
    limits: ClassVar[Limits] = Limits()

    phase_wording: ClassVar[Mapping[Phase, str]] = {}
    """How people read its phases, where that is not the wording of a blue/green deployment."""

    creates: ClassVar[tuple[str, ...]] = ()
    """The operations that make something that was not there."""

    permissions: ClassVar[Permissions] = Permissions()

    @abstractmethod
    def observe(
        self, subject: RolloutTarget, policy: Strategy, now: datetime, known: Prefetched = NOTHING
    ) -> Calls[ObservedService]:
        """Observe the service in as few calls as possible. Raises `errors.AwsError` if anything cannot be read."""

    @abstractmethod
    def decide(self, policy: Strategy, seen: ObservedService, now: datetime) -> RolloutStep:
        """The next step. Pure: no clock, no AWS, no randomness."""

    @abstractmethod
    def allowed_requests(self, policy: Strategy, seen: ObservedService, now: datetime) -> tuple[RequestVerb, ...]:
        """Requests that would be accepted now. Pure."""

    def starts(self, step: RolloutStep, seen: ObservedService) -> bool:
        """Whether `step` starts the wanted release, so that its pre-deployment task has to have succeeded. Pure."""
        return any(started_revision(one) == "" for one in step.decisions)

    def owned(self, seen: ObservedService) -> tuple[str, ...]:
        """Ids that its calls name and that only the service's observation shows to be the stack's. Pure."""
        return ()

    def simulated(self, seen: ObservedService, policy: Strategy, now: datetime) -> ObservedService:
        """`seen` with what has happened by itself until `now`, in a simulation. Pure."""
        return seen

    @abstractmethod
    def apply(self, decision: RolloutAction, subject: RolloutTarget) -> Calls[None]:
        """Apply one action. Raises `errors.StalePlan` if AWS has changed since it was observed."""


@cache
def engines() -> Mapping[str, Engine]:
    """Every engine in reconciler/rollout/engines by name, one module each."""
    package = "reconciler.rollout.engines"
    found: dict[str, Engine] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(importlib.import_module(package).__path__)):
        name = f"{package}.{module}"
        for member in vars(importlib.import_module(name)).values():
            if isinstance(member, type) and issubclass(member, Engine) and member.__module__ == name:
                found[member.name] = member()
    return found


def default_engine(type: str) -> str:
    """The engine that does deployments of `type` where none is named."""
    return next(engine.name for engine in engines().values() if engine.default and type in engine.types)
