"""Services that AWS does not change as the specs want: it would have to replace them, or break their requests. Pure.

Services whose traffic the controller shifts cannot move to another load balancer.

AWS allows a target group one load balancer, and the versions of such a service alternate between its target groups. So
the version that serves cannot be reached through another load balancer, and a rollout cannot begin there: it begins
beside the version that serves. Its clients would have to follow by DNS besides, and only a person knows when they have.
A rolling service can move, because ECS registers its tasks in several target groups.

A service whose traffic ECS shifts keeps its pair of target groups, their rules, the port and the role besides: they are
one member of UpdateService, and ECS takes the target group in it for the one in production, whichever that is
(hashicorp/terraform-provider-aws#45678).

A name in Service Connect keeps the protocol of its port (ECS API reference, PortMapping, appProtocol): ECS refuses any
deployment with another one (aws/containers-roadmap#2378).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from reconciler.model.adoption import adopted
from reconciler.model.observed_state import ObservedState
from reconciler.model.obstacles import if_renamed, outermost
from reconciler.model.plan import Plan, Refusal, RefusalCode
from reconciler.model.resource import Address, Desired
from reconciler.model.service_connect import ServiceConnect
from reconciler.model.type_registry import ResourceTypes
from reconciler.resources.service import pair_changes
from reconciler.resources.task_definition import TaskDefinitionSpec
from reconciler.rollout.engine import TrafficShifter
from reconciler.rollout.spec import RolloutSpec

TCP: Final = "tcp"

INSTEAD = (
    "change the engine to `rolling` in a commit of its own, then this, and then the engine again; or add a second "
    "service, and remove this one once clients use that"
)


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


def kept_pairs(
    plan: Plan,
    world: ObservedState,
    desired: Mapping[Address, Desired[Any]],
    kinds: ResourceTypes,
    deliveries: Iterable[RolloutSpec],
) -> Iterator[Refusal]:
    """A refusal for each service whose traffic ECS shifts, and is to shift between other target groups, by other rules,
    to another port or with another role.
    """
    ids = {address: id for id, address in plan.names.items()}
    known = frozenset(one.id for one in world)
    services = {one.id: one for one in world.found.get("service", ())}
    rules = frozenset(one.id for one in world.found.get("listener-rule", ()))
    default = {one.id: kinds["listener"].forwards(one.spec).keys() for one in world.found.get("listener", ())}
    for delivery in deliveries:
        service = services.get(ids.get(delivery.service, ""))
        if service is None or delivery.engine.shifts_traffic is not TrafficShifter.ECS:
            continue
        want, used = desired[delivery.service], kinds["service"].in_use(service)
        answering = frozenset(id for id, groups in default.items() if used & groups)
        changed = pair_changes(service.facts["item"], want.resolved(ids).spec, known, rules, answering)
        if changed:
            because = f"ECS cannot be given {' or '.join(changed)} without a risk for the requests in production"
            yield Refusal(RefusalCode.IMMUTABLE, delivery.service, because, INSTEAD, want.where)


def kept_protocols(
    world: ObservedState, desired: Mapping[Address, Desired[Any]], deliveries: Iterable[RolloutSpec]
) -> Iterator[Refusal]:
    """A refusal for each service that is to have a name in Service Connect with another protocol than it has."""
    found = {one.address: one for kind in ("service", "task-definition") for one in world.found.get(kind, ())}
    for delivery in deliveries:
        service, definition = found.get(delivery.service), found.get(delivery.task_definition)
        if service is None or definition is None or delivery.service not in desired or service.facts.get("deleting"):
            continue
        will = adopted(desired[delivery.task_definition], definition).spec
        before = _protocols(service.spec.service_connect, definition.spec)
        after = _protocols(adopted(desired[delivery.service], service).spec.service_connect, will)
        for name in sorted(before.keys() & after.keys()):
            if before[name] != after[name]:
                because = f"{name} uses {before[name]} in Service Connect, which ECS cannot change to {after[name]}"
                hint = "give the port another `name` in `service_connect`, under which ECS takes any protocol"
                where = desired[delivery.service].where
                yield Refusal(RefusalCode.IMMUTABLE, delivery.service, because, hint, where)


def _protocols(connected: ServiceConnect | None, definition: TaskDefinitionSpec) -> dict[str, str]:
    """By the names in the namespace."""
    ports = {port.name: port.app_protocol or TCP for one in definition.containers.values() for port in one.ports}
    services = () if connected is None else connected.services
    return {one.name: ports[one.port_name] for one in services if one.port_name in ports}


def explained(
    refusals: Iterable[Refusal], immovables: Iterable[Refusal], deliveries: Iterable[RolloutSpec]
) -> tuple[Refusal, ...]:
    """`refusals` with `immovables`, without those of their listeners that follow from these and advise otherwise."""
    several = tuple(immovables)
    stay = {one.address for one in several}
    entries = {entry for each in deliveries if each.service in stay for entry in (each.production, each.test)}
    return (*(one for one in refusals if one.about is None or one.address not in entries), *several)
