"""Check that a service is in one network: its subnets, security groups and load balancer."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Document, Network, Service
from reconciler.spec.messages import shown
from reconciler.spec.node import Path
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    for balancer in specs.load_balancers:
        yield from _together(
            specs, balancer, (), balancer.subnets, balancer.security_groups, home(specs, balancer.subnets)
        )
    for cluster in specs.clusters:
        for index, capacity in enumerate(cluster.ec2_capacity):
            path, subnets = ("ec2_capacity", index), capacity.subnets
            yield from _together(specs, cluster, path, subnets, capacity.security_groups, home(specs, subnets))
    for workload in specs.workloads:
        placement = workload.placement
        served = workload.forwardings if isinstance(workload, Service) else ()
        balancers = (queries.balancer(specs, traffic) for _, traffic in served)
        outer = [name for balancer in balancers if balancer is not None for name in balancer.subnets]
        network = home(specs, (*outer, *placement.subnets))
        yield from _together(specs, workload, ("placement",), placement.subnets, placement.security_groups, network)


def home(specs: Specs, subnets: tuple[str, ...]) -> Network | None:
    """The network of the first subnet that is declared; None if none is."""
    known = specs.subnets
    return next((known[name].network for name in subnets if name in known), None)


def _together(
    specs: Specs,
    document: Document,
    path: Path,
    subnets: tuple[str, ...],
    groups: tuple[str, ...],
    network: Network | None,
) -> Iterator[Diagnostic]:
    if network is None:
        return
    note = Note("the network", specs.where(network))
    for field, names, known in (
        ("subnets", subnets, specs.subnets),
        ("security_groups", groups, specs.security_groups),
    ):
        for index, name in enumerate(names):
            part = known.get(name)
            if part is not None and part.network is not network:
                message = f"{shown(name)} is in {shown(part.network.name)}, the rest in {shown(network.name)}"
                yield Diagnostic("E3014", message, specs.where(document, *path, field, index), notes=(note,))
