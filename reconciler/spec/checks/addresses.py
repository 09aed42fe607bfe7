"""Checks of address ranges and zones of networks and subnets."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Network
from reconciler.spec.messages import shown
from reconciler.spec.specs import Specs

_PRIVATE = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))


def check(specs: Specs) -> Iterator[Diagnostic]:
    for network in specs.networks:
        place = specs.where(network, "cidr")
        if not 16 <= network.cidr.prefixlen <= 28:
            yield Diagnostic("E3003", f"cidr: a network is /16 to /28, not /{network.cidr.prefixlen}", place)
        elif not any(network.cidr.subnet_of(private) for private in _PRIVATE):
            yield Diagnostic(
                "W3001",
                f"cidr: {network.cidr} is not a private range; hosts in it become unreachable from the network",
                place,
            )
        yield from _subnets(specs, network)
        yield from _overlaps(specs, network)


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


def _subnets(specs: Specs, network: Network) -> Iterator[Diagnostic]:
    for index, subnet in enumerate(network.subnets):
        place = specs.where(network, "subnets", index, "cidr")
        if not 16 <= subnet.cidr.prefixlen <= 28:
            yield Diagnostic("E3003", f"cidr: a subnet is /16 to /28, not /{subnet.cidr.prefixlen}", place)
        if not subnet.cidr.subnet_of(network.cidr):
            note = Note("the network's range", specs.where(network, "cidr"))
            yield Diagnostic("E3004", f"cidr: {subnet.cidr} is not inside {network.cidr}", place, notes=(note,))
        if specs.stack is not None and subnet.zone[:-1] != specs.stack.region:
            message = f"zone: {subnet.zone} is not in the stack's region, {specs.stack.region}"
            note = Note("the region", specs.where(specs.stack, "region"))
            yield Diagnostic("E3006", message, specs.where(network, "subnets", index, "zone"), notes=(note,))
