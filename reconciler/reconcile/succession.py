"""Succession: requests that one listener or rule takes now, and another one is to take. Pure.

A request is taken by the first rule that it fits, whether its targets are healthy or not. So a new rule takes none of
those that are served today until its own targets are healthy, and whoever takes them goes on until it does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.model.diff import diff
from reconciler.model.plan import Action, Plan, Verb
from reconciler.model.resource import Address, Observed
from reconciler.model.resource_type import ResourceType
from reconciler.model.type_registry import ResourceTypes
from reconciler.rollout.spec import RolloutSpec


@dataclass(frozen=True, slots=True)
class Entry:
    """A listener or listener rule: the target groups that it names, and those of them that it sends requests to.

    `serves`: whether a version that was in place, or something of somebody else's, answers these.
    """

    found: Observed[Any]
    named: frozenset[str]
    receiving: frozenset[str]
    serves: bool


@dataclass(frozen=True, slots=True)
class Succession:
    """`awaited`: who is to take the requests of a listener or rule, by its id, and takes none yet. `exchanged`: the ids
    of those whose requests are to be taken by one that takes others now.
    """

    awaited: Mapping[str, Address]
    exchanged: frozenset[str]


def entries_of(world: Iterable[Observed[Any]], kinds: ResourceTypes, serving: frozenset[str]) -> dict[str, Entry]:
    """The listeners and rules that name target groups, by id. `serving` are those of services that were in place."""
    several = tuple(world)
    idle = frozenset(one.id for one in several if one.address.kind == "target-group") - serving
    found = {}
    for one in several:
        groups = kinds[one.address.kind].forwards(one.spec)
        if groups:
            receiving = frozenset(str(group) for group in groups if groups[group])
            found[one.id] = Entry(one, frozenset(map(str, groups)), receiving, bool(receiving - idle))
    return found


def succession(
    plan: Plan,
    entries: Mapping[str, Entry],
    kinds: ResourceTypes,
    deliveries: Iterable[RolloutSpec],
    new: Collection[Address],
) -> Succession:
    """`new` are the services without a version that was ever in place."""
    awaited, exchanged = dict[str, Address](), set[str]()
    for action in plan.actions:
        for entry in _predecessors(action, entries, kinds):
            if action.old is None or (action.old.id in entries and not entries[action.old.id].receiving):
                awaited[entry.found.id] = action.address
            else:
                exchanged.add(entry.found.id)
    at = {entry.found.address: entry for entry in entries.values()}
    for delivery in deliveries:
        if delivery.service in new and delivery.production in at:
            inside = at[delivery.production].found
            within = (id for id, entry in entries.items() if entry.serves and _around(entry.found, kinds) == inside.id)
            awaited |= dict.fromkeys(within, inside.address)
    return Succession(awaited, frozenset(exchanged))


def begun(
    action: Action, entries: Mapping[str, Entry], kinds: ResourceTypes, proven: frozenset[str]
) -> tuple[Action, Action | None]:
    """A creation that takes no requests at first, if these are served and its own targets are not healthy, and what is
    left for later.
    """
    if action.verb is not Verb.CREATE or action.new is None:
        return action, None
    kind, served = kinds[action.address.kind], list(_predecessors(action, entries, kinds))
    groups = kind.forwards(action.new.spec)
    own = frozenset(str(group) for group in groups if groups[group])
    if not served or own <= proven.union(*(entry.receiving for entry in served)):
        return action, None
    first = kind.waiting(action.new)
    there = Observed(action.address, "", first.spec)
    later = replace(action, verb=Verb.UPDATE, changes=diff(there, action.new.spec), old=there)
    return replace(action, new=first), later


def _predecessors(action: Action, entries: Mapping[str, Entry], kinds: ResourceTypes) -> Iterator[Entry]:
    """Who takes now what the resource of the action is to take."""
    kind = kinds[action.address.kind]
    if action.new is None or type(kind).succeeds is ResourceType.succeeds:
        return
    for entry in entries.values():
        if entry.serves and kind.succeeds(action.old, action.new, entry.found):
            yield entry


def _around(one: Observed[Any], kinds: ResourceTypes) -> Any:
    inside = kinds[one.address.kind].inside
    return None if inside is None else getattr(one.spec, inside[0])
