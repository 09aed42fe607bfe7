"""Checks of references: to a document, a part of one, or an AWS id where that is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note, nearest
from reconciler.spec.documents import (
    Cluster,
    DeploymentStrategy,
    Document,
    LoadBalancer,
    Network,
    Registry,
    Role,
    Service,
    Task,
)
from reconciler.spec.documents.references import LOOKUP
from reconciler.spec.documents.service import Forwarding
from reconciler.spec.documents.values import literal
from reconciler.spec.messages import shown
from reconciler.spec.node import Path, Position
from reconciler.spec.specs import Specs

_WORDS = {
    Cluster: "cluster",
    DeploymentStrategy: "deployment strategy",
    LoadBalancer: "load balancer",
    Network: "network",
    Registry: "registry",
    Role: "role",
    Service: "service",
}


def check(specs: Specs) -> Iterator[Diagnostic]:
    for network in specs.networks:
        yield from _rules(specs, network)
        yield from _tables(specs, network)
    for balancer in specs.load_balancers:
        if balancer.network is not None and not queries.is_vpc_id(balancer.network):
            yield from _document(specs, balancer, ("network",), Network, balancer.network)
        yield from _subnets(specs, balancer, ("subnets",), balancer.subnets)
        yield from _groups(specs, balancer, ("security_groups",), balancer.security_groups)
    for cluster in specs.clusters:
        for index, capacity in enumerate(cluster.ec2_capacity):
            path = ("ec2_capacity", index)
            yield from _subnets(specs, cluster, (*path, "subnets"), capacity.subnets)
            yield from _groups(specs, cluster, (*path, "security_groups"), capacity.security_groups)
            if capacity.role is not None and not queries.is_arn(capacity.role):
                yield from _document(specs, cluster, (*path, "role"), Role, capacity.role)
    for workload in specs.workloads:
        if not queries.is_outside(workload.cluster):
            yield from _document(specs, workload, ("cluster",), Cluster, workload.cluster)
        for field in ("role", "execution_role"):
            role = getattr(workload.task, field)
            if role is not None and not queries.is_arn(role):
                yield from _document(specs, workload, ("task", field), Role, role)
        for name, container in workload.task.containers.items():
            if container.image.registry is not None:
                place = ("task", "containers", name, "image", "registry")
                yield from _document(specs, workload, place, Registry, container.image.registry)
            yield from _mounts(specs, workload, name)
        for name, volume in workload.task.volumes.items():
            if volume.ebs is not None and volume.ebs.role is not None and not queries.is_arn(volume.ebs.role):
                yield from _document(specs, workload, ("task", "volumes", name, "ebs", "role"), Role, volume.ebs.role)
        yield from _subnets(specs, workload, ("placement", "subnets"), workload.placement.subnets)
        yield from _groups(specs, workload, ("placement", "security_groups"), workload.placement.security_groups)
    for strategy in specs.strategies:
        if strategy.role is not None and not queries.is_arn(strategy.role):
            yield from _document(specs, strategy, ("role",), Role, strategy.role)
        for index, hook in enumerate(strategy.hooks):
            if hook.role is not None and not queries.is_arn(hook.role):
                yield from _document(specs, strategy, ("hooks", index, "role"), Role, hook.role)
    for service in specs.services:
        yield from _service(specs, service)
    yield from _pre_deployment(specs)


def _service(specs: Specs, service: Service) -> Iterator[Diagnostic]:
    if service.deployment is not None:
        yield from _document(specs, service, ("deployment",), DeploymentStrategy, service.deployment)
    for path, traffic in service.forwardings:
        yield from _traffic(specs, service, traffic, *path)


def _traffic(specs: Specs, service: Service, traffic: Forwarding, *at: str | int) -> Iterator[Diagnostic]:
    if not traffic.outside:
        yield from _document(specs, service, (*at, "load_balancer"), LoadBalancer, traffic.load_balancer)
    balancer = queries.balancer(specs, traffic)
    if balancer is not None and traffic.listener not in balancer.listeners:
        of_others = literal(traffic.listener, "arn:", LOOKUP)
        message = f"load balancer {shown(balancer.name)} has no listener {shown(traffic.listener)}"
        if of_others:
            message = f"{shown(balancer.name)} is the stack's, and its listeners go by their names"
        place = specs.where(service, *at, "listener")

        def listener(name: str) -> Position:
            return specs.where(balancer, "listeners", name, key=True)

        yield dangling("E2002", message, place, traffic.listener, balancer.listeners, listener)
    if traffic.container not in service.task.containers:
        message = f"the task has no container {shown(traffic.container)}"
        place = specs.where(service, *at, "container")

        def container(name: str) -> Position:
            return specs.where(service, "task", "containers", name, key=True)

        yield dangling("E2002", message, place, traffic.container, service.task.containers, container)


def _mounts(specs: Specs, workload: Service | Task, name: str) -> Iterator[Diagnostic]:
    """A container mounts volumes of its task, and has the mounts of its other containers."""
    task, base = workload.task, ("task", "containers", name)
    wanted: list[tuple[str, str, str, Path]] = [
        ("volume", one.volume, "volumes", (*base, "mounts", index, "volume"))
        for index, one in enumerate(task.containers[name].mounts)
    ]
    for index, one in enumerate(task.containers[name].volumes_from):
        wanted.append(("container", one.container, "containers", (*base, "volumes_from", index)))
    for what, meant, group, path in wanted:
        place, known = specs.where(workload, *path), getattr(task, group)
        if what == "container" and meant == name:
            yield Diagnostic("E1112", "a container has its own mounts already", place)
        elif meant not in known:

            def defined(other: str, group: str = group) -> Position:
                return specs.where(workload, "task", group, other, key=True)

            yield dangling("E2002", f"the task has no {what} {shown(meant)}", place, meant, known, defined)


def _pre_deployment(specs: Specs) -> Iterator[Diagnostic]:
    """A task with `before` names a service, which has one such task at most."""
    first: dict[str, Task] = {}
    for task in specs.tasks:
        if task.before is None:
            continue
        yield from _document(specs, task, ("before",), Service, task.before)
        other = first.setdefault(task.before, task)
        if other is not task:
            message = f"service {shown(task.before)} has a task that runs before it already: {shown(other.name)}"
            place = specs.where(task, "before")
            note = Note("the other one", specs.where(other, "before"))
            hint = "make the steps containers of one task, ordered by depends_on"
            yield Diagnostic("E2011", message, place, hint=hint, notes=(note,))


def _tables(specs: Specs, network: Network) -> Iterator[Diagnostic]:
    known = {subnet.table: index for index, subnet in reversed(list(enumerate(network.subnets)))}

    def defined(name: str) -> Position | None:
        return specs.where(network, "subnets", known[name], "name") if name in known else None

    for number, route in enumerate(network.routes):
        for index, name in enumerate(route.tables):
            if name not in known:
                place = specs.where(network, "routes", number, "tables", index)
                message = f"network {shown(network.name)} has no route table {shown(name)}"
                yield dangling("E2002", message, place, name, known, defined)


def _rules(specs: Specs, network: Network) -> Iterator[Diagnostic]:
    for index, group in enumerate(network.security_groups):
        for field, rules in (("ingress", group.ingress), ("egress", group.egress or ())):
            for number, rule in enumerate(rules):
                if rule.peer != "anywhere" and "/" not in rule.peer and not rule.peer.startswith("pl-"):
                    place = ("security_groups", index, field, number, "from" if field == "ingress" else "to")
                    yield from _group(specs, network, place, rule.peer, "anywhere")


def _document(specs: Specs, document: Document, path: Path, kind: type[Document], name: str) -> Iterator[Diagnostic]:
    if specs.get(kind, name) is not None or kind.__name__ in specs.broken:
        return

    def defined(other: str) -> Position | None:
        found = specs.get(kind, other)
        return specs.where(found) if found is not None else None

    message = f"{_spoken(document)} refers to {_WORDS[kind]} {shown(name)}, which no document defines"
    others = [other.name for other in specs.all(kind)]
    yield dangling("E2001", message, specs.where(document, *path), name, others, defined)


def _subnets(specs: Specs, document: Document, path: Path, names: Iterable[str]) -> Iterator[Diagnostic]:
    known = specs.subnets
    for index, name in enumerate(names):
        if name not in known and not queries.is_subnet_id(name) and "Network" not in specs.broken:
            message = f"{_spoken(document)} refers to subnet {shown(name)}, which no network has"
            place = specs.where(document, *path, index)
            yield dangling(
                "E2002", message, place, name, specs.subnets, lambda meant: specs.subnets[meant].where(specs)
            )


def _groups(specs: Specs, document: Document, path: Path, names: Iterable[str]) -> Iterator[Diagnostic]:
    for index, name in enumerate(names):
        yield from _group(specs, document, (*path, index), name)


def _group(specs: Specs, document: Document, path: Path, name: str, *more: str) -> Iterator[Diagnostic]:
    """`more` are words that are allowed instead of a security group."""
    known = specs.security_groups
    if name in known or queries.is_group_id(name) or "Network" in specs.broken:
        return

    def defined(other: str) -> Position | None:
        return known[other].where(specs) if other in known else None

    message = f"{_spoken(document)} refers to security group {shown(name)}, which no network has"
    yield dangling("E2002", message, specs.where(document, *path), name, (*more, *known), defined)


def dangling(
    rule: str,
    message: str,
    place: Position,
    name: str,
    names: Iterable[str],
    defined: Callable[[str], Position | None],
) -> Diagnostic:
    """A reference that no document defines; with a similar name, if there is one, and where that is defined."""
    meant = nearest(name, names)
    there = defined(meant) if meant else None
    hint = f"did you mean '{meant}'{f' ({there.place})' if there else ''}?" if meant else ""
    return Diagnostic(rule, message, place, hint=hint)


def _spoken(document: Document) -> str:
    """service 'my-app-frontend'"""
    kind = type(document).__name__
    return f"{'load balancer' if kind == 'LoadBalancer' else kind.lower()} {shown(document.name)}"
