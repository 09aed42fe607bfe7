"""Plan filters: which actions of a plan are executed now, and what happens to the others.

    planner ─► drift policy ─► deferral ─► tasks first ─► agreement ─► suspension and guard ─► order

Every command that plans uses all of them, so that `diff` shows what `apply` and `run` do. Ownership comes before: the
planner refuses resources with the tags of another stack, and the client checks each write once more. A filter is a pure
function from a plan to a plan; what it takes out is recorded in the plan, and the controller reports it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reconciler.model import guard, ordering
from reconciler.model.diff import diff
from reconciler.model.guard import Guard
from reconciler.model.ownership import TagChange
from reconciler.model.plan import Action, Consequence, Deferred, Plan, Refusal, RefusalCode, Verb
from reconciler.model.planner import ObservedState
from reconciler.model.resource import Address, Desired, Observed
from reconciler.model.resource_type import ResourceTypes
from reconciler.reconcile.drift import Drift, DriftPolicy, DriftRule
from reconciler.reconcile.expectations import UNSEEN
from reconciler.reconcile.tasks_first import tasks_first
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.stored_state import KEYS

WITH_ITS_RELEASE: Final = "updated after the rollout of the new version"
IN_USE: Final = "still used by running tasks; deleted after the rollout"
STANDS_ON: Final = "kept together with {}"
SEVERAL_VERSIONS: Final = "tasks of the version being replaced may still need it; deleted after the rollout"
NOT_AGREED: Final = "not part of the approved plan"
DONE: Final = "written moments ago; AWS returns it in another form"


@dataclass(frozen=True, slots=True)
class Context:
    """Input of the filters.

    `agreed` is the approved plan, and `written` the signatures of the actions executed since; None if no approval is
    needed. `suspended_by` is who suspended the stack. `leaving`: the whole stack is to be deleted.
    """

    world: ObservedState
    desired: Mapping[Address, Desired[Any]]
    kinds: ResourceTypes
    deliveries: tuple[RolloutSpec, ...] = ()
    guard: Guard = field(default_factory=Guard)
    rules: tuple[DriftRule, ...] = ()
    policy: DriftPolicy = field(default_factory=DriftPolicy)
    now: float = 0.0
    agreed: Plan | None = None
    written: frozenset[str] = frozenset()
    suspended_by: str = ""
    leaving: bool = False


def filtered(draft: Plan, context: Context) -> tuple[Plan, tuple[Drift, ...]]:
    """The actions of `draft` to execute now, in order, and the drift in it."""
    plan, drifts = draft, tuple[Drift, ...]()
    if not context.leaving:
        plan, drifts = context.policy.judge(plan, context.desired, context.rules, context.now)
        plan = tasks_first(deferral(plan, context), context.world, context.desired, context.kinds, context.deliveries)
    plan = limits(agreement(plan, context), context)
    return ordering.ordered(plan, context.desired.values(), context.kinds), drifts


# -- deferred until after a rollout


def deferral(plan: Plan, context: Context) -> Plan:
    """The plan without actions that have to wait for a rollout.

    Fewer tasks, lower bounds of scaling, its policies and listener rules follow the release, so that a failed version
    leaves them as they were, and production is not smaller because of a version that does not serve yet. More tasks and
    higher bounds do not wait. What tasks use is deleted after the tasks, and so is everything that depends on it.
    """
    rolling = _rolling(plan, context.world)
    followers = {one for delivery in context.deliveries if delivery.service in rolling for one in _followers(delivery)}
    services: list[Observed[Any]] = [
        one
        for one in context.world.found.get("service", ())
        if one.address in context.desired and UNSEEN not in one.facts
    ]
    used = frozenset(name for one in services for name in context.kinds["service"].in_use(one)) if services else set()
    several = any(len(one.facts["task_definitions"]) > 1 for one in services) or any(
        action.rolls for action in plan.actions
    )
    kept = _kept(plan.actions, used, context.kinds, several=several)
    lost = used - {one.id for one in context.world} | used & {action.drop.id for action in plan.deletions()}
    left, deferred = list[Action](), list(plan.deferred)
    for action in plan.actions:
        because = kept.get(action.drop.id if action.verb is Verb.DELETE else "", "")
        if because:
            deferred.append(Deferred(action, because))
            continue
        due, later = _grown(action, context.kinds) if action.address in followers else (action, None)
        deferred += [] if later is None else [Deferred(later, WITH_ITS_RELEASE)]
        now, later = _split(due, lost, context.kinds) if due is not None else (None, None)
        left += [] if now is None else [now]
        deferred += [] if later is None else [Deferred(later, IN_USE)]
    return replace(plan, actions=tuple(left), deferred=tuple(deferred))


def _rolling(plan: Plan, world: ObservedState) -> set[Address]:
    """Services with a rollout due or in progress."""
    services = [one for one in world.found.get("service", ()) if UNSEEN not in one.facts]
    under_way = {
        one.address for one in services if KEYS["deadline"] in one.tags or len(one.facts["task_definitions"]) > 1
    }
    return {action.address for action in plan.actions if action.rolls} | under_way


def _followers(delivery: RolloutSpec) -> Iterable[Address]:
    """What changes with a release of the service, apart from its tasks."""
    yield delivery.service
    yield Address("scaling", delivery.name)
    for entry in (delivery.production, delivery.test) if delivery.moves_traffic else ():
        if entry is not None and entry.kind == "listener-rule":
            yield entry


def _grown(action: Action, kinds: ResourceTypes) -> tuple[Action | None, Action | None]:
    """What of an update is done now, because it adds capacity, and what once its release is in production."""
    old, new = action.old, action.new
    if action.verb not in (Verb.UPDATE, Verb.ROLL, Verb.ADOPT) or old is None or new is None or not action.changes:
        return action, None
    grown = kinds[action.address.kind].grown(old, new)
    if grown == new:
        return action, None
    now = diff(old, grown.spec) if grown is not None else ()
    left = tuple(change for change in action.changes if change not in now)
    later = replace(action, verb=Verb.UPDATE, changes=left, tags=TagChange({}, ()), consequence=Consequence.IN_PLACE)
    if grown is None or (not now and not action.tags and action.verb is Verb.UPDATE):
        return None, action
    return replace(action, new=grown, changes=now), later


def _kept(actions: Iterable[Action], used: Set[str], kinds: ResourceTypes, *, several: bool) -> dict[str, str]:
    """Why each resource that would be deleted is kept for now, by id."""
    leaving: dict[str, Observed[Any]] = {
        action.old.id: action.old for action in actions if action.verb is Verb.DELETE and action.old is not None
    }
    kept: dict[str, str] = {}
    for id, old in leaving.items():
        if id in used:
            kept[id] = IN_USE
        elif several and kinds[old.address.kind].serves_tasks:
            kept[id] = SEVERAL_VERSIONS
    todo = sorted(kept.keys() & used)
    links = {id: ordering.links(old) for id, old in leaving.items()}
    while todo:
        id = todo.pop()
        near = {other for other in leaving if other in links[id] or id in links[other]}
        for other in sorted(near - kept.keys()):
            kept[other] = STANDS_ON.format(leaving[id].address)
            todo.append(other)
    return kept


def _split(action: Action, lost: Set[str], kinds: ResourceTypes) -> tuple[Action | None, Action | None]:
    """What of an action is done now, and what once no task uses any of `lost`, which goes with the plan."""
    old, new = action.old, action.new
    if old is None or new is None:
        return action, None
    if action.verb is Verb.REPLACE and action.create_first and old.id in lost:
        now = replace(action, verb=Verb.CREATE, changes=(), consequence=Consequence.NONE, old=None)
        going = Action(Verb.DELETE, old.address, action.because, consequence=Consequence.DESTROY, old=old)
        return now, going
    if action.verb is not Verb.UPDATE:
        return action, None
    kept = kinds[action.address.kind].retaining(old, new, lost)
    if kept == new:
        return action, None
    changes = diff(old, kept.spec)
    return (replace(action, new=kept, changes=changes) if changes or action.tags else None), action


# -- the approved plan


def agreement(plan: Plan, context: Context) -> Plan:
    """Only the remainder of the approved plan: its resources, without those written since."""
    agreed = context.agreed
    if agreed is None:
        return plan
    addresses = {one.address for one in agreed.actions} | {one.address for one in agreed.waiting}
    addresses |= {one.action.address for one in agreed.deferred}
    approved = _going(agreed)
    left, deferred = list[Action](), list(plan.deferred)
    for action in plan.actions:
        replaces = action.verb is Verb.REPLACE and action.drop.id not in approved
        if action.only_notes:
            left.append(action)
        elif action.address not in addresses or replaces:
            deferred.append(Deferred(action, NOT_AGREED))
        elif action.verb in _REPEATED and action.signature in context.written:
            left += [_rolled(action)] if action.rolls else []
            deferred += [] if action.rolls else [Deferred(action, DONE)]
        else:
            left.append(action)
    return replace(plan, actions=tuple(left), deferred=tuple(deferred))


_REPEATED: Final = frozenset({Verb.UPDATE, Verb.ADOPT, Verb.ROLL})
"""What may be to do again although it was done."""


def _rolled(action: Action) -> Action:
    """Only what the rollout does of it."""
    rolls = tuple(change for change in action.changes if change.rolls)
    return replace(action, changes=rolls, tags=TagChange({}, ()))


def _going(plan: Plan) -> set[str]:
    return {action.drop.id for action in plan.deletions()}


# -- what may not be carried out at all


def limits(plan: Plan, context: Context) -> Plan:
    """The plan with a refusal if the stack is suspended, or if the guard forbids so many deletions.

    The approved plan is not checked against the guard again. Further deletions are, together with the approved ones,
    although they are not executed: an account that suddenly needs many is not the one that was approved.
    """
    refusals = list(plan.refusals)
    if context.suspended_by:
        refusals.append(
            Refusal(
                RefusalCode.SUSPENDED,
                None,
                f"the stack is suspended by {context.suspended_by}",
                hint="run `reconciler resume --stack`",
            )
        )
    if not context.leaving:
        refusals += guard.check(plan, context.guard) if context.agreed is None else _beyond(plan, context)
    return replace(plan, refusals=tuple(refusals))


def _beyond(plan: Plan, context: Context) -> tuple[Refusal, ...]:
    assert context.agreed is not None
    approved = _going(context.agreed)
    more = [one for one in plan.deletions() if one.drop.id not in approved]
    if not more:
        return ()
    return guard.check(replace(context.agreed, actions=(*context.agreed.actions, *more)), context.guard)
