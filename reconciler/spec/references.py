"""References to named parts of documents: subnets and security groups of a network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from reconciler.spec.documents import Network
from reconciler.spec.documents.network import Subnet
from reconciler.spec.documents.security_group import SecurityGroup
from reconciler.spec.node import Position

if TYPE_CHECKING:
    from reconciler.spec.specs import Specs

P = TypeVar("P", Subnet, SecurityGroup)


@dataclass(frozen=True, slots=True)
class Part(Generic[P]):
    """`index` is its place in the network's list."""

    network: Network
    index: int
    it: P

    def where(self, specs: Specs, *path: str | int) -> Position:
        """The place of its name, or of a value inside it."""
        field = "subnets" if isinstance(self.it, Subnet) else "security_groups"
        return specs.where(self.network, field, self.index, *(path or ("name",)))


def by_name(parts: Iterable[Part[P]]) -> dict[str, Part[P]]:
    """Of two with one name the first; the other is an error elsewhere."""
    named: dict[str, Part[P]] = {}
    for part in parts:
        named.setdefault(part.it.name, part)
    return named
