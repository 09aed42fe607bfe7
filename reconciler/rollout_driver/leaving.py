"""Rollouts of a stack, with the services that its specs leave out for as long as these are not carried out.

A commit that removes or renames a service may be refused, or withheld. Until then the service is there, and what is
under way in it goes on: by the specs that were carried out last, or else by what AWS shows of it. Nothing is started in
it. A service whose listener or rule is meanwhile that of another one, which was in place, is left to its removal.

A plan that is carried out may leave a service for later, too, until the one that takes its place is healthy. What is
under way in it is watched until then, and goes back if it fails; only a person takes it further.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from reconciler.model import ownership
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Plan, Verb
from reconciler.model.resource import Address, Desired, Observed
from reconciler.model.type_registry import discover
from reconciler.reconcile.pass_ import DesiredState
from reconciler.rollout.engine import TrafficShifter
from reconciler.rollout.observe_engine import engine_of
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.stored_state import KEYS
from reconciler.rollout.strategy import Promotion, Strategy
from reconciler.rollout_driver.held_back import refusal_of
from reconciler.rollout_driver.resolution import ResolutionContext, context_of
from reconciler.rollout_driver.standing import PRODUCTION, TEST, entries_of, parts_of, ports_of
from reconciler.rollout_driver.targets import NotReady, ServiceRollout, restricted, rollouts_of

LEFT_OUT: Final = "the specs leave it out, and {}"
LATER: Final = "the specs leave it out, and it is deleted later: {}"
UNKNOWN: Final = "the specs leave it out, and AWS does not show by which listener or rule its requests come in"


def every_rollout(
    state: DesiredState,
    world: ObservedState,
    *,
    former: Callable[[], Sequence[DesiredState]] = tuple,
    made: Mapping[Address, str] | None = None,
    undone: Collection[Address] = (),
    plan: Plan | None = None,
    commit: str = "",
    withheld: str = "",
    withdrawn: str = "",
) -> tuple[tuple[ServiceRollout, ...], dict[Address, NotReady]]:
    """Those of `rollouts_of`, and those of services that the specs leave out while they are not carried out.

    `former`: the specs that may have been carried out last, the likeliest first.
    """
    stack = state.place.stack
    rollouts, missing = rollouts_of(
        state.deliveries, state.desired, world, stack, made=made, undone=undone, plan=plan, commit=commit,
        withheld=withheld, withdrawn=withdrawn,
    )  # fmt: skip
    because = withheld or refusal_of(plan)
    later = {} if because else _going_later(plan, world)
    if state.leaving or not (because or later):
        return rollouts, missing
    new = {one.subject.production for one in rollouts if not _was_in_place(one.address, world)} - {None}
    taken = {one.subject.production for one in rollouts} - {None} - new
    for deliveries, desired in left_out(state, world, former, only=None if because else later.keys()):
        leaving, lacking = rollouts_of(
            deliveries, desired, world, stack, plan=plan, withheld=LEFT_OUT.format(because), withdrawn=withdrawn
        )
        lacking |= {one.service: NotReady(UNKNOWN, deployed=True) for one in deliveries if _unreached(one)}
        for one in leaving:
            if one.subject.production not in taken and one.address not in lacking:
                goes = later.get(one.address, "")
                goes = goes or (LEFT_OUT.format(because) if one.subject.production in new else "")
                rollouts += (_watched(one, goes, withdrawn) if goes else one,)
        missing |= lacking if because else {}  # else the plan says what the service waits for
    return rollouts, missing


def _going_later(plan: Plan | None, world: ObservedState) -> dict[Address, str]:
    """The services with a rollout under way that a plan deletes later, with the reason."""
    deferred = () if plan is None else plan.deferred
    why = {one.action.address: one.because for one in deferred if one.action.verb is Verb.DELETE}
    there = (one for one in world if one.address in why and _is_under_way(one))
    return {one.address: LATER.format(why[one.address]) for one in there}


def _is_under_way(one: Observed[Any]) -> bool:
    several = one.address.kind == "service" and len(one.facts["task_definitions"]) > 1
    return several or KEYS["deadline"] in one.tags


def _was_in_place(service: Address, world: ObservedState) -> bool:
    return any(one.address == service and one.facts.get("established", True) for one in world)


def _watched(one: ServiceRollout, goes: str, withdrawn: str) -> ServiceRollout:
    """No timer takes a rollout further in a service that goes, where the listener is to be another one's."""
    return restricted(one, withheld=goes, withdrawn=withdrawn or goes)


def with_lookups(state: DesiredState, former: Sequence[DesiredState]) -> tuple[Desired[Any], ...]:
    """What is looked at: also the load balancers of others behind which only services are that the specs leave out, and
    by whose names these are tested.
    """
    declared, kinds = {one.service for one in state.deliveries}, discover()
    found = {one.address: one for one in state.desired}
    for each in former:
        wanted = {one.address: one for one in each.desired}
        parts = [at for one in each.deliveries if one.service not in declared for at in parts_of(one)]
        todo = [ref for part in parts if part in wanted for ref in wanted[part].refs()]
        while todo:
            want = wanted.get(todo.pop())
            if want is not None and kinds[want.address.kind].lookup and want.address not in found:
                found[want.address] = want
                todo += want.refs()
    return tuple(found.values())


def _unreached(spec: RolloutSpec) -> bool:
    return spec.moves_traffic and spec.production is None and not spec.connected


def left_out(
    state: DesiredState,
    world: ObservedState,
    former: Callable[[], Sequence[DesiredState]],
    only: Collection[Address] | None = None,
) -> Iterator[tuple[tuple[RolloutSpec, ...], tuple[Desired[Any], ...]]]:
    """How the services are rolled out that are there and that the specs do not have, with what that refers to: by the
    first of the former specs that has them, or as AWS shows them.

    A service that runs on demand what another one lacks has no rollout of its own, and keeps its count where nothing
    else is known. `only`: restricted to these.
    """
    declared = {one.service for one in state.deliveries}
    context = context_of(state.desired, world, state.place.stack)
    left = {at: one for at, one in sorted(context.found.items()) if at.kind == "service" and at not in declared}
    left = left if only is None else {at: one for at, one in left.items() if at in only}
    for each in former() if left else ():
        deliveries = tuple(one for one in each.deliveries if one.service in left)
        left = {at: one for at, one in left.items() if at not in {spec.service for spec in deliveries}}
        if deliveries:
            yield deliveries, each.desired
    shown = tuple(
        as_found(one, context)
        for one in left.values()
        if KEYS["fallback"] not in one.tags and engine_of(one.facts["item"]) is not None
    )
    yield shown, tuple(want for spec in shown for want in _shown(spec, context))


def as_found(service: Observed[Any], context: ResolutionContext | None = None) -> RolloutSpec:
    """How a service is rolled out, as far as AWS shows it; its listeners only with `context`.

    Nothing shows the strategy: a person promotes, and deadlines that were set hold.
    """
    name, item, policy = service.address.name, service.facts["item"], Strategy(promotion=Promotion.MANUAL)
    engine = engine_of(item)
    if engine is not None:
        policy = replace(policy, engine=engine.name)
    spec = RolloutSpec(service.address, Address("task-definition", name), policy)
    if context is None:
        return spec
    spec = replace(spec, scales=Address("scaling", name) in context.found)
    if not spec.moves_traffic:
        return spec
    entries = entries_of(service, context)
    ecs = spec.engine.shifts_traffic is TrafficShifter.ECS
    return replace(
        spec,
        production=entries[PRODUCTION],
        test=entries[TEST],
        ports=ports_of(entries, context),
        connected=ecs and not item.get("loadBalancers"),
    )


def _shown(spec: RolloutSpec, context: ResolutionContext) -> Iterator[Desired[Any]]:
    """The service and its task definition as if the specs declared what is there."""
    for address in (spec.service, spec.task_definition):
        found = context.found.get(address)
        if found is not None:
            yield Desired(address, found.spec, tags=_of_the_specs(found.tags))


def _of_the_specs(tags: Mapping[str, str]) -> dict[str, str]:
    """Without what is stored of rollouts and requests."""
    kept = (ownership.STACK, ownership.ADDRESS, ownership.MANAGED)
    return {key: value for key, value in tags.items() if not key.startswith(ownership.PREFIX) or key in kept}
