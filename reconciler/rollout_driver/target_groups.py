"""The two target groups that versions of a service alternate between, and the listeners that send requests to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.model.resource import Address, Observed, existing
from reconciler.model.type_registry import discover
from reconciler.rollout.release import RolloutTarget, TrafficEntry
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout_driver.resolution import ResolutionContext


def with_traffic(subject: RolloutTarget, declared: RolloutSpec, context: ResolutionContext) -> RolloutTarget:
    """The target with both target groups and the listeners, also if the present engine shifts no traffic."""
    found, service = context.found, context.found[declared.service]
    groups = slots_of(tuple(context.ids[group] for group in declared.groups), service, declared, context)
    return replace(
        subject,
        groups=groups,
        production=entry_of(declared.production, found),
        test=entry_of(declared.test, found),
        former=target_groups(found) - set(groups),
    )


def slots_of(
    declared: tuple[str, ...], service: Observed[Any], delivery: RolloutSpec, context: ResolutionContext
) -> tuple[str, ...]:
    """The declared groups; but a group that is declared no more keeps its slot for as long as a version is in it, or
    ECS shifts traffic between it and another one.

    Where one is declared that was two, as for another engine, the other one is what the listener still names.
    """
    item, of_stack = service.facts["item"], target_groups(context.found)
    balancers = [balancer for one in item.get("taskSets") or () for balancer in one.get("loadBalancers") or ()]
    used = {balancer.get("targetGroupArn") for balancer in balancers}
    for balancer in item.get("loadBalancers") or ():
        if alternate := (balancer.get("advancedConfiguration") or {}).get("alternateTargetGroupArn"):
            used |= {balancer.get("targetGroupArn"), alternate}
    slots = list(declared)
    if len(slots) < 2:
        door = None if delivery.production is None else context.found.get(delivery.production)
        named = () if door is None else discover()[door.address.kind].forwards(door.spec)
        both = {*discover()["service"].in_use(service), *map(str, named)} & of_stack
        slots += sorted(both - set(slots))[: 2 - len(slots)]
    free = [slot for slot, group in enumerate(slots) if group not in used]
    for slot, group in zip(free, sorted(used & of_stack - set(slots)), strict=False):
        slots[slot] = group
    return tuple(slots)


def with_ports(delivery: RolloutSpec, context: ResolutionContext) -> RolloutSpec:
    """The rollout spec with the ports of the listeners that it names by their ARNs, as far as they were looked up."""
    known = {one.id: one.spec.port for at, one in context.found.items() if at.kind == existing("listener")}
    if not known:
        return delivery
    production, test = (
        known.get(str(getattr(context.found[entry].spec, "listener", "")), port)
        if entry is not None and entry in context.found
        else port
        for entry, port in zip((delivery.production, delivery.test), delivery.ports, strict=True)
    )
    return replace(delivery, ports=(production, test))


def target_groups(found: Mapping[Address, Observed[Any]]) -> frozenset[str]:
    return frozenset(one.id for one in found.values() if one.address.kind == "target-group")


def entry_of(address: Address | None, found: Mapping[Address, Observed[Any]]) -> TrafficEntry | None:
    if address is None:
        return None
    one = found[address]
    return TrafficEntry(one.id) if address.kind == "listener" else TrafficEntry(str(one.spec.listener), one.id)
