"""Services that cannot move to another load balancer: those whose traffic the controller shifts. Pure.

AWS allows a target group one load balancer, and the versions of such a service alternate between its target groups. So
the version that serves cannot be reached through another load balancer, and a rollout cannot begin there: it begins
beside the version that serves. Its clients would have to follow by DNS besides, and only a person knows when they have.
A rolling service can move, because ECS registers its tasks in several target groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.model.observed_state import ObservedState
from reconciler.model.obstacles import if_renamed, outermost
from reconciler.model.plan import Refusal, RefusalCode
from reconciler.model.resource import Address, Desired
from reconciler.model.type_registry import ResourceTypes
from reconciler.rollout.spec import RolloutSpec


def immovable(
    world: ObservedState,
    desired: Mapping[Address, Desired[Any]],
    kinds: ResourceTypes,
    deliveries: Iterable[RolloutSpec],
) -> Iterator[Refusal]:
    """A refusal for each service that is to leave the load balancer to which its target groups are attached."""
    services = {one.address: one for one in world.found.get("service", ())}
    groups = {one.id: one for one in world.found.get("target-group", ())}
    for delivery in deliveries:
        service = services.get(delivery.service)
        if service is None or delivery.production is None or not delivery.moves_traffic:
            continue
        balancer = outermost(delivery.production, kinds, desired)
        used = sorted(kinds["service"].in_use(service) & groups.keys())
        holders = {kinds["target-group"].parent(groups[one], world) for one in used} - {None}
        if balancer is None or not holders or balancer in holders:
            continue
        holder = min(one for one in holders if one is not None)
        because = f"its tasks are in target groups of {holder}, and AWS allows a target group one load balancer"
        hint = (
            f"add it to {balancer} as a second service, with other target groups; remove this one once clients use that"
        )
        hint = if_renamed(holder, balancer, hint, kinds, desired)
        yield Refusal(RefusalCode.IMMUTABLE, delivery.service, because, hint, desired[delivery.service].where, holder)


def explained(
    refusals: Iterable[Refusal], immovables: Iterable[Refusal], deliveries: Iterable[RolloutSpec]
) -> tuple[Refusal, ...]:
    """`refusals` with `immovables`, without those of their listeners that follow from these and advise otherwise."""
    several = tuple(immovables)
    stay = {one.address for one in several}
    entries = {entry for each in deliveries if each.service in stay for entry in (each.production, each.test)}
    return (*(one for one in refusals if one.about is None or one.address not in entries), *several)
