"""Checks of IPv6 in load balancing: of load balancers and target groups, and of the subnets that they need for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import LoadBalancer, Service
from reconciler.spec.documents.service import Forwarding
from reconciler.spec.messages import joined, shown
from reconciler.spec.node import Path
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    for balancer in specs.load_balancers:
        yield from _balancer(specs, balancer)
    for service in specs.services:
        for path, traffic in service.forwardings:
            if traffic.ip_address_type == "ipv6":
                yield from _target_groups(specs, service, traffic, path)


def _balancer(specs: Specs, balancer: LoadBalancer) -> Iterator[Diagnostic]:
    kind = balancer.ip_address_type
    if kind in (None, "ipv4"):
        return
    place = specs.where(balancer, "ip_address_type")
    if kind == "dualstack-without-public-ipv4" and (balancer.type, balancer.scheme) != (
        "application",
        "internet-facing",
    ):
        message = f"{kind} is for application load balancers with the scheme internet-facing"
        yield Diagnostic("E4023", message, place, hint="write ip_address_type: dualstack")
    if lacking := _without_range(specs, balancer.subnets):
        message = f"ip_address_type: {kind} needs subnets with an IPv6 range; {joined(lacking, 'and')} has none"
        yield Diagnostic("E4023", message, place, notes=_subnets(specs, lacking))


def _target_groups(specs: Specs, service: Service, traffic: Forwarding, path: Path) -> Iterator[Diagnostic]:
    place = specs.where(service, *path, "ip_address_type")
    balancer = queries.balancer(specs, traffic)
    known = balancer is not None and not queries.keeps(balancer, balancer, "ip_address_type")
    if balancer is not None and known and balancer.ip_address_type in (None, "ipv4"):
        note = Note("the load balancer", specs.where(balancer))
        message = f"ip_address_type: {shown(balancer.name)} is not dual-stack, and connects to IPv4 addresses only"
        yield Diagnostic("E4023", message, place, notes=(note,), hint="ip_address_type: dualstack there")
    if lacking := _without_range(specs, service.placement.subnets):
        message = (
            f"ip_address_type: tasks have an IPv6 address only in dual-stack subnets; {joined(lacking, 'and')} is not"
        )
        yield Diagnostic("E4023", message, place, notes=_subnets(specs, lacking))


def _without_range(specs: Specs, names: Iterable[str]) -> list[str]:
    """Subnets of the specs without an IPv6 range; one that is adopted may have one that its document does not state."""
    known = specs.subnets
    parts = {name: known[name] for name in names if name in known}
    return [
        name
        for name, part in parts.items()
        if part.it.ipv6 is None and not queries.keeps(part.network, part.it, "ipv6")
    ]


def _subnets(specs: Specs, names: Iterable[str]) -> tuple[Note, ...]:
    return tuple(Note("the subnet", specs.subnets[name].where(specs)) for name in names)
