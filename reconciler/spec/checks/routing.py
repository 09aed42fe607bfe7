"""Checks of route tables, NAT gateways and endpoints against the subnets."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Network
from reconciler.spec.documents.network import Subnet
from reconciler.spec.documents.security_group import ANYWHERE, ANYWHERE_IPV6
from reconciler.spec.messages import joined, shown
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    for network in specs.networks:
        yield from _gateways(specs, network)
        yield from _tables(specs, network)
        yield from _routes(specs, network)
        if network.dns_hostnames and not network.dns_support:
            message = "dns_hostnames: needs dns_support"
            yield Diagnostic("E3012", message, specs.where(network, "dns_support"))
        if network.interface_endpoints and not (network.dns_support and network.dns_hostnames):
            off = "dns_hostnames" if network.dns_support else "dns_support"
            message = f"the endpoint {network.interface_endpoints[0]} needs {off}, because it is found by its DNS name"
            yield Diagnostic("E3009", message, specs.where(network, off))
        if network.endpoints and not network.subnets:
            yield Diagnostic("E3009", "endpoints need at least one subnet", specs.where(network, "endpoints", key=True))


def _gateways(specs: Specs, network: Network) -> Iterator[Diagnostic]:
    if network.nat == "none":
        return
    place = specs.where(network, "nat")
    public = {subnet.zone for subnet in network.subnets if subnet.access == "public"}
    private = {subnet.zone for subnet in network.subnets if subnet.access == "private"}
    if not private:
        yield Diagnostic("E3007", f"nat: {network.nat} serves private subnets, but there are none", place)
    elif not public:
        yield Diagnostic("E3007", "nat: a NAT gateway needs a public subnet, but there is none", place)
    elif network.nat == "per_zone" and (lacking := sorted(private - public)):
        message = f"nat: per_zone needs a public subnet in {joined(lacking, 'and')} too"
        yield Diagnostic("E3007", message, place)


def _tables(specs: Specs, network: Network) -> Iterator[Diagnostic]:
    """Subnets that share a route table must have the same default route, because a table has only one."""
    owners: dict[str, int] = {}
    for index, subnet in enumerate(network.subnets):
        first = owners.setdefault(subnet.table, index)
        other = network.subnets[first]
        place = specs.where(network, "subnets", index, "route_table" if subnet.route_table else "name")
        note = Note("the other subnet", specs.where(network, "subnets", first, "name"))
        if subnet.access != other.access:
            message = f"the route table {shown(subnet.table)} would be both public and private"
            yield Diagnostic("E3008", message, place, notes=(note,))
        elif network.nat == "per_zone" and subnet.access == "private" and subnet.zone != other.zone:
            message = f"the route table {shown(subnet.table)} spans two zones; with nat: per_zone each zone has its own"
            yield Diagnostic("E3008", message, place, notes=(note,))


def _routes(specs: Specs, network: Network) -> Iterator[Diagnostic]:
    """A table has one route to a destination; those to the internet are made already."""
    tables = {subnet.table: subnet for subnet in reversed(network.subnets)}
    taken: dict[tuple[str, IPv4Network | IPv6Network], int] = {}
    for number, route in enumerate(network.routes):
        place = specs.where(network, "routes", number, "destination")
        for table in route.tables or sorted(tables):
            subnet = tables.get(table)
            if subnet is not None and route.destination in _ways_out(network, subnet):
                message = f"the route table {shown(table)} routes {route.destination} to the internet already"
                yield Diagnostic("E3015", message, place)
                break
            first = taken.setdefault((table, route.destination), number)
            if first != number:
                message = f"the route table {shown(table)} has two routes to {route.destination}"
                note = Note("the other one", specs.where(network, "routes", first, "destination"))
                yield Diagnostic("E3015", message, place, notes=(note,))
                break


def _ways_out(network: Network, subnet: Subnet) -> Iterator[IPv4Network | IPv6Network]:
    """The default routes of the table that a subnet uses."""
    public = subnet.access == "public"
    if public or network.nat != "none":
        yield ANYWHERE
    dual_stack = any(one.ipv6 is not None for one in network.subnets if one.table == subnet.table)
    if dual_stack and (public or network.egress_only):
        yield ANYWHERE_IPV6
