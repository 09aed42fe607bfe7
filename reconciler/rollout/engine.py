"""The words that all deployment engines share: phases, what a step says, and what an engine is.

    idle → scaling_up → testing → awaiting_promotion → shifting → verifying → baking → teardown → idle

An engine sees, steps and performs. `step` is a pure function of the policy, the facts and the time: the phase follows
from the facts, so that it does not matter who looked before, or whether anybody did.
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
from reconciler.rollout.actions import RolloutAction
from reconciler.rollout.release import RolloutTarget
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import RolloutResult
from reconciler.rollout.strategy import Strategy


class Phase(StrEnum):
    IDLE = "idle"
    INITIAL_DEPLOYMENT = "initial_deployment"  # the first deployment, or nothing is left of what ran: there is no blue
    SCALING_UP = "scaling_up"
    TESTING = "testing"
    AWAITING_PROMOTION = "awaiting_promotion"
    SHIFTING = "shifting"
    VERIFYING = "verifying"
    BAKING = "baking"
    TEARDOWN = "teardown"
    FAILED = "failed"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"
    BLOCKED = "blocked"  # somebody else moved production: nothing is written until that is clear


class RolloutHealth(StrEnum):
    """Of a service, while it is rolled out."""

    HEALTHY = "healthy"
    PROGRESSING = "progressing"
    SUSPENDED = "suspended"  # waiting for something outside: a person, a window
    DEGRADED = "degraded"


class Waiting(StrEnum):
    """For whom, where no clock will move it on."""

    NOBODY = ""
    PERSON = "person"
    SPEC = "spec"  # a new version in the specs


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """What a look at the facts leads to.

    `decisions` are carried out in their order, and none after one that failed. `wake_at`: look again by then; None
    means that only a person or a new spec moves it, and `waits_for` says which. `until` is the stored deadline of this
    phase. `because` finishes the sentence "it is in this phase because …"; it holds no times that flap. `ended` is set
    in the one step that ends a rollout. `live` is the slot that has production, where it has one.
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


@dataclass(frozen=True, slots=True)
class Prefetched:
    """Answers that a pass already has, so that `see` need not ask, in AWS's own words.

    `service`: as DescribeServices with TAGS gives it. `actions`: of listeners and rules, `groups`: target groups, by
    ARN. `scalable`: as DescribeScalableTargets gives it.
    """

    service: Mapping[str, Any] | None = None
    actions: Mapping[str, Any] = field(default_factory=dict)
    groups: Mapping[str, Any] = field(default_factory=dict)
    scalable: Mapping[str, Any] | None = None


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


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine cannot do of what a strategy may ask for; None is no limit.

    `healthy_within`, `promotion`, `teardown`, `bake` (verification and teardown together) and `pause` are the longest
    waits. `fixed_steps`: one canary step, and one pause for all linear steps. `whole`: green starts at full size.
    """

    healthy_within: timedelta | None = None
    promotion: timedelta | None = None
    teardown: timedelta | None = None
    bake: timedelta | None = None
    pause: timedelta | None = None
    alarms: int | None = None
    fixed_steps: bool = False
    whole: bool = False


class Engine(ABC):
    """How versions of one sort of service get into production. A leaf, found by `engines`."""

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
        """The facts, in as few calls as there can be. Raises `errors.AwsError`: what cannot be read is not guessed."""

    @abstractmethod
    def decide(self, policy: Strategy, seen: ObservedService, now: datetime) -> RolloutStep:
        """What the facts lead to. Pure: no clock, no AWS, no chance."""

    @abstractmethod
    def allowed_requests(self, policy: Strategy, seen: ObservedService, now: datetime) -> tuple[RequestVerb, ...]:
        """What a person could say now and be heeded. Pure."""

    @abstractmethod
    def apply(self, decision: RolloutAction, subject: RolloutTarget) -> Calls[None]:
        """Carry one decision out. Raises `errors.StalePlan` where the world has moved since it was looked at."""


@cache
def engines() -> Mapping[str, Engine]:
    """Every engine in reconciler/rollout/engines, by name: a module each."""
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
