"""Checks of IPv6 in load balancing: of load balancers and target groups, and of the subnets that they need for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import LoadBalancer, Network, Service
from reconciler.spec.documents.network import NetworkEndpoint
from reconciler.spec.documents.service import Forwarding
from reconciler.spec.messages import joined, shown
from reconciler.spec.node import Path
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    for balancer in specs.load_balancers:
        yield from _balancer(specs, balancer)
    for network in specs.networks:
        for index, endpoint in enumerate(network.endpoints):
            yield from _endpoint(specs, network, endpoint, ("endpoints", index))
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


RECORDS: Final = {
    "ipv4": ("ipv4", "service-defined"),
    "dualstack": ("ipv4", "dualstack", "ipv6", "service-defined"),
    "ipv6": ("ipv6", "service-defined"),
}
"""DNS records of a VPC endpoint by its address type (AWS PrivateLink guide, "DNS record IP type")."""


def _endpoint(specs: Specs, network: Network, endpoint: NetworkEndpoint, at: Path) -> Iterator[Diagnostic]:
    kind = endpoint.ip_address_type
    able = RECORDS[kind or "ipv4"]
    stated = kind is not None or not queries.keeps(network, endpoint, "ip_address_type")
    if endpoint.dns_records is not None and stated and endpoint.dns_records not in able:
        message = f"dns_records: an endpoint of the type {kind or 'ipv4'} has records of {joined(able, 'or')}"
        yield Diagnostic("E3024", message, specs.where(network, *at, "dns_records"))
    if kind in (None, "ipv4"):
        return
    place = specs.where(network, *at, "ip_address_type")
    if not network.ipv6 and not queries.keeps(network, network, "ipv6"):
        message = f"ip_address_type: {shown(network.name)} has no IPv6 range"
        yield Diagnostic("E3023", message, place, hint="add ipv6: true to the Network")
    elif endpoint.service in network.interface_endpoints:
        lacking = _without_range(specs, queries.endpoint_subnets(network, endpoint))
        if lacking:
            message = (
                f"ip_address_type: {kind} needs a subnet with an IPv6 range in each zone; {joined(lacking, 'and')} "
            )
            yield Diagnostic("E3023", f"{message}has none", place, notes=_subnets(specs, lacking))


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
