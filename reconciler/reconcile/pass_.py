"""One pass: observe, plan, filter, execute. The controller repeats it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from reconciler import errors, events
from reconciler.aws.client import AwsClient
from reconciler.log import log
from reconciler.model.guard import Guard
from reconciler.model.meanwhile import current
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Action, Plan, PlanStep
from reconciler.model.planner import Consent, draft
from reconciler.model.resource import Address, Desired, Observed
from reconciler.model.resource_type import Depth
from reconciler.model.type_registry import ResourceTypes
from reconciler.reconcile import held_counts, input_notes
from reconciler.reconcile.drift import Drift, DriftRule
from reconciler.reconcile.executor import StepOutcome, execute
from reconciler.reconcile.expectations import UNSEEN, Expectations
from reconciler.reconcile.filters import Context, filtered
from reconciler.reconcile.observe import StackId, made_meanwhile, observe, owned_ids
from reconciler.reconcile.request_tags import RequestTags, candidates, merged
from reconciler.rollout.spec import RolloutSpec


@dataclass(frozen=True, slots=True)
class DesiredState:
    """The desired state of a stack. `leaving`: everything is to be deleted, and `desired` only says where to look.

    `deliveries` are the services to roll out once their dependencies exist. `rules` are the drift rules. `only`: the
    patterns of what is to be done, if not all of it is (reconcile/selection.py).
    """

    place: StackId
    desired: tuple[Desired[Any], ...]
    guard: Guard = field(default_factory=Guard)
    consent: Consent = field(default_factory=Consent)
    leaving: bool = False
    deliveries: tuple[RolloutSpec, ...] = ()
    rules: tuple[DriftRule, ...] = ()
    only: tuple[str, ...] = ()

    def current(self, world: ObservedState) -> DesiredState:
        """What is wanted of it while just what is in `world` exists."""
        present = {one.address for one in world if UNSEEN not in one.facts}
        return replace(
            self,
            desired=current(self.desired, present),
            deliveries=tuple(delivery.current(present) for delivery in self.deliveries),
        )

    @property
    def wanted(self) -> dict[Address, Desired[Any]]:
        """The desired resources by address; none if the stack is to be deleted."""
        return {} if self.leaving else {want.address: want for want in self.desired}


def look(
    aws: AwsClient,
    kinds: ResourceTypes,
    desired_state: DesiredState,
    *,
    depth: Depth = Depth.FULL,
    expectations: Expectations | None = None,
) -> tuple[ObservedState, Plan]:
    """Observe and plan without memory. Writes nothing.

    `expectations`: writes of this process; without them every read is believed.
    """
    world = observe(
        aws,
        kinds,
        desired_state.place,
        desired_state.desired,
        depth=depth,
        expectations=expectations,
        leaving=desired_state.leaving,
    )
    return world, planned(desired_state, world, kinds, at=aws.clock.now())[0]


def planned(
    desired_state: DesiredState, world: ObservedState, kinds: ResourceTypes, *, at: datetime, **known: Any
) -> tuple[Plan, tuple[Drift, ...]]:
    """The plan from `world` to `desired_state` after all filters, and the drift in it. `at` is the present time.

    `known` are the fields of `filters.Context` that only a running controller or an approved plan has.
    """
    desired_state = desired_state.current(world)
    declared, tags = desired_state.wanted, tags_of(desired_state, world)
    wanted, world = held_counts.with_held(declared, world, at), held_counts.with_limits(declared, world)
    context = Context(
        world, wanted, kinds, desired_state.deliveries, desired_state.guard, desired_state.rules,
        leaving=desired_state.leaving, only=desired_state.only,
        **{"suspended_by": tags.suspended, "unreadable": tags.unreadable, **known},
    )  # fmt: skip
    serving = _serving(desired_state.deliveries, world, kinds)
    whole = draft(
        desired_state.place.stack, tuple(wanted.values()), world, kinds, consent=desired_state.consent, serving=serving
    )
    whole = replace(whole, allowed=_allowed(desired_state))
    found, drifts = filtered(
        replace(whole, warnings=(*whole.warnings, *held_counts.notes(declared, world, at))), context
    )
    found = replace(found, warnings=(*found.warnings, *input_notes.rotations(found, world), *input_notes.lost(world)))
    log.debug(events.PLANNED, actions=len(found.actions), refusals=len(found.refusals), digest=found.digest[:7])
    return found, drifts


def _allowed(desired_state: DesiredState) -> tuple[str, ...]:
    guard, consent = desired_state.guard, desired_state.consent
    only = [f"only {pattern}" for pattern in sorted(set(desired_state.only))]
    return (
        f"max-delete {guard.max_delete}",
        f"max-delete-percent {guard.max_delete_percent}",
        f"delete-images {consent.delete_images}",
        *(f"replace {address}" for address in sorted(map(str, consent.replace))),
        *only,
    )


def _serving(
    deliveries: Iterable[RolloutSpec], world: ObservedState, kinds: ResourceTypes
) -> dict[Address, frozenset[str]]:
    """What each service has tasks in, in any version, by the listeners and rules of its requests."""
    uses = {
        one.address: kinds["service"].in_use(one) for one in world.found.get("service", ()) if UNSEEN not in one.facts
    }
    return {
        entry: uses[delivery.service]
        for delivery in deliveries
        for entry in (delivery.production, delivery.test)
        if entry is not None and delivery.service in uses
    }


def tags_of(desired_state: DesiredState, world: ObservedState) -> RequestTags:
    """The stack-wide tags of its services."""
    addresses = {want.address for want in desired_state.desired}
    return merged(candidates(world.found.get("service", ()), desired_state.place.stack, addresses))


def check_refusals(plan: Plan) -> None:
    """Raises `errors.Refused` if `plan` contains a refusal."""
    if plan.refusals:
        because = "; ".join(refusal.because for refusal in plan.refusals)
        raise errors.Refused(because, code=plan.refusals[0].code)


def act(
    aws: AwsClient,
    kinds: ResourceTypes,
    desired_state: DesiredState,
    world: ObservedState,
    todo: Plan,
    *,
    stop: threading.Event | None = None,
    on_start: Callable[[PlanStep, Action], None] | None = None,
    on_end: Callable[[StepOutcome], None] | None = None,
    expectations: Expectations | None = None,
) -> tuple[StepOutcome, ...]:
    """Execute `todo`, which was planned from `world`.

    Raises `errors.Refused` if the plan contains a refusal: then nothing is written.
    """
    check_refusals(todo)
    aws.mine.add(*sorted(owned_ids(world, desired_state.place.stack, desired_state.wanted)))

    def again(want: Desired[Any], old: Observed[Any] | None = None) -> Observed[Any] | None:
        return made_meanwhile(aws, kinds, desired_state.place, world, want, old)

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
