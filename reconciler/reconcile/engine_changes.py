"""Services whose engine changes in place: what waits for that, and where AWS has no way. Pure.

The rollout takes the steps (rollout/engine_change.py). Until it has, the listeners stay as they are, and so does what
the former engine works with; that goes once every task of the service is healthy under the new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.model import ordering, service_connect
from reconciler.model.controller_changes import LATTICE, SERVICE_CONNECT
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Action, Refusal, RefusalCode, Verb
from reconciler.model.resource import Address, Desired, Observed, ResourceHealth
from reconciler.reconcile.expectations import UNSEEN
from reconciler.rollout import observe_engine
from reconciler.rollout.engine import Controller, engines
from reconciler.rollout.engine_change import possible
from reconciler.rollout.spec import RolloutSpec


def changing(deliveries: Iterable[RolloutSpec], services: Iterable[Observed[Any]]) -> Iterator[RolloutSpec]:
    """The services that are not yet, or not altogether, what the engine that they declare needs them to be."""
    there = (one for one in services if UNSEEN not in one.facts and observe_engine.lives(one))
    found = {one.address: one for one in there}
    for delivery in deliveries:
        service = found.get(delivery.service)
        if service is not None and observe_engine.differs(delivery.engine, service.facts["item"]):
            yield delivery


def held(
    action: Action, deliveries: Iterable[RolloutSpec], several: Iterable[RolloutSpec], services: Iterable[Observed[Any]]
) -> Address | None:
    """The service for whose engine an action has to wait; `several` are those of which it changes."""
    changes = {one.service: one for one in several}
    for delivery in changes.values():
        if action.address in (delivery.production, delivery.test) and action.verb is not Verb.CREATE:
            return delivery.service
    if action.verb is not Verb.DELETE or action.old is None:
        return None
    declared, used = {one.service for one in deliveries}, ordering.links(action.old)
    for one in services:
        unproven = one.address in changes or one.health is not ResourceHealth.READY
        if one.address in declared and one.id in used and unproven:
            return one.address
    return None


def refused(
    refusals: Iterable[Refusal],
    world: ObservedState,
    desired: Mapping[Address, Desired[Any]],
    deliveries: Iterable[RolloutSpec],
) -> Iterator[Refusal]:
    """`refusals`, with what to do instead of a change of engines that AWS does not make, and with those of networking
    that only the ECS controller has.
    """
    there = {one.address: one for one in world.found.get("service", ()) if UNSEEN not in one.facts}
    declared = {one.service: one for one in deliveries if one.service in there}
    for refusal in refusals:
        delivery = None if refusal.address is None else declared.get(refusal.address)
        if refusal.code is RefusalCode.IMMUTABLE and delivery is not None:
            yield _with_hint(refusal, delivery, there[delivery.service])
        else:
            yield refusal
    for address, delivery in declared.items():
        because = _networking(delivery, there[address])
        if because:
            hint = "deploy it without that first, and change the engine in a later commit"
            where = desired[address].where if address in desired else ""
            yield Refusal(RefusalCode.IMMUTABLE, address, because, hint, where)


def _with_hint(refusal: Refusal, delivery: RolloutSpec, service: Observed[Any]) -> Refusal:
    item = service.facts["item"]
    controller, _ = observe_engine.style_of(item)
    if possible(controller, delivery.engine.controller):
        return refusal
    present = observe_engine.engine_of(item)
    able = sorted(one.name for one in engines().values() if possible(controller, one.controller))
    because = (
        f"AWS changes the deployment controller of a service from {controller} to {delivery.engine.controller} for none"
    )
    hint = (
        f"keep `engine: {'' if present is None else present.name}`, use one of {', '.join(able)}, or add a second "
        f"service beside it and remove this one once clients use that; {refusal.hint}, and interrupts the service"
    )
    return replace(refusal, because=because, hint=hint)


def _networking(delivery: RolloutSpec, service: Observed[Any]) -> str:
    """Why AWS will not let the service leave the ECS controller, or ""."""
    item = service.facts["item"]
    controller, _ = observe_engine.style_of(item)
    if controller != Controller.ECS or delivery.engine.controller is Controller.ECS:
        return ""
    deployments: Iterable[Mapping[str, Any]] = item.get("deployments") or ()
    primary: Mapping[str, Any] = next((one for one in deployments if one.get("status") == "PRIMARY"), {})
    if service_connect.read(primary.get("serviceConnectConfiguration")).enabled:
        return SERVICE_CONNECT.format(delivery.engine.controller)
    return LATTICE.format(delivery.engine.controller) if primary.get("vpcLatticeConfigurations") else ""
