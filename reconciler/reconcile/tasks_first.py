"""Plan filter for what runs to completion: its images have to be pushed, and what it prepares waits for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from reconciler.model.observed_state import ObservedState
from reconciler.model.ownership import TagChange
from reconciler.model.plan import Action, Consequence, DeferralCode, Deferred, Plan, Verb
from reconciler.model.resource import Address, Desired, ResourceHealth
from reconciler.model.type_registry import ResourceTypes
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.stored_state import KEYS

COUNT: Final = "desired_count"
AFTER: Final = "done once {} has succeeded"


def tasks_first(
    plan: Plan,
    world: ObservedState,
    desired: Mapping[Address, Desired[Any]],
    kinds: ResourceTypes,
    deliveries: Iterable[RolloutSpec],
) -> Plan:
    """The plan without tasks whose image has not been pushed, and without the first tasks of a service that has a
    pre-deployment task which has not succeeded yet.

    A service that is created with tasks, which a later version would replace through every gate, is not created before
    its image has been pushed, nor is what refers to it.
    """
    waiting = {
        delivery.service: AFTER.format(delivery.pre_deployment.address)
        for delivery in deliveries
        if delivery.pre_deployment is not None and delivery.created_with_tasks and not _has_begun(delivery, world)
    }
    gated = {one.service for one in deliveries if one.moves_traffic and one.created_with_tasks}
    created = [one for one in plan.actions if one.address in gated and one.verb is Verb.CREATE]
    absent = {one.address: because for one in created if (because := _not_pushed(one, desired, world))}
    left, deferred = list[Action](), list(plan.deferred)
    for action in plan.actions:
        now, later, because = _split(action, waiting)
        missing = _not_pushed(action, desired, world) if kinds[action.address.kind].runs_to_completion else ""
        if action.verb is Verb.CREATE and absent and action.address in desired:
            needed = {action.address} | desired[action.address].refs()
            missing = missing or next((absent[one] for one in sorted(needed & absent.keys())), "")
        if missing:
            now, later, because = None, action, missing
        left += [] if now is None else [now]
        code = DeferralCode.IMAGE if missing else DeferralCode.PRE_DEPLOYMENT
        deferred += [] if later is None else [Deferred(later, code, because)]
    return replace(plan, actions=tuple(left), deferred=tuple(deferred))


def _has_begun(delivery: RolloutSpec, world: ObservedState) -> bool:
    """Whether a first version was deployed, or may be."""
    found = next((one for one in world.found.get("service", ()) if one.address == delivery.service), None)
    return found is not None and (KEYS["live"] in found.tags or KEYS["cleared"] in found.tags)


def _split(action: Action, waiting: Mapping[Address, str]) -> tuple[Action | None, Action | None, str]:
    """What of an action is done now, and what later. A service is created without tasks; its count is raised later."""
    because = waiting.get(Address("service", action.address.name), "")
    if because and action.address.kind == "scaling" and action.verb is Verb.CREATE:
        return None, action, because
    count = tuple(change for change in action.changes if change.field == COUNT)
    if not because or action.address.kind != "service" or action.verb is Verb.CREATE or not count:
        return action, None, ""
    rest = replace(action, changes=tuple(change for change in action.changes if change not in count))
    only = replace(action, verb=Verb.UPDATE, changes=count, tags=TagChange({}, ()), consequence=Consequence.IN_PLACE)
    return (rest if rest.changes or rest.tags else None), only, because


def _not_pushed(action: Action, desired: Mapping[Address, Desired[Any]], world: ObservedState) -> str:
    """Why an image of a task that would be started cannot be pulled; "" if nothing is known against it."""
    if action.verb is Verb.DELETE or action.only_notes:
        return ""
    images = {one.address: one for one in world.found.get("image", ())}
    seen, todo = set[Address](), [action.address]
    while todo:
        at = todo.pop()
        found = images.get(at)
        if found is not None and found.health is not ResourceHealth.READY:
            return found.reason
        if at not in seen and at in desired:
            seen.add(at)
            todo += sorted(desired[at].refs(), reverse=True)
    return ""
