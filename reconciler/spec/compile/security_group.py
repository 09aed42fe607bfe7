"""Compilation of the security groups of a Network, and of their rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.model.members import stated_tag
from reconciler.model.resource import Address, Desired, Keep, Link, Path, Ref
from reconciler.resources.security_group import SecurityGroupSpec
from reconciler.resources.security_group_rules import EGRESS, Rule, SecurityGroupRulesSpec
from reconciler.spec.compile.context import Context, link, unstated
from reconciler.spec.documents import Network

ANYWHERE = "0.0.0.0/0"
ANYWHERE_IPV6 = "::/0"


def compile_security_groups(context: Context, network: Network, vpc: Link) -> Iterator[Desired[Any]]:
    for number, group in enumerate(network.security_groups):
        address = Address("security-group", group.name)
        path = ("security_groups", number)
        stated: dict[Path, Keep] = {} if group.egress is None else {EGRESS: Keep.STATED}
        yield context.desired(
            network,
            address,
            SecurityGroupSpec(vpc=vpc, group_name=group.name_in_aws, description=group.description),
            *path,
            kept=unstated(group, description="description"),
            name=group.name_in_aws,
            tags={**group.tags, **stated_tag(stated)},
        )
        egress = None if group.egress is None else tuple(_rules(network, group.egress))
        yield context.desired(
            network,
            Address("security-group-rules", group.name),
            SecurityGroupRulesSpec(group=Ref(address), ingress=tuple(_rules(network, group.ingress)), egress=egress),
            *path,
            kept=unstated(group, ingress="ingress"),
            members=stated,
        )


def _rules(network: Network, entries: Iterable[Any]) -> Iterator[Rule]:
    """Ingress or Egress entries as AWS keeps them. `anywhere` is a rule for IPv4, and one for IPv6 in a dual-stack
    network."""
    for entry in entries:
        if entry.peer != "anywhere":
            named = "/" not in entry.peer and not entry.peer.startswith("pl-")
            yield _rule(network, entry, link("security-group", entry.peer, literal="sg-") if named else entry.peer)
            continue
        if entry.protocol != "icmpv6":
            yield _rule(network, entry, ANYWHERE)
        if network.ipv6 or entry.protocol == "icmpv6":
            yield _rule(network, entry, ANYWHERE_IPV6)


def _rule(network: Network, entry: Any, source: Link) -> Rule:
    """One entry with one source: `-1` is every protocol, and has no ports."""
    ports: dict[str, int | None] = {"from_port": entry.port.first, "to_port": entry.port.last}
    protocol = entry.protocol
    if protocol == "all":
        protocol, ports = "-1", {"from_port": None, "to_port": None}
    elif protocol in ("icmp", "icmpv6"):
        protocol = "icmpv6" if source == ANYWHERE_IPV6 else protocol
        ports = {"from_port": -1, "to_port": -1}
    elif entry.port.all:
        ports = {"from_port": 0, "to_port": 65535}
    unstated = network.adopt and "description" not in entry.model_fields_set
    return Rule(protocol=protocol, source=source, description=None if unstated else entry.description, **ports)
