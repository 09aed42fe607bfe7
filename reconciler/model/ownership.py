"""Ownership of resources, which is defined by tags alone.

There is no state file. A resource with the stack's tag belongs to the stack; one with another stack's tag is never
touched; one without a stack tag is left alone until a document sets `adopt: true`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciler.model.image_tags import IMAGES
from reconciler.model.resource import Address
from reconciler.model.tagging import tag_value

STACK = "reconciler:stack"
ADDRESS = "reconciler:address"
PROTECT = "reconciler:protect"
MANAGED = (
    "reconciler:tags"  # the names of the tags in the specs, so that a tag removed from the specs is removed in AWS
)
PREFIX = "reconciler:"
NAME = "Name"  # the console shows it as the name of things that have none in AWS


def owner(tags: Mapping[str, str]) -> str | None:
    return tags.get(STACK)


def address(tags: Mapping[str, str]) -> Address | None:
    text = tags.get(ADDRESS, "")
    return Address.parse(text) if "/" in text.strip("/") else None


def protected(tags: Mapping[str, str]) -> bool:
    return tags.get(PROTECT) == "true"


def tags_for(stack: str, at: Address, *, protect: bool, declared: Mapping[str, str]) -> dict[str, str]:
    """All tags of a resource: stack, address, and the tags in the specs."""
    tags = {**declared, STACK: tag_value(stack), ADDRESS: tag_value(str(at))}
    if protect:
        tags[PROTECT] = "true"
    names = sorted(name for name in declared if name != NAME and not name.startswith(PREFIX))
    if names:
        tags[MANAGED] = tag_value(" ".join(names))
    return tags


def without_aws(tags: Mapping[str, str]) -> dict[str, str]:
    """AWS's own tags are returned by reads and cannot be written."""
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}


@dataclass(frozen=True, slots=True)
class TagChange:
    put: Mapping[str, str]
    drop: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.put or self.drop)


def tag_changes(have: Mapping[str, str], want: Mapping[str, str]) -> TagChange:
    """The tag writes that turn `have` into `want`; tags set by others are kept."""
    put = {key: value for key, value in want.items() if have.get(key) != value}
    once_ours: Iterable[str] = have.get(MANAGED, "").split()
    drop = {key for key in once_ours if key in have and key not in want}
    drop |= {key for key in (PROTECT, MANAGED, IMAGES) if key in have and key not in want}
    return TagChange(put, tuple(sorted(drop)))
