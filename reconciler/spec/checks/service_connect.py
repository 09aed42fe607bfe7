"""Checks of Service Connect: the engine, the namespace, the ports and the names.

Source: ECS API reference, ServiceConnectService and ServiceConnectClientAlias, and ECS developer guide, "Use Service
Connect to connect Amazon ECS services with short names".
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.rollout.engine import Controller, TrafficShifter, default_engine, engines
from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Cluster, Service
from reconciler.spec.documents.deployment_strategy import ROLLING
from reconciler.spec.documents.service_connect import ConnectedService
from reconciler.spec.messages import joined, shown
from reconciler.spec.node import Position
from reconciler.spec.specs import Specs

MOST_TASKS = 1000
"""Tasks of a service with Service Connect."""

At = tuple[str | int, ...]


def check(specs: Specs) -> Iterator[Diagnostic]:
    taken: dict[tuple[str, str, object], tuple[Service, Position]] = {}
    for service in specs.services:
        if service.service_connect is None:
            continue
        yield from _engine(specs, service)
        yield from _tasks(specs, service)
        namespace = _namespace(specs, service)
        if namespace is None:
            message = f"{shown(service.name)} is in no namespace"
            hint = "set `namespace` in its Cluster, or write the ARN of one here"
            yield Diagnostic("E5020", message, specs.where(service, "service_connect", key=True), hint=hint)
        for index, _ in enumerate(service.service_connect.services):
            yield from _service(specs, service, index, namespace or "", taken)


def _engine(specs: Specs, service: Service) -> Iterator[Diagnostic]:
    strategy = queries.strategy(specs, service)
    if strategy is None:
        return  # rolling, or an unknown one
    engine = engines().get(strategy.engine or default_engine(strategy.type))
    if engine is None or engine.controller is Controller.ECS:
        return
    able = sorted(name for name, one in engines().items() if one.controller is Controller.ECS and name != ROLLING)
    other = f", or the engine {joined(able)}" if able else ""
    message = f"Service Connect does not work with a {strategy.type} deployment by {engine.name}"
    note = Note("the deployment", specs.where(strategy, "engine" if strategy.engine else "type"))
    place = specs.where(service, "service_connect", key=True)
    yield Diagnostic("E5024", message, place, hint=f"use a rolling deployment{other}", notes=(note,))


def _tasks(specs: Specs, service: Service) -> Iterator[Diagnostic]:
    counts: dict[At, int] = {("desired_count",): service.desired_count}
    if service.scaling is not None:
        counts[("scaling", "max")] = service.scaling.max
    for path, count in counts.items():
        if count > MOST_TASKS:
            message = f"a service with Service Connect has at most {MOST_TASKS:,} tasks"
            yield Diagnostic("E5023", message, specs.where(service, *path))


def _namespace(specs: Specs, service: Service) -> str | None:
    assert service.service_connect is not None
    if service.service_connect.namespace is not None:
        return service.service_connect.namespace
    cluster = specs.get(Cluster, service.cluster)
    if cluster is None:
        # an unknown cluster is reported elsewhere
        return None if queries.is_arn(service.cluster) else ""
    return None if cluster.namespace is None else cluster.namespace.name


def _service(
    specs: Specs,
    service: Service,
    index: int,
    namespace: str,
    taken: dict[tuple[str, str, object], tuple[Service, Position]],
) -> Iterator[Diagnostic]:
    assert service.service_connect is not None
    one, at = service.service_connect.services[index], ("service_connect", "services", index)
    port = queries.connected_port(service, one)
    if port is None:
        yield _no_port(specs, service, index)
        return
    if one.protocol == "tcp" and one.timeouts is not None and one.timeouts.request is not None:
        message = "a service with the protocol tcp has no requests to wait for"
        yield Diagnostic("E1112", message, specs.where(service, *at, "timeouts", "request"))
    if one.alias.test_header is not None:
        yield from _test_header(specs, service, one, (*at, "alias", "test_header"))
    name = one.name or port.name
    keys: tuple[tuple[str, object, At], ...] = (
        ("name", name, ("name",)),
        ("alias", (one.alias.name or name, one.alias.port or port.port), ("alias",)),
        ("port", (service.name, port.container, port.port), ("port",)),
    )
    for what, value, field in keys:
        place = specs.where(service, *at, *field)
        first, where = taken.setdefault((namespace, what, value), (service, place))
        if (first, where) != (service, place):
            text = name if what == "name" else f"{one.alias.name or name}:{one.alias.port or port.port}"
            said = f"port {port.port} has a name already" if what == "port" else f"{shown(text)} is taken"
            yield Diagnostic("E5022", said, place, notes=(Note("the other one", where),))
            return


def _test_header(specs: Specs, service: Service, one: ConnectedService, at: At) -> Iterator[Diagnostic]:
    if one.protocol == "tcp":
        yield Diagnostic("E1112", "a service with the protocol tcp has no headers", specs.where(service, *at, key=True))
    strategy = queries.strategy(specs, service)
    engine = engines().get(strategy.driver) if strategy is not None else engines()[default_engine(ROLLING)]
    if engine is None or engine.shifts_traffic is TrafficShifter.ECS or engine.controller is not Controller.ECS:
        return  # unknown, or refused for Service Connect as a whole
    message = "a rolling deployment has no new version to test: requests go to tasks of both"
    able = sorted(name for name, found in engines().items() if found.shifts_traffic is TrafficShifter.ECS)
    notes = () if strategy is None else (Note("the deployment", specs.where(strategy, "type")),)
    place = specs.where(service, *at, key=True)
    yield Diagnostic("E5027", message, place, hint=f"use a strategy with engine: {joined(able)}", notes=notes)


def _no_port(specs: Specs, service: Service, index: int) -> Diagnostic:
    assert service.service_connect is not None
    one, at = service.service_connect.services[index], ("service_connect", "services", index)
    containers = service.task.containers
    if one.container is None and len(containers) > 1:
        message = f"the task has several containers: {joined(containers, 'and')}"
        return Diagnostic("E5021", message, specs.where(service, *at), hint="add `container`")
    if one.container is not None and one.container not in containers:
        message = f"the task has no container {shown(one.container)}"
        return Diagnostic("E5021", message, specs.where(service, *at, "container"))
    name = one.container or next(iter(containers))
    ports = [port.port for port in containers[name].all_ports if port.protocol == "tcp"]
    if one.port is not None:
        message = f"the container {shown(name)} has no tcp port {one.port}"
        return Diagnostic("E5021", message, specs.where(service, *at, "port"))
    message = f"the container {shown(name)} has {'no tcp port' if not ports else 'several ports'}"
    hint = "" if not ports else f"add `port`: {joined(map(str, ports))}"
    return Diagnostic("E5021", message, specs.where(service, *at), hint=hint)
