"""Succession: requests that one listener or rule takes now, and another one is to take. Pure.

A request is taken by the first rule that it fits, whether its targets are healthy or not. So a new rule takes none of
those that are served today until its own targets are healthy, and whoever takes them goes on until it does. Nobody is
served through a listener that is for tests alone: its rules take their requests at once, so that tests reach the
version that they are for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.model.diff import diff
from reconciler.model.plan import Action, Consequence, Plan, Verb
from reconciler.model.resource import Address, Desired, Observed, Ref
from reconciler.model.resource_type import ResourceType
from reconciler.model.type_registry import ResourceTypes
from reconciler.rollout.spec import RolloutSpec


@dataclass(frozen=True, slots=True)
class Entry:
    """A listener or listener rule: the target groups that it names, and those of them that it sends requests to.

    `listener`: the id of the listener that it is, or that it is a rule of.

    `serves`: whether a version that was in place, or something of somebody else's, answers these, and not only tests.
    """

    found: Observed[Any]
    listener: str
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


def listeners_for_tests(
    deliveries: Collection[RolloutSpec], desired: Mapping[Address, Desired[Any]], world: Iterable[Observed[Any]]
) -> frozenset[Any]:
    """The ids of the listeners through which services have requests of tests, and none has any of its users."""
    ids = {one.address: one.id for one in world}

    def listener(entry: Address) -> Any:
        link = getattr(desired[entry].spec, "listener", entry) if entry in desired else entry
        at = link.address if isinstance(link, Ref) else link
        return ids.get(at, at)

    tests = {listener(one.test) for one in deliveries if one.test is not None}
    return frozenset(tests - {listener(one.production) for one in deliveries if one.production is not None})


def entries_of(
    world: Iterable[Observed[Any]], kinds: ResourceTypes, serving: frozenset[str], for_tests: frozenset[str]
) -> dict[str, Entry]:
    """The listeners and rules that name target groups, by id. `serving` are those of services that were in place;
    `for_tests` are the ids of listeners through which nobody is served.
    """
    several = tuple(world)
    idle = frozenset(one.id for one in several if one.address.kind == "target-group") - serving
    found = {}
    for one in several:
        groups = kinds[one.address.kind].forwards(one.spec)
        if groups:
            receiving = frozenset(str(group) for group in groups if groups[group])
            inside = kinds[one.address.kind].inside
            listener = str(getattr(one.spec, inside[0])) if inside is not None and inside[1] == "listener" else one.id
            serves = bool(receiving - idle) and listener not in for_tests
            found[one.id] = Entry(one, listener, frozenset(map(str, groups)), receiving, serves)
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
        waits = action.verb in (Verb.CREATE, Verb.REPLACE) or (
            action.drop.id in entries and not entries[action.drop.id].receiving
        )
        for entry in _predecessors(action, entries, kinds):
            if waits:
                awaited[entry.found.id] = action.address
            else:
                exchanged.add(entry.found.id)
    at = {entry.found.address: entry for entry in entries.values()}
    leaving = {action.drop.id for action in plan.actions if action.verb in (Verb.DELETE, Verb.REPLACE)}
    for delivery in deliveries:
        if delivery.service in new and delivery.production in at:
            inside = at[delivery.production].found
            within = {id for id, one in entries.items() if one.serves and id != one.listener == inside.id}
            awaited |= dict.fromkeys(within & leaving, inside.address)
            exchanged |= within - leaving
    return Succession(awaited, frozenset(exchanged))


def begun(
    action: Action, entries: Mapping[str, Entry], kinds: ResourceTypes, proven: frozenset[str]
) -> tuple[Action, Action | None]:
    """A creation, or replacement, that takes no requests at first, if these are served and its own targets are not
    healthy, and what is left for later.
    """
    if action.verb not in (Verb.CREATE, Verb.REPLACE) or action.new is None:
        return action, None
    kind, served = kinds[action.address.kind], list(_predecessors(action, entries, kinds))
    groups = kind.forwards(action.new.spec)
    own = frozenset(str(group) for group in groups if groups[group])
    if not served or own <= proven.union(*(entry.receiving for entry in served)):
        return action, None
    first = kind.waiting(action.new)
    there = Observed(action.address, "", first.spec)
    changes = diff(there, action.new.spec)
    later = replace(action, verb=Verb.UPDATE, changes=changes, consequence=Consequence.IN_PLACE, old=there)
    return replace(action, new=first), later


def _predecessors(action: Action, entries: Mapping[str, Entry], kinds: ResourceTypes) -> Iterator[Entry]:
    """Who takes now what the resource of the action is to take."""
    kind = kinds[action.address.kind]
    if action.new is None or type(kind).succeeds is ResourceType.succeeds:
        return
    for entry in entries.values():
        if entry.serves and kind.succeeds(action.old, action.new, entry.found):
            yield entry
