"""Checks of address ranges and zones of networks and subnets."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from reconciler.spec import region_names
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Network
from reconciler.spec.messages import joined, shown
from reconciler.spec.specs import Specs

_SHARED = (IPv4Network("100.64.0.0/10"),)
"""Of carriers, and taken for further ranges (VPC User Guide, "VPC CIDR blocks")."""
_PRIVATE = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))


def check(specs: Specs) -> Iterator[Diagnostic]:
    for network in specs.networks:
        yield from _ranges(specs, network)
        yield from _subnets(specs, network)
        yield from _overlaps(specs, network)
        yield from _numbers(specs, network)


def _ranges(specs: Specs, network: Network) -> Iterator[Diagnostic]:
    for number, cidr in enumerate(network.cidrs):
        place = specs.where(network, *_path(number))
        if not 16 <= cidr.prefixlen <= 28:
            yield Diagnostic("E3003", f"cidr: a network is /16 to /28, not /{cidr.prefixlen}", place)
        elif not any(cidr.subnet_of(private) for private in (*_PRIVATE, *(_SHARED if number else ()))):
            message = f"cidr: {cidr} is not a private range; hosts in it become unreachable from the network"
            yield Diagnostic("W3001", message, place)
        for earlier, other in enumerate(network.cidrs[:number]):
            if cidr.overlaps(other):
                note = Note("the other range", specs.where(network, *_path(earlier)))
                yield Diagnostic("E3005", f"cidr: {cidr} overlaps {other}", place, notes=(note,))


def _path(number: int) -> tuple[str | int, ...]:
    return ("secondary_cidrs", number - 1) if number else ("cidr",)


def _overlaps(specs: Specs, network: Network) -> Iterator[Diagnostic]:
    """Overlapping ranges: in ascending order, each is compared with the one that ends last so far."""
    numbered = sorted(enumerate(network.subnets), key=lambda pair: (pair[1].cidr, pair[0]))
    if not numbered:
        return
    furthest = numbered[0]
    for index, subnet in numbered[1:]:
        number, other = furthest
        if subnet.cidr.overlaps(other.cidr):
            later, earlier = (index, number) if index > number else (number, index)
            mine, theirs = network.subnets[later], network.subnets[earlier]
            note = Note("the other subnet", specs.where(network, "subnets", earlier, "cidr"))
            message = f"cidr: {mine.cidr} overlaps {theirs.cidr} of {shown(theirs.name)}"
            yield Diagnostic("E3005", message, specs.where(network, "subnets", later, "cidr"), notes=(note,))
        if subnet.cidr.broadcast_address > other.cidr.broadcast_address:
            furthest = index, subnet


def _numbers(specs: Specs, network: Network) -> Iterator[Diagnostic]:
    """Two subnets cannot have the same part of the network's IPv6 range."""
    taken: dict[int, int] = {}
    for index, subnet in enumerate(network.subnets):
        if subnet.ipv6 is None:
            continue
        first = taken.setdefault(subnet.ipv6, index)
        if first != index:
            message = f"ipv6: {subnet.ipv6} is the IPv6 range of {shown(network.subnets[first].name)}"
            note = Note("the other subnet", specs.where(network, "subnets", first, "ipv6"))
            yield Diagnostic("E3016", message, specs.where(network, "subnets", index, "ipv6"), notes=(note,))


def _subnets(specs: Specs, network: Network) -> Iterator[Diagnostic]:
    for index, subnet in enumerate(network.subnets):
        place = specs.where(network, "subnets", index, "cidr")
        if not 16 <= subnet.cidr.prefixlen <= 28:
            yield Diagnostic("E3003", f"cidr: a subnet is /16 to /28, not /{subnet.cidr.prefixlen}", place)
        if not any(subnet.cidr.subnet_of(cidr) for cidr in network.cidrs):
            note = Note("the network's range", specs.where(network, "cidr"))
            message = f"cidr: {subnet.cidr} is not inside {joined(map(str, network.cidrs))}"
            yield Diagnostic("E3004", message, place, notes=(note,))
        region = "" if specs.stack is None else specs.stack.region
        if specs.stack is not None and subnet.zone[:-1] != region and not region_names.misspelled(region):
            message = f"zone: {subnet.zone} is not in the stack's region, {specs.stack.region}"
            note = Note("the region", specs.where(specs.stack, "region"))
            yield Diagnostic("E3006", message, specs.where(network, "subnets", index, "zone"), notes=(note,))
