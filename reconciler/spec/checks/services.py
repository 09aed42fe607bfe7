"""Checks of services and tasks: counts, scaling, traffic port and capacity providers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time

from reconciler.resources._service_fields import UNBALANCED
from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Cluster, Document, Service
from reconciler.spec.documents.cluster import CapacityShare
from reconciler.spec.documents.deployment_strategy import MAX_PERCENT
from reconciler.spec.documents.scaling import Scaling
from reconciler.spec.documents.service import Forwarding
from reconciler.spec.messages import joined, shown
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    for service in specs.services:
        yield from _scaling(specs, service)
        yield from _rebalancing(specs, service)
        for path, traffic in service.forwardings:
            yield from _port(specs, service, traffic, *path)
        if service.grace_period is not None and service.traffic is None:
            message = "grace_period: applies to load balancer health checks, but the service has no 'traffic'"
            yield Diagnostic("E5010", message, specs.where(service, "grace_period", key=True))
    for cluster in specs.clusters:
        yield from _shares(specs, cluster, "default_strategy", cluster.default_strategy, cluster)
    for workload in specs.workloads:
        home = specs.get(Cluster, workload.cluster)
        yield from _shares(specs, workload, "capacity_providers", workload.capacity_providers, home)


def _rebalancing(specs: Specs, service: Service) -> Iterator[Diagnostic]:
    """ECS starts a task in one zone before it stops one in another, so there is room for one more."""
    rolling = queries.rolling(specs, service)
    stated = "availability_zone_rebalancing" in service.model_fields_set and service.availability_zone_rebalancing
    if stated and rolling is not None and rolling.max_percent <= UNBALANCED:
        strategy = queries.strategy(specs, service)
        notes = () if strategy is None else (Note("max_percent", specs.where(strategy, *MAX_PERCENT)),)
        message = f"ECS does not rebalance tasks where max_percent is {rolling.max_percent}"
        place = specs.where(service, "availability_zone_rebalancing", key=True)
        yield Diagnostic("E1112", message, place, notes=notes)


def _scaling(specs: Specs, service: Service) -> Iterator[Diagnostic]:
    scaling = service.scaling
    if scaling is None:
        return
    if scaling.min > scaling.max:
        message = f"min: {scaling.min} is above max, {scaling.max}"
        yield Diagnostic("E5009", message, specs.where(service, "scaling", "min"))
    elif "desired_count" in service.model_fields_set and not scaling.min <= service.desired_count <= scaling.max:
        message = f"desired_count: {service.desired_count} is outside scaling, {scaling.min} to {scaling.max}"
        note = Note("the limits", specs.where(service, "scaling", key=True))
        yield Diagnostic("E5009", message, specs.where(service, "desired_count"), notes=(note,))
    elif "desired_count" in service.model_fields_set:
        message = f"desired_count: {service.desired_count} counts only when the service is created"
        note = Note("decides the number of tasks from then on", specs.where(service, "scaling", key=True))
        hint = "remove it, or set `min` of `scaling`"
        yield Diagnostic("W5003", message, specs.where(service, "desired_count"), hint=hint, notes=(note,))
    if scaling.min < scaling.max and not scaling.by_something:
        message = f"scaling: nothing changes the number of tasks between {scaling.min} and {scaling.max}"
        hint = "add a metric, such as cpu: 60"
        yield Diagnostic("W1145", message, specs.where(service, "scaling", key=True), hint=hint)
    yield from _periods(specs, service, scaling)
    yield from _per_task(specs, service, scaling)
    if scaling.requests is not None and service.traffic is None:
        message = "requests: the service has no 'traffic'"
        yield Diagnostic("E5016", message, specs.where(service, "scaling", "requests"))
    elif scaling.requests is not None and service.traffic is not None and service.traffic.of_connections:
        message = "requests: a network load balancer counts no requests"
        yield Diagnostic("E5016", message, specs.where(service, "scaling", "requests"), hint="scale by cpu or memory")
    elif scaling.requests is not None and queries.switching(specs, service) is not None:
        message = "requests: the metric counts one target group, but this deployment switches between two"
        yield Diagnostic("E5016", message, specs.where(service, "scaling", "requests"), hint="scale by cpu or memory")


def _periods(specs: Specs, service: Service, scaling: Scaling) -> Iterator[Diagnostic]:
    edges: dict[tuple[str, time, str], str] = {}
    for name, period in scaling.periods.items():
        at = ("scaling", "periods", name)
        if period.min > period.max:
            message = f"min: {period.min} is above max, {period.max}"
            yield Diagnostic("E5009", message, specs.where(service, *at, "min"))
        if period.start == period.end:
            message = f"from: {period.start:%H:%M} to {period.end:%H:%M} could be no time or the whole day"
            yield Diagnostic("E6012", message, specs.where(service, *at, "to"))
        for day in period.days:
            other = edges.setdefault((day, period.start, period.time_zone), name)
            if other != name:
                note = Note("the other one", specs.where(service, "scaling", "periods", other, key=True))
                message = f"{shown(name)} begins at the same time as {shown(other)}"
                yield Diagnostic("E1112", message, specs.where(service, *at, "from"), notes=(note,))
                break


def _per_task(specs: Specs, service: Service, scaling: Scaling) -> Iterator[Diagnostic]:
    """Tasks are counted by Container Insights, which is a setting of the cluster or the account."""
    cluster = specs.get(Cluster, service.cluster)
    if cluster is None or cluster.container_insights in ("enabled", "enhanced"):
        return
    for path in (("backlog",), *(("metrics", name) for name, one in scaling.metrics.items() if one.per_task)):
        if path == ("backlog",) and scaling.backlog is None:
            continue
        message = "the running tasks are counted by Container Insights, which the cluster does not turn on"
        note = Note("the cluster", specs.where(cluster))
        hint = "set container_insights: enabled in the Cluster"
        yield Diagnostic("E5026", message, specs.where(service, "scaling", *path, key=True), hint=hint, notes=(note,))


def _port(specs: Specs, service: Service, traffic: Forwarding, *at: str | int) -> Iterator[Diagnostic]:
    """The container that receives requests must have the port that they are sent to."""
    container = service.task.containers.get(traffic.container)
    chosen = queries.traffic_port(service, traffic)
    protocols = {} if container is None else {port.protocol for port in container.all_ports if port.port == chosen}
    if len(protocols) > 1:  # two of one protocol are an error of their own
        message = f"ECS takes a port with one protocol for a target group, and {chosen} has two"
        place = specs.where(service, "task", "containers", traffic.container, "ports")
        yield Diagnostic("E5005", message, place, hint="one of them is enough: the network interface takes both")
    if container is None or chosen is not None:
        return
    ports = [str(port) for port in traffic.ports_of(container)]
    able = " or ".join(sorted(traffic.transports))
    note = Note("the container", specs.where(service, "task", "containers", traffic.container, key=True))
    if traffic.port is not None:
        has = f"it has {joined(ports, 'and')}" if ports else "it has none"
        message = f"port: container {shown(traffic.container)} has no {able} port {traffic.port}; {has}"
        yield Diagnostic("E5005", message, specs.where(service, *at, "port"), notes=(note,))
    elif not ports:
        message = f"container {shown(traffic.container)} has no port to send requests to"
        yield Diagnostic("E5005", message, specs.where(service, *at, "container"), notes=(note,))
    else:
        message = f"container {shown(traffic.container)} has several ports; select one with 'port'"
        yield Diagnostic("E5005", message, specs.where(service, *at, "container"), notes=(note,))


def _shares(
    specs: Specs, document: Document, field: str, shares: tuple[CapacityShare, ...], cluster: Cluster | None
) -> Iterator[Diagnostic]:
    if not shares:
        return
    names = [share.name for share in shares]
    for index, share in enumerate(shares):
        place = specs.where(document, field, index)
        if share.name in names[:index]:
            yield Diagnostic("E5011", f"{share.name} is listed twice", place)
        if cluster is not None and share.name not in queries.providers(cluster):
            note = Note("the cluster", specs.where(cluster))
            yield Diagnostic("E5011", f"cluster {shown(cluster.name)} does not have {share.name}", place, notes=(note,))
    if sum(share.base > 0 for share in shares) > 1:
        yield Diagnostic("E5011", "only one capacity provider may have a base", specs.where(document, field, key=True))
    if len({share.on_ec2 for share in shares}) > 1:
        message = "a service or task runs on Fargate or on EC2 instances, not on both"
        yield Diagnostic("E5011", message, specs.where(document, field, key=True))
    if not any(share.weight for share in shares):
        yield Diagnostic(
            "E5011", "all weights are 0, so no task would ever run", specs.where(document, field, key=True)
        )
