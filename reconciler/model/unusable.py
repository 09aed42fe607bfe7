"""What cannot be referred to yet, such as a certificate that is not issued, and what can do without it for now."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from reconciler.model.plan import Note
from reconciler.model.resource import Address, Desired, Observed, ResourceHealth
from reconciler.model.resource_type import ResourceType


def is_unusable(kind: ResourceType[Any], found: Observed[Any]) -> bool:
    """Whether nothing can refer to it, for now or at all."""
    return bool(found.facts.get("unusable")) or (kind.slow_to_create and found.health is ResourceHealth.PROGRESSING)


def without(
    kind: ResourceType[Any], found: Observed[Any], want: Desired[Any], held: Set[Address]
) -> tuple[Desired[Any], frozenset[Address], tuple[Note, ...]]:
    """`want` as `found` can be now, the references that are left out, and the notes about them."""
    less = kind.without(found, want, held)
    left = want.refs() - less.refs()
    listed = ", ".join(map(str, sorted(left)))
    return less, left, (Note(want.address, f"{listed} is added once it is ready"),) if left else ()
