"""Services whose traffic ECS shifts, and that have lost something of what it shifts traffic with. Pure.

ECS has its target groups and listener rules by their ARNs, and does not say that one of them was deleted before it
rolls back the next deployment (rollout/engines/ecs_native/pair.py). The role it has by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Note, Plan, Verb
from reconciler.model.resource import Address, Desired, Observed, Ref
from reconciler.model.type_registry import ResourceTypes
from reconciler.reconcile.expectations import UNSEEN
from reconciler.resources.service import PAIR_TYPES, lost_parts
from reconciler.rollout import observe_engine
from reconciler.rollout.engine import TrafficShifter
from reconciler.rollout.engine_change import OVER_ROLLING
from reconciler.rollout.spec import RolloutSpec


def lost_pairs(
    plan: Plan,
    world: ObservedState,
    desired: Mapping[Address, Desired[Any]],
    kinds: ResourceTypes,
    deliveries: Iterable[RolloutSpec],
) -> Iterator[Note]:
    """What such a service has lost, and what to do about it."""
    created = {action.address for action in plan.actions if action.verb is Verb.CREATE}
    services = {one.address: one for one in world.found.get("service", ()) if UNSEEN not in one.facts}
    for delivery in deliveries:
        service, want = services.get(delivery.service), desired.get(delivery.service)
        if service is None or want is None or service.facts.get("deleting"):
            continue
        present = observe_engine.engine_of(service.facts["item"])
        if present is None or present.shifts_traffic is not TrafficShifter.ECS:
            continue
        declared = {one for one in (delivery.production, delivery.test) if one is not None and one.kind == "listener"}
        for because in (*_by_arn(service, world, kinds, declared), *_role(want, world, created)):
            yield Note(delivery.service, because)


def _by_arn(
    service: Observed[Any], world: ObservedState, kinds: ResourceTypes, declared: set[Address]
) -> Iterator[str]:
    """`declared` are the listeners of which it gets all requests, whatever somebody has made of their actions."""
    if PAIR_TYPES & world.unreadable.keys():
        return
    there = [one for one in world if one.address.kind in PAIR_TYPES and UNSEEN not in one.facts]
    known = frozenset(one.id for one in there)
    used = kinds["service"].in_use(service)
    rules = frozenset(one.id for one in there if one.address.kind == "listener-rule")
    listeners = [one for one in there if one.address.kind == "listener"]
    answering = frozenset(
        one.id for one in listeners if one.address in declared or used & kinds["listener"].forwards(one.spec).keys()
    )
    lost = lost_parts(service.facts["item"], known, rules, answering)
    if lost:
        several = " and ".join(lost)
        yield (
            f"{several} that ECS was given {'do' if len(lost) > 1 else 'does'} not exist any more, and ECS is not told "
            f"of another one: the next version waits, since ECS would roll it back; {OVER_ROLLING}"
        )


def _role(want: Desired[Any], world: ObservedState, created: set[Address]) -> Iterator[str]:
    role = want.spec.infrastructure_role
    if not isinstance(role, Ref) or "role" in world.unreadable:
        return
    if any(one.address == role.address for one in world.found.get("role", ())):
        return
    repair = "the plan creates it again" if role.address in created else "create it again"
    yield f"{role.address} does not exist, and ECS shifts traffic with it: a deployment would fail; {repair}"
