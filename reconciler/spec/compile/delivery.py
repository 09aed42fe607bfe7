"""Compilation of each Service to a RolloutSpec: what is rolled out, as opposed to just applied."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.model.resource import Address, Desired
from reconciler.rollout.engine import TrafficShifter
from reconciler.rollout.release import SERVICE_CONNECT
from reconciler.rollout.spec import RolloutSpec, fitting, fitting_headers
from reconciler.spec import domains, queries
from reconciler.spec.compile import existing, fallback, registry
from reconciler.spec.compile.context import Context
from reconciler.spec.compile.policy import compile_policy
from reconciler.spec.compile.target_group import container_port, health_check
from reconciler.spec.compile.task import one_off
from reconciler.spec.documents import Alarm, DeploymentStrategy, Service, Task
from reconciler.spec.documents.references import LOOKUP
from reconciler.spec.documents.service import Forwarding, Traffic
from reconciler.spec.documents.values import literal
from reconciler.spec.specs import Specs


def compile_deliveries(specs: Specs) -> tuple[RolloutSpec, ...]:
    """One for each service, in the order of the documents, and one on demand beside it. `specs` must be `ok`."""
    every = (fallback.deliveries(service, compile_delivery(specs, service)) for service in specs.services)
    return tuple(one for several in every for one in several)


def compile_delivery(specs: Specs, service: Service) -> RolloutSpec:
    traffic = service.traffic
    strategy = strategy_of(specs, service)
    before = queries.pre_deployment(specs, service)
    policy = compile_policy(strategy, service, specs.all(Alarm))
    plain = RolloutSpec(
        Address("service", service.name),
        Address("task-definition", service.name),
        policy,
        images=_images(service),
        scales=service.scaling is not None,
        where=specs.where(service).place,
        pre_deployment=None if before is None else _pre_deployment(specs, before),
    )
    if traffic is None:
        return replace(plain, ports=(SERVICE_CONNECT, SERVICE_CONNECT))
    secure = domains.secure(specs, traffic)
    found = _with_traffic(specs, plain, service, traffic, secure)
    if secure == traffic.listener or found.engine.shifts_traffic is TrafficShifter.ECS:
        return found
    http = _with_traffic(specs, plain, service, traffic, traffic.listener)
    return replace(found, meanwhile=replace(http, successor=found.production))


def _with_traffic(specs: Specs, plain: RolloutSpec, service: Service, traffic: Traffic, entrance: str) -> RolloutSpec:
    """With the requests that come in by the listener `entrance`."""
    tested = queries.has_listener(specs, traffic, traffic.test_listener)
    return replace(
        plain,
        container=traffic.container,
        port=container_port(service, traffic),
        groups=tuple(
            Address("target-group", group.name) for _, one in service.forwardings for group in one.target_groups
        ),
        production=entry(service, traffic, entrance),
        test=entry(service, traffic, traffic.test_listener) if tested else None,
        ports=(_port(specs, traffic, entrance, 80), _port(specs, traffic, traffic.test_listener, 9000)),
        health=health_check(traffic),
        headers=fitting_headers(traffic.match.host, traffic.match.header),
        query=fitting(traffic.match.query),
    )


def _port(specs: Specs, traffic: Forwarding, listener: str, otherwise: int) -> int | str:
    """The port of a listener, for people; one that others own may be known by its ARN or by a lookup only."""
    if traffic.outside:
        return int(listener) if listener.isdigit() else "?" if literal(listener, "arn:", LOOKUP) else otherwise
    balancer = queries.balancer(specs, traffic)
    listeners = {} if balancer is None else domains.listeners(specs, balancer)
    return otherwise if listener not in listeners else listeners[listener].port


def _pre_deployment(specs: Specs, task: Task) -> Desired[Any]:
    assert specs.stack is not None, "compile_specs has checked it"
    return one_off(Context(specs, specs.stack, account="", partition=""), task)  # no ARN is composed for it


def strategy_of(specs: Specs, service: Service) -> DeploymentStrategy | None:
    return None if service.deployment is None else specs.get(DeploymentStrategy, service.deployment)


def entry(service: Service, traffic: Forwarding, listener: str) -> Address:
    """Where requests of the service come in: its own rule, or all of a listener. No service's name has a dot."""
    if not traffic.match.given:
        return existing.listener_address(traffic, listener)
    further = "" if traffic is service.traffic else f".{traffic.target_groups[0].name}"
    if traffic.outside:
        listener = "test" if existing.is_for_tests(traffic, listener) else "production"
    return Address("listener-rule", f"{service.name}{further}-{listener}")


def _images(service: Service) -> tuple[Address, ...]:
    found = [container.image for container in service.task.containers.values()]
    return tuple(
        registry.image_ref(one.registry, one.tag).address
        for one in found
        if one.registry is not None and one.tag is not None
    )
