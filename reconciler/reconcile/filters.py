"""Plan filters: what of a plan is carried out now, and what becomes of the rest.

    planner ─► drift policy ─► deferral ─► agreement ─► suspension and guard ─► order

Every command that plans takes its plan through all of them, so that `diff` shows what `apply` and `run` do. Ownership
comes before: the planner refuses what carries somebody else's tags, and the client checks each write once more. A
filter is a pure function from a plan to a plan; what it took out stands in the plan, and the controller reports it.
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
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.stored_state import KEYS

WITH_ITS_RELEASE: Final = "it changes with the new version, once that has come to rest"
IN_USE: Final = "tasks still use it; it follows the rollout"
STANDS_ON: Final = "it is kept together with {}"
SEVERAL_VERSIONS: Final = "tasks of a version that is being replaced may still need it; it follows the rollout"
NOT_AGREED: Final = "it was not part of the approved plan"
DONE: Final = "it was written a moment ago, and AWS spells it differently"


@dataclass(frozen=True, slots=True)
class Context:
    """What the filters look at.

    `agreed` is the plan that a person approved, and `written` the signatures of the actions that were carried out
    since; None: nobody was asked, and nothing is held back for it. `suspended_by` is who suspended the stack.
    `leaving`: all of the stack is to go.
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
    """What of `draft` is carried out now, in order, and the drift that was found in it."""
    plan, drifts = draft, tuple[Drift, ...]()
    if not context.leaving:
        plan, drifts = context.policy.judge(plan, context.desired, context.rules, context.now)
        plan = deferral(plan, context)
    plan = limits(agreement(plan, context), context)
    return ordering.ordered(plan, context.desired.values(), context.kinds), drifts


# -- what follows a rollout


def deferral(plan: Plan, context: Context) -> Plan:
    """Without what has to wait for a rollout.

    How a service scales and which requests are its own follow the release, so that a version that fails leaves them as
    the one before had them. What tasks run on goes once they have gone, and so does whatever hangs on that.
    """
    rolling = _rolling(plan, context.world)
    companions = {
        one
        for delivery in context.deliveries
        if delivery.moves_traffic and delivery.service in rolling
        for one in _companions(delivery)
    }
    services: list[Observed[Any]] = [
        one
        for one in context.world.found.get("service", ())
        if one.address in context.desired and UNSEEN not in one.facts
    ]
    used = frozenset(name for one in services for name in context.kinds["service"].in_use(one)) if services else set()
    several = any(len(one.facts["task_definitions"]) > 1 for one in services) or any(
        action.verb is Verb.ROLL for action in plan.actions
    )
    kept = _kept(plan.actions, used, context.kinds, several=several)
    lost = used - {one.id for one in context.world} | used & {action.drop.id for action in plan.deletions()}
    left, deferred = list[Action](), list(plan.deferred)
    for action in plan.actions:
        because = kept.get(action.drop.id if action.verb is Verb.DELETE else "", "")
        if action.verb is Verb.UPDATE and action.changes and action.address in companions:
            because = WITH_ITS_RELEASE
        if because:
            deferred.append(Deferred(action, because))
            continue
        now, later = _split(action, lost, context.kinds)
        left += [] if now is None else [now]
        deferred += [] if later is None else [Deferred(later, IN_USE)]
    return replace(plan, actions=tuple(left), deferred=tuple(deferred))


def _rolling(plan: Plan, world: ObservedState) -> set[Address]:
    """Services with a new version ahead or under way."""
    under_way = {one.address for one in world.found.get("service", ()) if KEYS["deadline"] in one.tags}
    return {action.address for action in plan.actions if action.verb is Verb.ROLL} | under_way


def _companions(delivery: RolloutSpec) -> Iterable[Address]:
    yield Address("scaling", delivery.name)
    for entry in (delivery.production, delivery.test):
        if entry is not None and entry.kind == "listener-rule":
            yield entry


def _kept(actions: Iterable[Action], used: Set[str], kinds: ResourceTypes, *, several: bool) -> dict[str, str]:
    """Why what would be deleted is kept for now, by its id."""
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


# -- what a person agreed to


def agreement(plan: Plan, context: Context) -> Plan:
    """Only what is left of the approved plan: its resources, and nothing that was written since.

    What AWS spells differently would be written, or for an immutable field replaced, again and again.
    """
    agreed = context.agreed
    if agreed is None:
        return plan
    addresses = {one.address for one in agreed.actions} | {one.address for one in agreed.waiting}
    addresses |= {one.action.address for one in agreed.deferred}
    approved = _going(agreed)
    left, deferred = list[Action](), list(plan.deferred)
    for action in plan.actions:
        replaces = action.verb is Verb.REPLACE and action.drop.id not in approved
        if action.address not in addresses or replaces:
            deferred.append(Deferred(action, NOT_AGREED))
        elif action.verb in _REPEATED and action.signature in context.written:
            left += [_rolled(action)] if action.verb is Verb.ROLL else []
            deferred += [] if action.verb is Verb.ROLL else [Deferred(action, DONE)]
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
    """With a refusal where the stack is suspended, and where the guard forbids so many deletions.

    What was approved is not held against the guard again; deletions beyond it are, together with those, although they
    are not carried out: an account that suddenly wants many is not the one that was agreed about.
    """
    refusals = list(plan.refusals)
    if context.suspended_by:
        refusals.append(
            Refusal(
                RefusalCode.SUSPENDED,
                None,
                f"{context.suspended_by} suspended the stack",
                hint="`reconciler reconcile --resume` lifts it",
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
