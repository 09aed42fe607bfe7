"""What goes out with a release without being part of its tasks: how it scales, and which requests are its own.

They follow the release: nothing of them is changed while a new version is wanted and has not come to rest. So a version
that fails, or is rolled back while the one before is warm, leaves them as that one had them, and nothing has to be put
back. Where only they are changed, there is no new version to wait for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from reconciler.model import ordering
from reconciler.model.delivery import Delivery
from reconciler.model.kind import Kinds
from reconciler.model.marks import KEYS
from reconciler.model.plan import Note, Plan, Verb
from reconciler.model.planner import World
from reconciler.model.resource import Address, Desired

BECAUSE: Final = "it goes with the new version, once that has come to rest"


def held(
    plan: Plan, world: World, deliveries: Iterable[Delivery], wanted: Mapping[Address, Desired[Any]], kinds: Kinds
) -> Plan:
    """`plan` without the changes that wait for their release."""
    under_way = {one.address for one in world.found.get("service", ()) if KEYS["deadline"] in one.tags}
    rolling = {action.address for action in plan.actions if action.verb is Verb.ROLL} | under_way
    waiting = {
        companion
        for delivery in deliveries
        if delivery.moves_traffic and delivery.service in rolling
        for companion in _of(delivery)
    }
    left = tuple(
        one for one in plan.actions if not (one.verb is Verb.UPDATE and one.address in waiting and one.changes)
    )
    if len(left) == len(plan.actions):
        return plan
    notes = [Note(one.address, BECAUSE) for one in plan.actions if one not in left]
    return replace(plan, actions=left, after=ordering.edges(left, wanted, kinds), unsettled=(*plan.unsettled, *notes))


def _of(delivery: Delivery) -> Iterable[Address]:
    yield Address("scaling", delivery.name)
    for entry in (delivery.production, delivery.test):
        if entry is not None and entry.kind == "listener-rule":
            yield entry
