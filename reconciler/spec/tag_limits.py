"""Check of the tags that each resource will have, by the rules of its type.

It takes specs that can be compiled, and time: the resource types are loaded. Few specs have tags that can break a rule,
so that the others are not compiled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.model.ownership import PREFIX
from reconciler.model.resource import Desired
from reconciler.model.tagging import PER_RESOURCE
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Document, Network, Stack
from reconciler.spec.messages import shown
from reconciler.spec.node import Position
from reconciler.spec.specs import Specs

FEW = 10
"""Tags for which every resource has room beside reconciler's own."""

Written = tuple[Mapping[str, str], Document, tuple[str | int, ...]]
"""Tags that somebody wrote, in which document, and the path there."""


def check(specs: Specs) -> Iterator[Diagnostic]:
    """The findings of specs without an error."""
    stack = specs.stack
    if stack is not None and any(_may_break(_written(stack, document)) for document in specs.documents):
        yield from _found(specs, stack)


def _written(stack: Stack, document: Document) -> list[Written]:
    """All that the tags of a document's resources are taken from; what comes later overrides what comes first."""
    found: list[Written] = [(stack.tags, stack, ("tags",)), (document.tags, document, ("tags",))]
    if isinstance(document, Network):
        found += [(one.tags, document, ("subnets", index, "tags")) for index, one in enumerate(document.subnets)]
        groups = enumerate(document.security_groups)
        found += [(one.tags, document, ("security_groups", index, "tags")) for index, one in groups]
    return found


def _may_break(written: list[Written]) -> bool:
    items = [item for tags, _, _ in written for item in tags.items()]
    keys = {key for key, _ in items}
    return len(items) > FEW or len({key.lower() for key in keys}) < len(keys) or any(not value for _, value in items)


def _found(specs: Specs, stack: Stack) -> Iterator[Diagnostic]:
    """One finding of a rule at each position: of several resources the first, or the one with the most tags."""
    from reconciler.model.type_registry import discover
    from reconciler.spec.compile import compile_each

    kinds = discover()
    found: dict[tuple[str, Position], Diagnostic] = {}
    most: dict[Position, int] = {}
    for document, want in compile_each(specs):
        kind, written = kinds[want.address.kind], _written(stack, document)
        if kind.lookup:
            continue
        count, place = len(want.tags) + kind.tag_rules.added, _longest(specs, written, want)
        if count > max(PER_RESOURCE, most.get(place, 0)):
            most[place] = count
            found["E2012", place] = _too_many(want, count, place)
        several = [] if kind.tag_rules.case_sensitive else list(_alike(specs, written, want))
        if not kind.tag_rules.empty_values:
            several += _empty(specs, written, want)
        for one in several:
            found.setdefault((one.rule, one.position), one)
    yield from found.values()


def _too_many(want: Desired[Any], count: int, place: Position) -> Diagnostic:
    own = count - sum(not key.startswith(PREFIX) for key in want.tags)
    message = f"{want.address} may have {count} tags, {own} of them reconciler's own; AWS allows {PER_RESOURCE}"
    return Diagnostic("E2012", message, place, hint=f"remove {count - PER_RESOURCE}")


def _alike(specs: Specs, written: list[Written], want: Desired[Any]) -> Iterator[Diagnostic]:
    first: dict[str, str] = {}
    for key in want.tags:
        other = first.setdefault(key.lower(), key)
        if other != key:
            message = f"the tags {shown(other)} and {shown(key)} differ only in case, and are one tag of {want.address}"
            note = Note("the other one", _key(specs, written, other))
            yield Diagnostic("E2013", message, _key(specs, written, key), notes=(note,))


def _empty(specs: Specs, written: list[Written], want: Desired[Any]) -> Iterator[Diagnostic]:
    for key, value in want.tags.items():
        if not value:
            message = f"the tag {shown(key)} has no value, and AWS refuses that for {want.address}"
            yield Diagnostic("E2014", message, _key(specs, written, key), hint="give it a value")


def _key(specs: Specs, written: list[Written], key: str) -> Position:
    _, whose, path = next(one for one in reversed(written) if key in one[0])
    return specs.where(whose, *path, key, key=True)


def _longest(specs: Specs, written: list[Written], want: Desired[Any]) -> Position:
    """Where most of its tags are written."""
    _, whose, path = max((one for one in written if one[0].keys() <= want.tags.keys()), key=lambda one: len(one[0]))
    return specs.where(whose, *path, key=True)
