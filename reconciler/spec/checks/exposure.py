"""Check of ports that are open to the internet: only 80 and 443 are allowed."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.documents.security_group import Ingress, peer_range
from reconciler.spec.specs import Specs

_PUBLIC = frozenset({80, 443})


def check(specs: Specs) -> Iterator[Diagnostic]:
    for network in specs.networks:
        for index, group in enumerate(network.security_groups):
            for number, rule in enumerate(group.ingress):
                if worldwide(rule.peer) and not _expected(rule):
                    what = f"port {rule.port}" if not rule.port.all else "every port"
                    place = specs.where(network, "security_groups", index, "ingress", number, "from")
                    message = f"{what} ({rule.protocol}) is open to the whole internet; only 80 and 443 are allowed"
                    yield Diagnostic(
                        "E7002", message, place, hint="limit it to the addresses or security groups that need it"
                    )


def worldwide(peer: str) -> bool:
    """Whether a range is wider than any organization has: a prefix shorter than /8, or /16 for IPv6."""
    addresses = peer_range(peer)
    return addresses is not None and addresses.prefixlen < (8 if addresses.version == 4 else 16)


def _expected(rule: Ingress) -> bool:
    if rule.protocol in ("icmp", "icmpv6"):
        return True
    return rule.protocol in ("tcp", "udp") and rule.port.first == rule.port.last and rule.port.first in _PUBLIC
