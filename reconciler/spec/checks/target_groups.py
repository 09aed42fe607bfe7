"""Checks of target groups: health checks, attributes, protocol versions, and the tests that reach a new version."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Service
from reconciler.spec.documents.service import Forwarding, Traffic
from reconciler.spec.messages import shown
from reconciler.spec.specs import Specs

_OWN_FIELDS = {
    "deregistration_delay.timeout_seconds": "deregistration_delay",
    "load_balancing.algorithm.anomaly_mitigation": "anomaly_mitigation",
    "load_balancing.algorithm.type": "algorithm",
    "load_balancing.cross_zone.enabled": "cross_zone",
    "slow_start.duration_seconds": "slow_start",
}


def check(specs: Specs) -> Iterator[Diagnostic]:
    for service in specs.services:
        for path, traffic in service.forwardings:
            yield from _health_check(specs, service, traffic, *path)
            yield from _attributes(specs, service, traffic, *path)
            yield from _protocol_version(specs, service, traffic, *path)
        if service.traffic is not None:
            yield from _tested(specs, service, service.traffic)


def _health_check(specs: Specs, service: Service, traffic: Forwarding, *at: str | int) -> Iterator[Diagnostic]:
    check = traffic.health_check
    if check.timeout >= check.interval:
        field = "timeout" if "timeout" in check.model_fields_set else "interval"
        message = f"{field}: a health check's timeout must be shorter than its interval"
        yield Diagnostic("E4013", message, specs.where(service, *at, "health_check", field))
    least, most = (0, 99) if traffic.protocol_version == "GRPC" else (200, 599 if traffic.of_connections else 499)
    if check.matcher and not all(least <= int(code) <= most for code in re.findall(r"\d+", check.matcher)):
        codes = "gRPC" if traffic.protocol_version == "GRPC" else traffic.health_protocol
        message = f"matcher: codes of {codes} are from {least} to {most}, not {check.matcher}"
        yield Diagnostic("E1109", message, specs.where(service, *at, "health_check", "matcher"))


def _attributes(specs: Specs, service: Service, traffic: Forwarding, *at: str | int) -> Iterator[Diagnostic]:
    for key in traffic.attributes:
        field = "stickiness" if key.startswith("stickiness.") else _OWN_FIELDS.get(key)
        if field is not None:
            place = specs.where(service, *at, "attributes", key, key=True)
            yield Diagnostic("E4015", f"{key} has a field of its own", place, hint=f"write {field}: …")


def _protocol_version(specs: Specs, service: Service, traffic: Forwarding, *at: str | int) -> Iterator[Diagnostic]:
    """HTTP/2 needs a secure listener (ELB User Guide, Target groups, Protocol version)."""
    balancer = queries.balancer(specs, traffic)
    if traffic.protocol_version == "HTTP1" or balancer is None:
        return
    for name in queries.listeners(specs, service, traffic):
        listener = balancer.listeners.get(name)
        if listener is not None and listener.protocol != "HTTPS":
            message = f"protocol_version: {traffic.protocol_version} needs an HTTPS listener, and {name} is not one"
            note = Note("the listener", specs.where(balancer, "listeners", name, key=True))
            yield Diagnostic("E4021", message, specs.where(service, *at, "protocol_version"), notes=(note,))
            return


def _tested(specs: Specs, service: Service, traffic: Traffic) -> Iterator[Diagnostic]:
    """The test listener has the rule as well, and a test is a GET request of HTTP/1.1."""
    strategy = queries.switching(specs, service)
    if strategy is None or not strategy.test:
        return
    note = Note("the tests", specs.where(strategy, "test", key=True))
    if traffic.protocol_version != "HTTP1":
        message = (
            f"a test is an HTTP/1.1 request, which the load balancer does not pass on as {traffic.protocol_version}"
        )
        place = specs.where(service, "traffic", "protocol_version")
        yield Diagnostic("E4016", message, place, hint="leave out the tests", notes=(note,))
    for field in ("host_regex", "header_regex"):
        if getattr(traffic.match, field):
            message = f"a test cannot tell which request matches '{field}'"
            place = specs.where(service, "traffic", "match", field, key=True)
            yield Diagnostic("E4016", message, place, hint="leave out the tests", notes=(note,))
    if traffic.match.method and "GET" not in traffic.match.method:
        message = f"a test sends GET requests, which the rule of {shown(service.name)} does not take"
        place = specs.where(service, "traffic", "match", "method", key=True)
        yield Diagnostic("E4016", message, place, hint="add GET, or leave out the tests", notes=(note,))
