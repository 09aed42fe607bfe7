"""Plan filters: which actions of a plan are executed now, and what happens to the others.

    planner ─► drift policy ─► deferral ─► tasks first ─► read-only ─► selection ─► agreement
            ─► suspension and guard ─► order

Every command that plans uses all of them, so that `diff` shows what `apply` and `run` do. Ownership comes before: the
planner refuses resources with the tags of another stack, and the client checks each write once more. A filter is a pure
function from a plan to a plan; what it takes out is recorded in the plan, and the controller reports it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reconciler.model import guard, ordering
from reconciler.model.guard import Guard
from reconciler.model.observed_state import ObservedState
from reconciler.model.ownership import TagChange
from reconciler.model.plan import Action, DeferralCode, Deferred, Plan, Refusal, RefusalCode, Verb
from reconciler.model.resource import Address, Desired
from reconciler.model.type_registry import ResourceTypes
from reconciler.reconcile import selection
from reconciler.reconcile.deferral import deferral
from reconciler.reconcile.drift import Drift, DriftPolicy, DriftRule
from reconciler.reconcile.engine_changes import refused
from reconciler.reconcile.immovable import explained, immovable, kept_pairs, kept_protocols
from reconciler.reconcile.lost_pairs import lost_pairs
from reconciler.reconcile.read_only import read_only
from reconciler.reconcile.tasks_first import tasks_first
from reconciler.rollout.spec import RolloutSpec

NOT_AGREED: Final = "not part of the approved plan"
DONE: Final = "written moments ago; AWS returns it in another form"


@dataclass(frozen=True, slots=True)
class Context:
    """Input of the filters.

    `agreed` is the approved plan, and `written` the signatures of the actions executed since; None if no approval is
    needed. `suspended_by` is who suspended the stack, `unreadable` why its requests cannot be read. `leaving`: the
    whole stack is to be deleted. `only` are the patterns of what is to be done, if not all of it is.
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
    unreadable: str = ""
    leaving: bool = False
    only: tuple[str, ...] = ()


def filtered(draft: Plan, context: Context) -> tuple[Plan, tuple[Drift, ...]]:
    """The actions of `draft` to execute now, in order, and the drift in it."""
    plan, drifts = draft, tuple[Drift, ...]()
    if not context.leaving:
        plan, drifts = context.policy.judge(plan, context.desired, context.rules, context.now)
        plan = deferral(plan, context.world, context.desired, context.kinds, context.deliveries)
        plan = tasks_first(plan, context.world, context.desired, context.kinds, context.deliveries)
    plan = read_only(plan, context.world, context.deliveries, leaving=context.leaving)
    plan = selection.narrowed(plan, context)
    plan = selection.concerned(limits(agreement(plan, context), context))
    return ordering.ordered(plan, context.desired.values(), context.kinds), drifts


# -- the approved plan


def agreement(plan: Plan, context: Context) -> Plan:
    """Only the remainder of the approved plan: its resources, without those written since.

    A plan that waits for an image approves the revisions that will name it, once it has been pushed.
    """
    agreed = context.agreed
    if agreed is None:
        return plan
    addresses = {one.address for one in agreed.actions} | {one.address for one in agreed.waiting}
    addresses |= {one.action.address for one in agreed.deferred}
    approved = _going(agreed)
    awaited = {note.address for note in agreed.warnings if context.kinds[note.address.kind].lookup}
    left, deferred = list[Action](), list(plan.deferred)
    for action in plan.actions:
        replaces = action.verb is Verb.REPLACE and action.drop.id not in approved
        if action.only_notes or action.only_rolls:  # what is rolled out is decided with the rollouts
            left.append(action)
        elif (action.address not in addresses and not _names(action, awaited, context)) or replaces:
            deferred.append(Deferred(action, DeferralCode.NOT_APPROVED, NOT_AGREED))
        elif action.verb in _REPEATED and action.signature in context.written:
            left += [_rolled(action)] if action.rolls else []
            deferred += [] if action.rolls else [Deferred(action, DeferralCode.WRITTEN, DONE)]
        else:
            left.append(action)
    return replace(plan, actions=tuple(left), deferred=tuple(deferred))


_REPEATED: Final = frozenset({Verb.UPDATE, Verb.ADOPT, Verb.ROLL})
"""What may be to do again although it was done."""


def _names(action: Action, awaited: Collection[Address], context: Context) -> bool:
    """Whether it is only a revision that names what was waited for."""
    revised = bool(action.changes) and all(change.release for change in action.changes)
    if not revised or not context.kinds[action.address.kind].revisions:
        return False
    return not context.desired[action.address].refs().isdisjoint(awaited)


def _rolled(action: Action) -> Action:
    """Only what the rollout does of it."""
    rolls = tuple(change for change in action.changes if change.rolls)
    return replace(action, changes=rolls, tags=TagChange({}, ()))


def _going(plan: Plan) -> set[str]:
    return {action.drop.id for action in plan.deletions()}


# -- what may not be carried out at all


def limits(plan: Plan, context: Context) -> Plan:
    """The plan with a refusal if the stack is suspended, a service cannot move, or the guard forbids so many deletions.

    The approved plan is not checked against the guard again. Further deletions are, together with the approved ones,
    although they are not executed: an account that suddenly needs many is not the one that was approved.
    """
    refusals = list(plan.refusals)
    if context.unreadable:
        refusals.append(Refusal(RefusalCode.UNKNOWN_FORMAT, None, f"the stack is read-only: {context.unreadable}"))
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
        stay = [*immovable(context.world, context.desired, context.kinds, context.deliveries)]
        refusals = [*explained(refusals, stay, context.deliveries)]
        pairs = kept_pairs(plan, context.world, context.desired, context.kinds, context.deliveries)
        refusals += [one for one in pairs if one.address not in {other.address for other in stay}]
        refusals += kept_protocols(context.world, context.desired, context.deliveries)
        refusals = [*refused(refusals, context.world, context.desired, context.deliveries)]
        refusals += guard.check(plan, context.guard) if context.agreed is None else _beyond(plan, context)
    lost = (
        () if context.leaving else lost_pairs(plan, context.world, context.desired, context.kinds, context.deliveries)
    )
    return replace(plan, refusals=tuple(refusals), warnings=(*plan.warnings, *lost))


def _beyond(plan: Plan, context: Context) -> tuple[Refusal, ...]:
    assert context.agreed is not None
    approved = _going(context.agreed)
    more = [one for one in plan.deletions() if one.drop.id not in approved]
    if not more:
        return ()
    return guard.check(replace(context.agreed, actions=(*context.agreed.actions, *more)), context.guard)
