"""Rollout spec: a service whose versions are rolled out, as the specs declare it. Addresses, no AWS ids."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.model.resource import Address, Desired
from reconciler.rollout.engine import Controller, Engine, TrafficShifter, engines
from reconciler.rollout.fallback_state import FallbackTerms
from reconciler.rollout.release import HealthCheck, Ports
from reconciler.rollout.strategy import Promotion, Strategy


def fitting(patterns: Sequence[str]) -> str:
    """A text that matches one of the patterns of a listener rule; one without wildcards, if there is any."""
    plain = [pattern for pattern in patterns if not {"*", "?"} & set(pattern)]
    return next((pattern.replace("*", "x").replace("?", "x") for pattern in plain or patterns), "")


def fitting_headers(hosts: Sequence[str], headers: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The headers of a request that a rule with these conditions takes."""
    found = {"Host": fitting(hosts)} if hosts else {}
    return found | {fitting((name,)): fitting(values) for name, values in headers.items()}


@dataclass(frozen=True, slots=True)
class RolloutSpec:
    """`groups` are the target groups that versions alternate between; slot 0 is the first.

    `production` and `test` are listeners or listener rules, `ports` their ports. `images` are looked up before any task
    is started from them. `headers` and `query` are those of a request that the service's listener rule matches.
    `pre_deployment` is the task that runs before each release, with references in place of ids; it is not a resource of
    the plan. `fallback`: it runs on demand what another service lacks, in the version of that one. `meanwhile` is what
    is rolled out for as long as `production` does not exist; its `successor` is that one. `connected`: ECS shifts its
    traffic, and it has no load balancer, so that requests come in by Service Connect alone.
    """

    service: Address
    task_definition: Address
    policy: Strategy = field(default_factory=Strategy)
    container: str = ""
    port: int = 0
    groups: tuple[Address, ...] = ()
    production: Address | None = None
    test: Address | None = None
    ports: Ports = (80, 9000)
    health: HealthCheck | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    images: tuple[Address, ...] = ()
    scales: bool = False
    where: str = ""
    pre_deployment: Desired[Any] | None = None
    fallback: FallbackTerms | None = None
    meanwhile: RolloutSpec | None = None
    successor: Address | None = None
    connected: bool = False

    def current(self, present: Container[Address]) -> RolloutSpec:
        """The spec for as long as just what is `present` exists."""
        return self if self.meanwhile is None or self.production in present else self.meanwhile

    @property
    def name(self) -> str:
        return self.service.name

    @property
    def engine(self) -> Engine:
        return engines()[self.policy.engine]

    def run_by(self, engine: Engine | None) -> RolloutSpec:
        """The spec for a service that this engine runs now.

        If it is not the declared one, the strategy of what is under way is not declared any more, and promotion is left
        to a person.
        """
        if engine is None or engine is self.engine:
            return self
        return replace(self, policy=Strategy(engine=engine.name, promotion=Promotion.MANUAL))

    @property
    def moves_traffic(self) -> bool:
        """Whether versions alternate between two target groups, and traffic is shifted from one to the other."""
        return self.engine.shifts_traffic is not TrafficShifter.NOBODY

    @property
    def created_with_tasks(self) -> bool:
        """Whether ECS starts tasks of the first version as soon as the service is created."""
        return self.engine.controller is not Controller.EXTERNAL
