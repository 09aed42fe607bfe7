"""Checks of what depends on the type of a load balancer: listeners, target groups, and how services are deployed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.rollout.engine import TrafficShifter, engines
from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import LoadBalancer, Service
from reconciler.spec.documents.service import Forwarding
from reconciler.spec.messages import joined, shown
from reconciler.spec.specs import Specs

_OF_REQUESTS: Final = (
    "match",
    "protocol_version",
    "stickiness",
    "slow_start",
    "algorithm",
    "anomaly_mitigation",
    "sign_in",
)
"""Fields of `traffic` for what reads requests."""
_FORWARDS: Final = {
    "TCP": ("TCP", "TCP_UDP"),
    "TLS": ("TCP", "TLS"),
    "UDP": ("UDP", "TCP_UDP"),
    "TCP_UDP": ("TCP_UDP",),
}
"""Protocols of target groups by that of the listener (ELB user guide, Network Load Balancers, target groups)."""


def check(specs: Specs) -> Iterator[Diagnostic]:
    for balancer in specs.load_balancers:
        yield from _balancer(specs, balancer)
        yield from _listeners(specs, balancer)
    for service in specs.services:
        for path, traffic in service.forwardings:
            yield from _traffic(specs, service, traffic, *path)
            yield from _health_check(specs, service, traffic, *path)


def _balancer(specs: Specs, balancer: LoadBalancer) -> Iterator[Diagnostic]:
    for field in ("rules", "idle_timeout") if balancer.type == "network" else ():
        if field in balancer.model_fields_set:
            message = f"a network load balancer has no '{field}'"
            yield Diagnostic("E4022", message, specs.where(balancer, field, key=True))


def _listeners(specs: Specs, balancer: LoadBalancer) -> Iterator[Diagnostic]:
    network = balancer.type == "network"
    used = {
        name
        for service in specs.services
        for _, traffic in service.forwardings
        if traffic.load_balancer == balancer.name
        for name in queries.listeners(specs, service, traffic)
    }
    for name, listener in balancer.listeners.items():
        if network is (listener.protocol in ("HTTP", "HTTPS")):
            able = joined(_FORWARDS, "or") if network else "HTTP or HTTPS"
            stated = "protocol" in listener.model_fields_set
            place = specs.where(balancer, "listeners", name, *(("protocol",) if stated else ()), key=not stated)
            message = f"listener {name} of a load balancer of the type {balancer.type} uses {able}"
            yield Diagnostic("E4022", f"{message}, not {listener.protocol}", place)
        if network and listener.default_action is not None:
            place = specs.where(balancer, "listeners", name, "default_action", key=True)
            yield Diagnostic("E4022", "a network load balancer has no 'default_action'", place)
        if network and name not in used and "Service" not in specs.broken:
            message = f"listener {name} needs a service; in a network load balancer it has to forward"
            yield Diagnostic("E4022", message, specs.where(balancer, "listeners", name, key=True))


def _traffic(specs: Specs, service: Service, traffic: Forwarding, *at: str | int) -> Iterator[Diagnostic]:
    balancer = queries.balancer(specs, traffic)
    if balancer is None:
        return
    note = Note("the load balancer", specs.where(balancer))
    if traffic.of_connections is not (balancer.type == "network"):
        able = joined(_FORWARDS, "or") if balancer.type == "network" else "HTTP or HTTPS"
        field = "protocol" if "protocol" in traffic.model_fields_set else "load_balancer"
        message = f"protocol: {shown(balancer.name)} forwards by {able}, not {traffic.protocol}"
        yield Diagnostic("E4022", message, specs.where(service, *at, field), notes=(note,))
    if balancer.type != "network":
        return
    for field in _OF_REQUESTS:
        if field in traffic.model_fields_set:
            message = f"a network load balancer does not read requests, and has no '{field}'"
            yield Diagnostic("E4022", message, specs.where(service, *at, field, key=True), notes=(note,))
    listener = balancer.listeners.get(traffic.listener)
    fitting = _FORWARDS.get(listener.protocol, ()) if listener is not None else ()
    if listener is not None and fitting and traffic.of_connections and traffic.protocol not in fitting:
        by = joined(fitting, "or")
        message = f"protocol: listener {traffic.listener} uses {listener.protocol}, and forwards by {by}"
        yield Diagnostic("E4022", message, specs.where(service, *at, "protocol"), notes=(note,))
    strategy = queries.switching(specs, service)
    if strategy is not None and engines()[strategy.driver].shifts_traffic is not TrafficShifter.ECS:
        message = f"a {strategy.type} deployment shifts requests, and {shown(balancer.name)} forwards connections"
        deployed = Note("the deployment", specs.where(strategy, "type"))
        hint = "add engine: ecs_native to the DeploymentStrategy"
        yield Diagnostic("E6014", message, specs.where(service, *at, "load_balancer"), hint=hint, notes=(deployed,))


def _health_check(specs: Specs, service: Service, traffic: Forwarding, *at: str | int) -> Iterator[Diagnostic]:
    check = traffic.health_check
    if check.protocol == "TCP" and not traffic.of_connections:
        message = f"protocol: a target group of {traffic.protocol} is not checked by TCP"
        yield Diagnostic("E4022", message, specs.where(service, *at, "health_check", "protocol"))
    elif traffic.health_protocol == "TCP":
        for field in ("path", "matcher"):
            if getattr(check, field) is not None:
                message = f"a health check by TCP has no '{field}'"
                place = specs.where(service, *at, "health_check", field, key=True)
                yield Diagnostic("E4022", message, place, hint="add protocol: HTTP")
