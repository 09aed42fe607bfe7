"""One pass: observe, plan, filter, execute. Whoever drives it, and again, is the controller."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reconciler import errors, events
from reconciler.aws.client import AwsClient
from reconciler.log import log
from reconciler.model.guard import Guard
from reconciler.model.plan import Action, Plan, PlanStep
from reconciler.model.planner import Consent, ObservedState, draft
from reconciler.model.resource import Address, Desired
from reconciler.model.resource_type import Depth, ResourceTypes
from reconciler.reconcile.drift import Drift, DriftRule
from reconciler.reconcile.executor import StepOutcome, execute
from reconciler.reconcile.expectations import Expectations
from reconciler.reconcile.filters import Context, filtered
from reconciler.reconcile.observe import StackId, made_meanwhile, observe, owned_ids
from reconciler.reconcile.request_tags import heard, places
from reconciler.rollout.spec import RolloutSpec


@dataclass(frozen=True, slots=True)
class DesiredState:
    """Everything that a pass is asked for. `leaving`: all of it is to go, and `desired` only says where to look.

    `deliveries` are the services whose versions are rolled out once what they stand on is there (rollouts.py).
    `rules` say what becomes of drift.
    """

    place: StackId
    desired: tuple[Desired[Any], ...]
    guard: Guard = field(default_factory=Guard)
    consent: Consent = field(default_factory=Consent)
    leaving: bool = False
    deliveries: tuple[RolloutSpec, ...] = ()
    rules: tuple[DriftRule, ...] = ()

    @property
    def wanted(self) -> dict[Address, Desired[Any]]:
        """By address what is to be there; nothing of a stack that is leaving."""
        return {} if self.leaving else {want.address: want for want in self.desired}


def look(
    aws: AwsClient,
    kinds: ResourceTypes,
    wish: DesiredState,
    *,
    depth: Depth = Depth.FULL,
    expectations: Expectations | None = None,
) -> tuple[ObservedState, Plan]:
    """Observe and plan as somebody does who remembers nothing. Writes nothing.

    `expectations`: what this process has written before; without them it believes what it reads.
    """
    world = observe(aws, kinds, wish.place, wish.desired, depth=depth, expectations=expectations)
    return world, planned(wish, world, kinds)[0]


def planned(
    wish: DesiredState, world: ObservedState, kinds: ResourceTypes, **known: Any
) -> tuple[Plan, tuple[Drift, ...]]:
    """What makes `world` what `wish` says and may be done now, and the drift in it.

    `known` are the fields of `filters.Context` that only a process with a memory, or with a person's yes, can fill.
    """
    wanted = wish.wanted
    context = Context(
        world, wanted, kinds, wish.deliveries, wish.guard, wish.rules, leaving=wish.leaving,
        **{"suspended_by": suspended_by(wish, world), **known},
    )  # fmt: skip
    whole = draft(wish.place.stack, tuple(wanted.values()), world, kinds, consent=wish.consent)
    found, drifts = filtered(whole, context)
    log.debug(events.PLANNED, actions=len(found.actions), refusals=len(found.refusals), digest=found.digest[:7])
    return found, drifts


def suspended_by(wish: DesiredState, world: ObservedState) -> str:
    """Who suspended the stack, as its services' tags have it; empty where nobody did."""
    addresses = {want.address for want in wish.desired}
    return heard(places(world.found.get("service", ()), wish.place.stack, addresses)).suspended


def check_refusals(plan: Plan) -> None:
    """Raises `errors.Refused` where `plan` may not be carried out."""
    if plan.refusals:
        because = "; ".join(refusal.because for refusal in plan.refusals)
        raise errors.Refused(because, code=plan.refusals[0].code)


def act(
    aws: AwsClient,
    kinds: ResourceTypes,
    wish: DesiredState,
    world: ObservedState,
    todo: Plan,
    *,
    stop: threading.Event | None = None,
    on_start: Callable[[PlanStep, Action], None] | None = None,
    on_end: Callable[[StepOutcome], None] | None = None,
    expectations: Expectations | None = None,
) -> tuple[StepOutcome, ...]:
    """Carry out `todo`, which was made from `world`.

    Raises `errors.Refused` when the plan holds a refusal: nothing is written then.
    """
    check_refusals(todo)
    aws.mine.add(*sorted(owned_ids(world, wish.place.stack, wish.wanted)))

    def again(want: Desired[Any]) -> bool:
        return made_meanwhile(aws, kinds, wish.place, world, want)

    return execute(
        todo,
        aws,
        kinds,
        stop=stop,
        on_start=on_start,
        on_end=on_end,
        expectations=expectations,
        made_meanwhile=again,
    )
