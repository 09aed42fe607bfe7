"""Ownership of resources, which is defined by tags alone.

There is no state file. A resource with the stack's tag belongs to the stack; one with another stack's tag is never
touched; one without a stack tag is left alone until a document sets `adopt: true`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.model.image_tags import IMAGES
from reconciler.model.resource import Address
from reconciler.model.tagging import VALUE_LENGTH, tag_value

STACK = "reconciler:stack"
ADDRESS = "reconciler:address"
PROTECT = "reconciler:protect"
MANAGED = "reconciler:tags"  # the keys of the tags in the specs, so that a tag removed from the specs is removed in AWS
REGION = "reconciler:region"  # of the stack, on what is in no region: a stack of this name in another one owns others
PREFIX = "reconciler:"
MEMBERS = "reconciler:members"  # digests of API members that AWS does not show, so that a change of one is seen
FIELDS = "reconciler:fields"  # what fields of the document set, so that removing one removes or resets it
HELD_COUNT = "reconciler:held-count"  # a number of tasks in place of the specs', until a deadline
NAME = "Name"  # the console shows it as the name of things that have none in AWS

_WRITTEN_LAST: Final = frozenset({MEMBERS, FIELDS, HELD_COUNT})
"""They speak of what has been written."""

_HASHED: Final = "reconciler:sha256 "
"""Beginning of a list of hashes. No list of keys begins like this, because no key in the specs does."""

_LONGEST_HASH: Final = 16


def owner(tags: Mapping[str, str]) -> str | None:
    return tags.get(STACK)


def address(tags: Mapping[str, str]) -> Address | None:
    text = tags.get(ADDRESS, "")
    return Address.parse(text) if "/" in text.strip("/") else None


def protected(tags: Mapping[str, str]) -> bool:
    return tags.get(PROTECT) == "true"


def tags_for(
    stack: str, at: Address, *, protect: bool, declared: Mapping[str, str], name: str | None = None
) -> dict[str, str]:
    """All tags of a resource: stack, address, the tags in the specs, and its `Name` tag where the type has one."""
    tags = {**declared, STACK: tag_value(stack), ADDRESS: tag_value(str(at))}
    if name is not None:
        tags[NAME] = name
    if protect:
        tags[PROTECT] = "true"
    keys = sorted(key for key in declared if not key.startswith(PREFIX))
    if keys:
        tags[MANAGED] = _HASHED + " ".join(_hash(key)[: _hash_length(len(keys))] for key in keys)
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

    def in_order(self) -> tuple[TagChange, TagChange]:
        """What is written before the resource itself is changed, and what says that this has been done."""
        last = {key: value for key, value in self.put.items() if key in _WRITTEN_LAST}
        first = {key: value for key, value in self.put.items() if key not in last}
        gone = tuple(key for key in self.drop if key in _WRITTEN_LAST)
        return TagChange(first, tuple(key for key in self.drop if key not in gone)), TagChange(last, gone)


def tag_changes(have: Mapping[str, str], want: Mapping[str, str]) -> TagChange:
    """The tag writes that turn `have` into `want`; tags set by others are kept."""
    put = {key: value for key, value in want.items() if have.get(key) != value}
    ours = (*_managed(have, want), PROTECT, MANAGED, IMAGES, MEMBERS, FIELDS, HELD_COUNT)
    drop = {key for key in ours if key in have and key not in want}
    return TagChange(put, tuple(sorted(drop)))


def _managed(have: Mapping[str, str], want: Mapping[str, str]) -> Iterable[str]:
    """The keys that the tag names, as far as they are certain to be those of the specs.

    Earlier releases wrote the keys themselves, with spaces between them, and cut the list at the longest value. A word
    that may be part of a key with spaces, or may have been cut, is left alone.
    """
    text = have.get(MANAGED, "")
    if text.startswith(_HASHED):
        hashes = text.removeprefix(_HASHED).split()
        return [key for key in have if any(_hash(key).startswith(one) for one in hashes)]
    if text.startswith(PREFIX):  # as a later release may write it
        return []
    keys = f" {text if len(text) < VALUE_LENGTH else text.rpartition(' ')[0]} "
    for key in sorted((key for key in {*have, *want} if " " in key), key=len, reverse=True):
        keys = keys.replace(f" {key} ", "  ")
    return keys.split()


def _hash(key: str) -> str:
    return base64.b64encode(hashlib.sha256(key.encode()).digest()).decode()


def _hash_length(count: int) -> int:
    """As much of each hash as has room: at least 4 characters for the 47 keys that a resource has room for."""
    return min(_LONGEST_HASH, (VALUE_LENGTH - len(_HASHED) + 1) // count - 1)
