"""What a stack owns, in the order of its documents, and what of it another tool cannot take over."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from reconciler.model import ownership
from reconciler.model.resource import Address, Observed
from reconciler.model.type_registry import ResourceTypes


def owned(kinds: ResourceTypes, found: Iterable[Observed[Any]], stack: str) -> list[Observed[Any]]:
    """The resources of the stack, by type and name; those that are being deleted are gone already."""
    return sorted(
        (
            one
            for one in found
            if not kinds[one.address.kind].lookup
            and ownership.owner(one.tags) == stack
            and not one.facts.get("deleting")
        ),
        key=lambda one: (kinds[one.address.kind].display_order, one.address),
    )


def left_behind(kinds: ResourceTypes, resources: Iterable[Observed[Any]], tool: str) -> Iterator[tuple[Address, str]]:
    """Resources that cannot be imported, or not as a whole, and why."""
    for one in resources:
        if why := kinds[one.address.kind].not_exported.get(tool):
            yield one.address, why


def unique(name: str, taken: Collection[str]) -> str:
    """`name`, with a number if it is taken."""
    candidates: Mapping[int, str] = {number: f"{name}{number}" for number in range(2, len(taken) + 3)}
    return next(one for one in (name, *candidates.values()) if one not in taken)


def words(text: str) -> list[str]:
    """The parts of a name that consist of letters and digits."""
    return re.findall(r"[A-Za-z0-9]+", text)
