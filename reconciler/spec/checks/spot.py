"""Checks of `spot`: what a second service beside the first can do, and what only one service can.

Where tasks are divided between two services, a metric of one of them counts only its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.rollout.engine import TrafficShifter, engines
from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Cluster, Service
from reconciler.spec.messages import joined, shown
from reconciler.spec.specs import Specs

INSTEAD = "use capacity_providers, with a base on FARGATE"


def check(specs: Specs) -> Iterator[Diagnostic]:
    for service in specs.services:
        if service.spot is not None:
            yield from _cluster(specs, service)
            yield from _deployment(specs, service)
            yield from _one_service(specs, service)


def _cluster(specs: Specs, service: Service) -> Iterator[Diagnostic]:
    cluster = specs.get(Cluster, service.cluster)
    if cluster is not None and queries.SPOT not in queries.providers(cluster):
        message, place = f"cluster {shown(cluster.name)} does not have {queries.SPOT}", specs.where(service, "spot")
        yield Diagnostic("E5011", message, place, notes=(Note("the cluster", specs.where(cluster)),))


def _deployment(specs: Specs, service: Service) -> Iterator[Diagnostic]:
    strategy = queries.switching(specs, service)
    if strategy is not None and engines()[strategy.driver].shifts_traffic is not TrafficShifter.ECS:
        message = f"spot: a {strategy.type} deployment by {strategy.driver} has no services on demand beside it"
        notes = (Note("the deployment", specs.where(strategy, "engine" if strategy.engine else "type")),)
        able = joined(sorted(name for name, one in engines().items() if one.shifts_traffic is TrafficShifter.ECS))
        hint = f"use a rolling deployment, engine: {able}, or {INSTEAD}"
        yield Diagnostic("E5033", message, specs.where(service, "spot", key=True), hint=hint, notes=notes)


def _one_service(specs: Specs, service: Service) -> Iterator[Diagnostic]:
    if service.service_connect is not None:
        message = "service_connect: with 'spot' some tasks are in a second service, which other services do not find"
        yield Diagnostic("E5034", message, specs.where(service, "service_connect", key=True), hint=INSTEAD)
    scaling = service.scaling
    if scaling is None:
        return
    counted = [("backlog",)] if scaling.backlog is not None else []
    paths: list[tuple[str, ...]] = [
        *counted,
        *(("metrics", name) for name, one in scaling.metrics.items() if one.per_task),
    ]
    for path in paths:
        message = f"{'.'.join(path)}: AWS does not count the tasks on demand, which 'spot' runs in a second service"
        hint = f"scale by cpu, memory or requests, or {INSTEAD}"
        yield Diagnostic("E5034", message, specs.where(service, "scaling", *path, key=True), hint=hint)
