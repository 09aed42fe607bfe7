"""Origins: why a plan has each of its changes, by the specs that were applied last. Pure.

    applied last ──┐
    account ───────┼─► specs, drift, release or earlier
    specs now ─────┘

A field that both specs declare alike differs because the account has changed since: that is drift. A tag of an image
that was pushed again is a release and no drift, as in the drift policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reconciler.model.diff import Change, value_at
from reconciler.model.plan import Action, Plan, Verb
from reconciler.model.resource import Address, Desired, Ref
from reconciler.source.base import Revision

Wanted = Mapping[Address, Desired[Any]]


class Origin(StrEnum):
    SPECS = "specs"  # the specs have changed
    DRIFT = "drift"  # the account has changed
    RELEASE = "release"  # an image was pushed again under its tag
    ROLLOUT = "rollout"  # the version that was applied last is not in production
    EARLIER = "earlier"  # a deletion that is left from specs before those that were applied last


@dataclass(frozen=True, slots=True)
class Origins:
    """`applied` are the specs that were applied last. `of` are the origins of each action, `drifted` its fields that
    are drift.
    """

    applied: Revision
    of: Mapping[Address, frozenset[Origin]] = field(default_factory=dict)
    drifted: Mapping[Address, tuple[str, ...]] = field(default_factory=dict)

    def from_specs(self, address: Address) -> bool:
        return Origin.SPECS in self.of.get(address, frozenset({Origin.SPECS}))


def origins(plan: Plan, wanted: Wanted, before: Wanted, applied: Revision) -> Origins:
    """`wanted` and `before` are what the specs want now, and what those that were applied last wanted."""
    actions = {action.address: action for action in plan.actions}
    found: dict[Address, dict[str, Origin]] = {}

    def of(address: Address) -> dict[str, Origin]:
        if address not in found:
            found[address] = {}  # what refers to itself in a circle follows from nothing
            found[address] = dict(_origins(actions[address], wanted, before, follows))
        return found[address]

    def follows(change: Change) -> Origin | None:
        """Of a field that is to name what this plan makes."""
        if not isinstance(change.new, Ref) or change.new.address not in actions:
            return None
        made = of(change.new.address).values()
        return next((origin for origin in (Origin.SPECS, Origin.DRIFT, Origin.RELEASE) if origin in made), None)

    for address in actions:
        of(address)
    return Origins(
        applied,
        {address: frozenset(fields.values()) or frozenset({Origin.SPECS}) for address, fields in found.items()},
        {
            address: tuple(sorted(path for path, origin in fields.items() if path and origin is Origin.DRIFT))
            for address, fields in found.items()
        },
    )


def _origins(action: Action, wanted: Wanted, before: Wanted, follows: Any) -> Iterator[tuple[str, Origin]]:
    """By field; "" stands for the resource as a whole."""
    now, then = wanted.get(action.address), before.get(action.address)
    if action.verb is Verb.DELETE:
        yield "", Origin.SPECS if then is not None else Origin.EARLIER
        return
    if now is None or then is None or action.verb is Verb.ADOPT or action.moved_from is not None:
        yield "", Origin.SPECS
        return
    if action.verb is Verb.CREATE:  # it was there, or was to be, and is not
        yield "", Origin.DRIFT if now.spec == then.spec else Origin.SPECS
        return
    for change in action.changes:
        if value_at(now.spec, change.path) != value_at(then.spec, change.path):
            yield str(change), Origin.SPECS
        else:
            yield str(change), follows(change) or _elsewhere(change)
    for key in (*action.tags.put, *action.tags.drop):
        yield f"tags.{key}", Origin.DRIFT if now.tags.get(key) == then.tags.get(key) else Origin.SPECS


def _elsewhere(change: Change) -> Origin:
    """Of a field that the specs have not changed."""
    if change.release:
        return Origin.ROLLOUT if change.rolls else Origin.RELEASE
    return Origin.DRIFT
