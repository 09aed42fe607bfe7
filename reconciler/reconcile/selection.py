"""Selection: the part of a plan that `--only` names, with what it needs. A plan filter. Pure.

    patterns ──► selected ──► needed: what it refers to, what routes its requests, what has to be done before
                              the rest is left out, and listed

A pattern is an address, a pattern over addresses as in a drift rule, or the name of a service or task, which stands for
it and for what bears its name and refers to it, such as its scaling.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from reconciler.model import ordering, ownership
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Action, Plan
from reconciler.model.resource import Address, Desired
from reconciler.model.type_registry import ResourceTypes
from reconciler.rollout.spec import RolloutSpec

if TYPE_CHECKING:
    from reconciler.reconcile.filters import Context


def candidates(desired: Iterable[Address], world: ObservedState, stack: str) -> frozenset[Address]:
    """What may be selected: what is declared, and what the stack has."""
    return frozenset(desired) | {one.address for one in world if ownership.owner(one.tags) == stack}


def workloads(
    known: Iterable[Address], deliveries: Iterable[RolloutSpec], kinds: ResourceTypes
) -> dict[str, frozenset[Address]]:
    """The services and tasks among what is known, by their names."""
    services = {delivery.service for delivery in deliveries}
    found: dict[str, set[Address]] = defaultdict(set)
    for address in known:
        if address in services or kinds[address.kind].runs_to_completion:
            found[address.name].add(address)
    return {name: frozenset(several) for name, several in found.items()}


def matching(pattern: str, known: Iterable[Address], named: Mapping[str, frozenset[Address]]) -> frozenset[Address]:
    """The addresses that a pattern stands for; of a name, those of the service and the task, which are `named`."""
    if "/" in pattern:
        return frozenset(address for address in known if fnmatchcase(str(address), pattern))
    return named.get(pattern, frozenset())


def narrowed(plan: Plan, context: Context) -> Plan:
    """Only what is selected and what that needs. `only` of the plan are these addresses, `left_out` the rest of it."""
    if not context.only:
        return plan
    only = _needed(plan, context)
    kept = tuple(action for action in plan.actions if action.address in only)
    left = [action for action in plan.actions if action.address not in only]
    left += [one.action for one in plan.deferred if one.action.address not in only]
    return replace(
        plan,
        actions=kept,
        only=only,
        left_out=tuple(left),
        deferred=tuple(one for one in plan.deferred if one.action.address in only),
        waiting=tuple(note for note in plan.waiting if note.address in only),
        unsettled=tuple(note for note in plan.unsettled if note.address in only),
        failed=tuple(note for note in plan.failed if note.address in only),
        warnings=tuple(note for note in plan.warnings if note.address in only),
    )


def concerned(plan: Plan) -> Plan:
    """Without the refusals of what was left out; those of the whole stack hold."""
    if plan.only is None:
        return plan
    only = plan.only
    return replace(plan, refusals=tuple(one for one in plan.refusals if one.address is None or one.address in only))


def _needed(plan: Plan, context: Context) -> frozenset[Address]:
    known = candidates(context.desired, context.world, plan.stack)
    named = workloads(known, context.deliveries, context.kinds)
    selected = {address for pattern in context.only for address in matching(pattern, known, named)}
    selected |= set(_named(selected, context))
    before = _before(plan, context)
    deliveries = {delivery.service: delivery for delivery in context.deliveries}
    found, left = set[Address](), list(selected)
    while left:
        address = left.pop()
        if address not in found:
            found.add(address)
            left += before.get(address, ())
            left += _uses(address, context.desired, deliveries.get(address))
    return frozenset(found)


def _named(selected: Set[Address], context: Context) -> Iterator[Address]:
    """Of what is selected by its name: what bears the same name and refers to it."""
    named = {address for address in selected if address.name in context.only}
    for want in context.desired.values():
        if want.address.name in context.only and not want.refs().isdisjoint(named):
            yield want.address


def _uses(address: Address, desired: Mapping[Address, Desired[Any]], delivery: RolloutSpec | None) -> Iterator[Address]:
    want = desired.get(address)
    if want is not None:
        yield from want.refs() | want.after
    if delivery is not None:
        routes = (delivery.production, delivery.test)
        yield from (delivery.task_definition, *delivery.groups, *delivery.images)
        yield from (route for route in routes if route is not None)
        if delivery.pre_deployment is not None:
            yield from delivery.pre_deployment.refs()


def _before(plan: Plan, context: Context) -> dict[Address, set[Address]]:
    """What has to be done before the actions on an address. Whole kinds that come first are no needs of single ones."""
    actions: tuple[Action, ...] = plan.actions
    found: dict[Address, set[Address]] = defaultdict(set)
    for step, before in ordering.edges(actions, context.desired, context.kinds).items():
        found[step.address] |= {one.address for one in before.single}
    return found
