"""Obstacles: what AWS will certainly refuse, because something else has what a resource is to have. Pure.

A subnet cannot overlap another one, a port of a load balancer has one listener, a priority one rule. Who has it now is
known when the plan is made, so the plan says so instead of trying. What each type cannot share is a fact of the type
(`ResourceType.excludes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.model import ownership
from reconciler.model.plan import Action, Refusal, RefusalCode, Verb
from reconciler.model.resource import Address, Desired, Observed
from reconciler.model.resource_type import ResourceType


def obstacle(
    action: Action,
    kind: ResourceType[Any],
    world: Iterable[Observed[Any]],
    desired: Mapping[Address, Desired[Any]],
    stack: str,
) -> Refusal | None:
    """Why AWS refuses `action`; None if nothing of its type, which `world` is, is in its way.

    `desired` holds the resolved resources. What this plan moves away excludes nothing.
    """
    want = action.new
    if want is None or not (action.verb in (Verb.CREATE, Verb.REPLACE) or action.changes):
        return None
    for other, what in _holders(action, want, kind, world):
        if action.old is not None and other.id == action.old.id:
            because = f"{action.because}, and AWS allows no second one with {what} beside it"
            return Refusal(RefusalCode.IMMUTABLE, want.address, because, kind.instead(want.spec, other), want.where)
        ours = ownership.owner(other.tags) == stack
        if ours and _moves_away(action, want, kind, desired.get(other.address)):
            continue
        because, hint = _ours(kind, want, other, what, desired) if ours else _foreign(kind, want, other, what)
        return Refusal(RefusalCode.CONFLICT, want.address, because, hint, want.where)
    return None


def foreign(tags: Mapping[str, str]) -> str:
    """Whose something is that is not the stack's."""
    owner = ownership.owner(tags)
    return f"belongs to the stack {owner!r}" if owner else "carries no reconciler:stack tag"


def _holders(
    action: Action, want: Desired[Any], kind: ResourceType[Any], world: Iterable[Observed[Any]]
) -> Iterator[tuple[Observed[Any], str]]:
    beside_itself = action.verb is Verb.REPLACE and action.create_first
    for other in world:
        if other.facts.get("deleting"):
            continue
        if action.old is not None and other.id == action.old.id and not beside_itself:
            continue
        if what := kind.excludes(want.spec, other.spec):
            yield other, what


def _moves_away(action: Action, want: Desired[Any], kind: ResourceType[Any], wish: Desired[Any] | None) -> bool:
    """Whether what is to become `wish` gives up what is wanted. Two change places only where AWS exchanges them."""
    if wish is None or kind.excludes(want.spec, wish.spec):
        return False
    return kind.exchanges or action.old is None or not kind.excludes(wish.spec, action.old.spec)


def _ours(
    kind: ResourceType[Any],
    want: Desired[Any],
    other: Observed[Any],
    what: str,
    desired: Mapping[Address, Desired[Any]],
) -> tuple[str, str]:
    if other.address in desired:
        because = f"{what} is held by {other.address} ({other.id})"
        return because, f"change one of them first, in an apply of its own{_or(kind.instead(want.spec, other))}"
    because = f"{what} is held by {other.address} ({other.id}), which is no longer in the specs"
    old = kind.renamed_from(other.address.name, want.address.name)
    hint = f"if it was renamed, add `moved_from: {old}`; otherwise remove {other.address} first, in an apply of its own"
    return because, f"{hint}{_or(kind.instead(want.spec, other))}"


def _foreign(kind: ResourceType[Any], want: Desired[Any], other: Observed[Any], what: str) -> tuple[str, str]:
    return f"{what} is held by {other.id}, which {foreign(other.tags)}", kind.instead(want.spec, other)


def _or(text: str) -> str:
    return f"; or {text}" if text else ""
