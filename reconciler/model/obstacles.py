"""Obstacles: what AWS will certainly refuse, because something else has what a resource is to have. Pure.

A subnet cannot overlap another one, a port of a load balancer has one listener, a priority one rule, a target group one
load balancer. Who has it now is known when the plan is made, so the plan says so instead of trying. What each type
cannot share is a fact of the type (`ResourceType.excludes`, `ResourceType.forwards`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.model import ownership
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Action, Refusal, RefusalCode, Verb
from reconciler.model.resource import Address, Desired, Observed, Ref
from reconciler.model.resource_type import ResourceType
from reconciler.model.type_registry import ResourceTypes


def obstacle(
    action: Action,
    kinds: ResourceTypes,
    world: ObservedState,
    desired: Mapping[Address, Desired[Any]],
    ids: Mapping[Address, str],
    stack: str,
) -> Refusal | None:
    """Why AWS refuses `action`; None if nothing in `world` is in its way. What this plan moves away excludes nothing.

    `ids` are those that are known now, and still true once the plan is done.
    """
    want, kind = action.new, kinds[action.address.kind]
    if want is None or not (action.verb in (Verb.CREATE, Verb.REPLACE) or action.changes):
        return None
    if action.verb is Verb.CREATE and want.known_as:
        because = f"its document adopts {want.known_as}, which does not exist"
        return Refusal(RefusalCode.MISSING, want.address, because, "take it out of `adopt: {ids: …}`", want.where)
    if action.verb is Verb.REPLACE and kind.deleted_unused:
        refusal = _named_by_services(action, want, kind, kinds, world)
        if refusal is not None:
            return refusal
    if type(kind).excludes is not ResourceType.excludes:
        declared = {one: desired[one].resolved(ids) for one in desired if one.kind == kind.kind}
        refusal = _excluded(action, want, kind, world.found.get(kind.kind, ()), declared, stack)
        if refusal is not None:
            return refusal
    return _attached_elsewhere(want, kinds, world, desired)


def _excluded(
    action: Action,
    want: Desired[Any],
    kind: ResourceType[Any],
    world: Iterable[Observed[Any]],
    desired: Mapping[Address, Desired[Any]],
    stack: str,
) -> Refusal | None:
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


def _named_by_services(
    action: Action, want: Desired[Any], kind: ResourceType[Any], kinds: ResourceTypes, world: ObservedState
) -> Refusal | None:
    """It cannot be deleted, and so not be replaced, for as long as services name it, whatever their tasks do."""
    assert action.old is not None
    users = sorted({one.address for one in world if action.old.id in kinds[one.address.kind].in_use(one)})
    if not users:
        return None
    because = f"{action.because}, and AWS does not delete it while {', '.join(map(str, users))} uses it"
    return Refusal(RefusalCode.IMMUTABLE, want.address, because, kind.instead(want.spec, action.old), want.where)


def _attached_elsewhere(
    want: Desired[Any], kinds: ResourceTypes, world: ObservedState, desired: Mapping[Address, Desired[Any]]
) -> Refusal | None:
    """Requests are to reach, through one load balancer, a target group that belongs to another one."""
    named = kinds[want.address.kind].forwards(want.spec)
    balancer = outermost(want.address, kinds, desired) if named else None
    if balancer is None:
        return None
    for group in (one for one in world if one.id in named):
        holder = kinds[group.address.kind].parent(group, world)
        if holder is None or holder == balancer:
            continue
        because = f"{group.address} is attached to {holder}, and AWS allows a target group one load balancer"
        hint = f"name a new target group to move the service to {balancer}"
        hint = if_renamed(holder, balancer, hint, kinds, desired)
        return Refusal(RefusalCode.CONFLICT, want.address, because, hint, want.where, holder)
    return None


def if_renamed(
    holder: Address, balancer: Address, hint: str, kinds: ResourceTypes, desired: Mapping[Address, Desired[Any]]
) -> str:
    """`hint`, after the other explanation: `balancer` may be what was `holder`, which is not declared any more."""
    if holder in desired:
        return hint
    old = kinds[holder.kind].renamed_from(holder.name, balancer.name)
    return f"if {holder} was renamed, add `moved_from: {old}`; otherwise {hint}"


def outermost(address: Address, kinds: ResourceTypes, desired: Mapping[Address, Desired[Any]]) -> Address | None:
    """The declared resource that everything around `address` is inside of; None if it is inside an id of AWS's."""
    inside = kinds[address.kind].inside
    if inside is None:
        return address
    around = getattr(desired[address].spec, inside[0]) if address in desired else None
    return outermost(around.address, kinds, desired) if isinstance(around, Ref) else None


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


def _moves_away(action: Action, want: Desired[Any], kind: ResourceType[Any], other: Desired[Any] | None) -> bool:
    """Whether what is to become `other` gives up what is wanted. Two change places only where AWS exchanges them."""
    if other is None or kind.excludes(want.spec, other.spec):
        return False
    return kind.exchanges or action.old is None or not kind.excludes(other.spec, action.old.spec)


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
