"""Compilation of `spot`: the services beside a Service that run on demand what it lacks.

There is one beside a service with rolling deployments. Where ECS shifts traffic there is one for each of its two target
groups, so that each version has tasks on demand of its own, and none of them ever changes its target group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from reconciler.model.resource import Address
from reconciler.resources.service import Deployment, ServiceSpec, Target
from reconciler.rollout.fallback_state import FallbackTerms, on_demand
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.strategy import Strategy
from reconciler.spec import names
from reconciler.spec.documents import Service
from reconciler.spec.documents.deployment_strategy import ROLLING, Rolling


def services(service: Service, main: Address, spec: ServiceSpec) -> Iterator[tuple[Address, ServiceSpec]]:
    """The service itself, and those on demand: the same without tasks of their own, and with a launch type.

    Their count belongs to rollout/fallback.py, as that of a service with autoscaling belongs to the autoscaler.
    """
    yield main, spec
    if service.spot is None:
        return
    pair = () if spec.pair is None else (spec.pair.target_group, spec.pair.alternate)
    for number, group in enumerate(pair or (None,), start=1):
        own: dict[str, Any] = {
            "name": names.on_demand(service.name_in_aws, number),
            "desired_count": None,
            "initial_count": 0,
            "starts_empty": False,
            "capacity_provider_strategy": None,
            "launch_type": "FARGATE",
        }
        if spec.pair is not None and group is not None:
            target = Target(target_group=group, container=spec.pair.container, port=spec.pair.port)
            own |= {
                "load_balancers": (target,),
                "deployment": _rolling(),
                "pair": None,
                "infrastructure_role": None,
            }
        yield on_demand(main, number), spec.model_copy(update=own)


def _rolling() -> Deployment:
    usual = Rolling()
    return Deployment(
        min_percent=usual.min_percent,
        max_percent=usual.max_percent,
        circuit_breaker=usual.circuit_breaker,
        rollback=usual.rollback,
    )


def deliveries(service: Service, main: RolloutSpec) -> Iterator[RolloutSpec]:
    """The rollout of the service, and those on demand: without gates, for they get what is in production."""
    yield main
    if service.spot is None:
        return
    for number, group in enumerate(main.groups if main.moves_traffic else (None,), start=1):
        terms = FallbackTerms(main.service, service.spot.fallback_after, service.spot.return_after, group)
        plain = RolloutSpec(on_demand(main.service, number), main.task_definition, Strategy(engine=ROLLING))
        yield replace(plain, images=main.images, where=main.where, fallback=terms)
