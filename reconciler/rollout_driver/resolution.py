"""Resolution: the desired and observed resources by address, and the ids that they have in AWS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model import ownership
from reconciler.model.adoption import immutable_changes
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address, Desired, Observed
from reconciler.model.type_registry import discover
from reconciler.reconcile.expectations import UNSEEN


@dataclass(frozen=True, slots=True)
class ResolutionContext:
    """Desired and observed resources by address, and their ids.

    `made` are the ids that this pass created or revised, which `found` does not show yet. `receiving` are the target
    groups that any listener or rule sends requests to. `judges` are, for each resource, the declared ones that
    name it and that a release may fail by, such as the rules of a security group. `others` is what has the address of a
    declared resource and is not the stack's.
    """

    wanted: Mapping[Address, Desired[Any]]
    found: Mapping[Address, Observed[Any]]
    made: Mapping[Address, str]
    ids: Mapping[Address, str]
    receiving: frozenset[str] = frozenset()
    judges: Mapping[Address, tuple[Address, ...]] = field(default_factory=dict)
    others: Mapping[Address, Observed[Any]] = field(default_factory=dict)


def context_of(
    desired: Iterable[Desired[Any]], world: ObservedState, stack: str, made: Mapping[Address, str] | None = None
) -> ResolutionContext:
    wanted, new = {want.address: want for want in desired}, made or {}
    found = _usable(world, stack, wanted)
    ids = {address: one.id for address, one in found.items()} | dict(new)
    receiving = frozenset(
        str(group)
        for kind in discover().values()
        for one in world.found.get(kind.kind, ())
        for group, weight in kind.forwards(one.spec).items()
        if weight
    )
    judging = {name for name, kind in discover().items() if kind.judges}
    judges: dict[Address, tuple[Address, ...]] = {}
    for want in wanted.values():
        for used in want.refs() if want.address.kind in judging else ():
            judges[used] = (*judges.get(used, ()), want.address)
    foreign = (one for one in world if UNSEEN not in one.facts and ownership.owner(one.tags) != stack)
    others = {one.address: one for one in foreign if one.address in wanted and one.address not in found}
    return ResolutionContext(wanted, found, new, ids, receiving, judges, others)


def _usable(world: ObservedState, stack: str, wanted: Mapping[Address, Desired[Any]]) -> dict[Address, Observed[Any]]:
    """The usable resources: owned or looked up. Of two owned ones, not the one that is being replaced."""
    looked_up = {name for name, kind in discover().items() if kind.lookup}
    found: dict[Address, Observed[Any]] = {}
    for one in world:
        ours = ownership.owner(one.tags) == stack or one.address.kind in looked_up
        if not ours or UNSEEN in one.facts or one.facts.get("deleting"):
            continue
        other, want = found.setdefault(one.address, one), wanted.get(one.address)
        if want is not None and other is not one and immutable_changes(one, want) < immutable_changes(other, want):
            found[one.address] = one
    return found
