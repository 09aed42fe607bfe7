"""Checks of security group rules: quotas and duplicates."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Network
from reconciler.spec.documents.security_group import SecurityGroup
from reconciler.spec.messages import shown
from reconciler.spec.specs import Specs

MOST_RULES = 60
"""Rules in each direction (VPC User Guide, Amazon VPC quotas; adjustable)."""


def check(specs: Specs) -> Iterator[Diagnostic]:
    for network in specs.networks:
        for index, group in enumerate(network.security_groups):
            yield from _group(specs, network, index, group)


def _group(specs: Specs, network: Network, index: int, group: SecurityGroup) -> Iterator[Diagnostic]:
    for field, rules in (("ingress", group.ingress), ("egress", group.egress or ())):
        base = ("security_groups", index, field)
        if len(rules) > MOST_RULES:
            message = f"{len(rules)} {field} rules in {shown(group.name)}; AWS allows {MOST_RULES}"
            yield Diagnostic("E3010", message, specs.where(network, *base, MOST_RULES))
        seen: dict[tuple[object, ...], int] = {}
        for number, rule in enumerate(rules):
            peer = "0.0.0.0/0" if rule.peer == "anywhere" else rule.peer
            first = seen.setdefault((rule.protocol, rule.port, peer), number)
            if first != number:
                note = Note("the other one", specs.where(network, *base, first))
                message = f"{shown(group.name)} lists this rule twice; AWS refuses the second"
                yield Diagnostic("E3011", message, specs.where(network, *base, number), notes=(note,))
