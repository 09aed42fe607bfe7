"""Plan filter for the order of tasks: none is started before its images are pushed, nor before a task that prepares it.

What starts tasks without a further decision waits for the images: a one-off task, a service that ECS creates with
tasks and what refers to it, and the revision of a schedule, which would start it at its time. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from reconciler.model.observed_state import ObservedState
from reconciler.model.ownership import TagChange
from reconciler.model.plan import Action, Consequence, DeferralCode, Deferred, Plan, Verb
from reconciler.model.resource import Address, Desired, Observed, ResourceHealth
from reconciler.model.type_registry import ResourceTypes
from reconciler.reconcile import partial_update
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
    """The plan without what would start tasks whose image has not been pushed, and without the first tasks of a service
    that has a pre-deployment task which has not succeeded yet.
    """
    waiting = {
        delivery.service: AFTER.format(delivery.pre_deployment.address)
        for delivery in deliveries
        if delivery.pre_deployment is not None and delivery.created_with_tasks and not _has_begun(delivery, world)
    }
    gated = {one.service for one in deliveries if one.created_with_tasks}
    absent = {one.address for one in plan.actions if one.address in gated and one.verb in (Verb.CREATE, Verb.REPLACE)}
    images = {one.address: one for one in unpushed(world)}
    left, deferred = list[Action](), list(plan.deferred)
    for action in plan.actions:
        now, later, because = _split(action, waiting)
        uses = _behind(action.address, desired) if images else frozenset[Address]()
        missing = next((images[one].reason for one in sorted(uses & images.keys())), "")
        if missing and (part := _without_start(action, kinds, bool(uses & absent))) is not None:
            (now, later), because = part, missing
        else:
            missing = ""
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


def unpushed(world: ObservedState) -> tuple[Observed[Any], ...]:
    """The images that the specs name and no task can pull yet."""
    return tuple(one for one in world.found.get("image", ()) if one.health is not ResourceHealth.READY)


def _without_start(action: Action, kinds: ResourceTypes, of_absent: bool) -> tuple[Action | None, Action | None] | None:
    """What of an action is done before its images are pushed, and what later; None if nothing of it starts tasks.

    `of_absent`: it creates a service with tasks, or something that refers to a service that does not exist yet.
    """
    kind = kinds[action.address.kind]
    if action.verb is Verb.DELETE or action.only_notes:
        return None
    if action.verb in (Verb.CREATE, Verb.REPLACE):
        return (None, action) if of_absent or kind.runs_to_completion or kind.starts_tasks else None
    if kind.runs_to_completion:
        return None, action
    revision = tuple(change for change in action.changes if change.release)
    if not kind.starts_tasks or not revision or action.old is None or action.new is None:
        return None
    kept = {change.field: getattr(action.old.spec, change.field) for change in revision}
    rest = tuple(change for change in action.changes if change not in revision)
    new = replace(action.new, spec=action.new.spec.model_copy(update=kept))
    now = replace(action, new=new, changes=rest)
    return (now if rest or action.tags else None), partial_update.rest(action, rest)


def _behind(address: Address, desired: Mapping[Address, Desired[Any]]) -> frozenset[Address]:
    """The resource, and all that it is built on."""
    seen, todo = set[Address](), [address]
    while todo:
        at = todo.pop()
        if at not in seen:
            seen.add(at)
            todo += desired[at].refs() if at in desired else ()
    return frozenset(seen)
