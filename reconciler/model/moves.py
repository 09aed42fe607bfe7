"""Moves: resources whose document or part was renamed with `moved_from`. Pure.

A resource of the stack carries its address in a tag. After a rename the tag still holds the old address, so what was
read is shown at the new one, and the difference that is left is the tag. As with Terraform's `moved` block, the two are
the same where the stack has something at the old address and nothing at the new one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.model import ownership
from reconciler.model.diff import Change
from reconciler.model.plan import Note
from reconciler.model.resource import Address, Desired, Observed
from reconciler.model.resource_type import Replace, ResourceType
from reconciler.model.tagging import tag_value
from reconciler.model.type_registry import ResourceTypes

Found = tuple[Observed[Any], ...]


def renamed(found: Found, wanted: Collection[Desired[Any]], stack: str) -> Found:
    """`found`, all of one type, with what `stack` owns at a former address shown at the present one.

    Not where the stack has something at the present address already, or wants something else at the former one.
    """
    moved = {want.moved.old: want.address for want in wanted if want.moved is not None}
    if not moved:
        return found
    ours = {one.address for one in found if ownership.owner(one.tags) == stack}
    addresses = {want.address for want in wanted}
    going = {old: new for old, new in moved.items() if new not in ours and old not in addresses}
    return tuple(
        replace(one, address=going[one.address]) if one.address in going and ownership.owner(one.tags) == stack else one
        for one in found
    )


def former_address(want: Desired[Any], found: Observed[Any]) -> Address | None:
    """The address that `found` still carries in its tag, where `want` has moved from it."""
    if want.moved is None or found.parent is not None:
        return None
    return want.moved.old if found.tags.get(ownership.ADDRESS) == tag_value(str(want.moved.old)) else None


def renaming(
    kind: ResourceType[Any], want: Desired[Any], found: Observed[Any], changes: Iterable[Change], *, allowed: bool
) -> tuple[str, str] | None:
    """Why a name in AWS does not change, and what to write: after a move of its document, with another `aws_name`, or
    with another prefix or suffix of the stack. `allowed`: it may be deleted and created again.

    What is replaced by one beside it follows what it is for, such as the autoscaling of a service; a family of
    revisions goes by its document's name.
    """
    named, follows = kind.named_by, kind.replace is Replace.CREATE_FIRST and not kind.revisions
    if named is None or all(change.field != named for change in changes):
        return None
    if want.moved is None and (allowed or follows):
        return None
    old, new = getattr(found.spec, named), getattr(want.spec, named)
    before = "" if want.moved is None else f"it moves from {want.moved.old}, and "
    hint = f"set `aws_name` in its document so that it stays {old}"
    if want.moved is None and kind.replace is Replace.DELETE_FIRST:
        hint += f"; `--allow-replace {want.address}` deletes and re-creates it"
    return f"{before}AWS cannot rename {old} to {new}", hint


def finished(
    desired: Iterable[Desired[Any]],
    found: Mapping[Address, Observed[Any]],
    kinds: ResourceTypes,
    unread: Collection[str],
) -> Iterator[Note]:
    """A note for each `moved_from` that has taken effect: something is at the new addresses, nothing at the old."""
    places: dict[str, list[Desired[Any]]] = defaultdict(list)
    for want in desired:
        if want.moved is not None:
            places[want.moved.where].append(want)
    for place, wants in sorted(places.items()):
        there = [(want, found[want.address]) for want in wants if want.address in found]
        if not there or any(want.address.kind in unread for want in wants):
            continue
        if any(former_address(want, one) is not None for want, one in there):
            continue
        own = [want for want, one in there if one.parent is None] or wants
        shown = min(reversed(own), key=lambda want: _rank(want, kinds))
        yield Note(shown.address, f"its `moved_from` has taken effect and can be removed ({place})")


def _rank(want: Desired[Any], kinds: ResourceTypes) -> tuple[bool, bool, int]:
    """The resource that stands for a document: the one of its name, and the first of those in a tree."""
    kind = kinds[want.address.kind]
    assert want.moved is not None
    return want.address.name != want.moved.name, kind.lookup, kind.display_order
