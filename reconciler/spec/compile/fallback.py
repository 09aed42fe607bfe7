"""Compilation of `spot`: the second service of a Service, which runs on demand what the first one lacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.model.resource import Address
from reconciler.resources.service import ServiceSpec
from reconciler.rollout.fallback_state import FallbackTerms, on_demand
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.strategy import Strategy
from reconciler.spec import names
from reconciler.spec.documents import Service


def services(service: Service, main: Address, spec: ServiceSpec) -> Iterator[tuple[Address, ServiceSpec]]:
    """The service itself, and the one on demand: the same without tasks of its own, and with a launch type.

    Its count belongs to rollout/fallback.py, as that of a service with autoscaling belongs to the autoscaler.
    """
    yield main, spec
    if service.spot is not None:
        own = {
            "name": names.on_demand(service.name_in_aws),
            "desired_count": None,
            "initial_count": 0,
            "starts_empty": False,
            "capacity_provider_strategy": None,
            "launch_type": "FARGATE",
        }
        yield on_demand(main), spec.model_copy(update=own)


def deliveries(service: Service, main: RolloutSpec) -> Iterator[RolloutSpec]:
    """The rollout of the service, and that of the one on demand: without gates, for it gets what is in production."""
    yield main
    if service.spot is not None:
        terms = FallbackTerms(main.service, service.spot.fallback_after, service.spot.return_after)
        plain = RolloutSpec(on_demand(main.service), main.task_definition, Strategy(engine=main.policy.engine))
        yield replace(plain, images=main.images, where=main.where, fallback=terms)
