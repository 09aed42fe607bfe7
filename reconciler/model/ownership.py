"""Who owns a resource: its tags say so, and nothing else does.

There is no state file. What carries our stack's name is ours; what carries another's is theirs, for ever; what carries
none is nobody's, and is left alone until a document says `adopt: true`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.model.resource import Address
from reconciler.model.tagging import tag_value

STACK = "reconciler:stack"
ADDRESS = "reconciler:address"
PROTECT = "reconciler:protect"
MANAGED = "reconciler:tags"  # the names of the tags that the specs set, so that dropping one from the specs drops it
PREFIX = "reconciler:"


def owner(tags: Mapping[str, str]) -> str | None:
    return tags.get(STACK)


def address(tags: Mapping[str, str]) -> Address | None:
    text = tags.get(ADDRESS, "")
    return Address.parse(text) if "/" in text.strip("/") else None


def protected(tags: Mapping[str, str]) -> bool:
    return tags.get(PROTECT) == "true"


def tags_for(stack: str, at: Address, *, protect: bool, declared: Mapping[str, str]) -> dict[str, str]:
    """All tags of a resource: whose it is, which one it is, and what the specs add."""
    tags = {**declared, STACK: tag_value(stack), ADDRESS: tag_value(str(at))}
    if protect:
        tags[PROTECT] = "true"
    names = sorted(name for name in declared if name != "Name")
    if names:
        tags[MANAGED] = tag_value(" ".join(names))
    return tags


def without_aws(tags: Mapping[str, str]) -> dict[str, str]:
    """AWS's own tags come back on reads and cannot be written."""
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}


@dataclass(frozen=True, slots=True)
class TagChange:
    put: Mapping[str, str]
    drop: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.put or self.drop)


def tag_changes(have: Mapping[str, str], want: Mapping[str, str]) -> TagChange:
    """What to write so that `have` says what `want` says; tags that other people set stay."""
    put = {key: value for key, value in want.items() if have.get(key) != value}
    once_ours: Iterable[str] = have.get(MANAGED, "").split()
    drop = {key for key in once_ours if key in have and key not in want}
    drop |= {key for key in (PROTECT, MANAGED) if key in have and key not in want}
    return TagChange(put, tuple(sorted(drop)))
