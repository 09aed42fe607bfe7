"""Status of one service: what was observed, the next step of its rollout, and what stands beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.cli.journals import Kept
    from reconciler.cli.rollout_session import RolloutSession
    from reconciler.model.observed_state import ObservedState
    from reconciler.model.plan import Action, Deferred, Plan
    from reconciler.reconcile.held_counts import HeldCount
    from reconciler.rollout.engine import Prefetched, RolloutStep
    from reconciler.rollout.forecast import Forecast
    from reconciler.rollout.requests import RequestVerb
    from reconciler.rollout.state import ObservedService
    from reconciler.rollout_driver.targets import ServiceRollout
    from reconciler.store.task_stops import TaskStop

RECENT = timedelta(days=1)
"""Age up to which tasks that have stopped are shown; `events` shows the others."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service as it was observed, the next step of its rollout, and the requests that it would accept.

    `warnings` are about a count of 0 that the specs do not state, containers that failed although their tasks run, and
    what ECS would need for the next deployment and has lost. `stops` are the tasks that stopped by themselves in the
    last day, as far as the store knows.
    `deferred` follows the release. `pending` are changes to the service and its scaling that are not made yet, such as
    a count that was changed in the account. `held` is a count that is held in place of the specs'.
    `forecast` is that of a rollout in progress.
    """

    rollout: ServiceRollout
    observed: ObservedService
    step: RolloutStep
    verbs: tuple[RequestVerb, ...]
    warnings: tuple[str, ...] = ()
    deferred: tuple[Deferred, ...] = ()
    pending: tuple[Action, ...] = ()
    held: HeldCount | None = None
    stops: tuple[TaskStop, ...] = ()
    forecast: Forecast | None = None


def service_status(
    session: RolloutSession,
    rollout: ServiceRollout,
    plan: Plan,
    journals: Kept,
    known: Prefetched | None = None,
    *,
    examined: bool = True,
) -> ServiceStatus:
    """`known` is what was just read of the service. `examined`: what takes calls of its own is looked at, too."""
    from reconciler.cli.rollout_session import rollout_warnings, without_tasks
    from reconciler.reconcile.lost_pairs import lost_pairs
    from reconciler.rollout.engine import NOTHING
    from reconciler.rollout.engine_change import OVER_ROLLING

    observed, step = session.driver.look(rollout, known or NOTHING)
    idle = without_tasks(session.stack, rollout, observed) if step.at_rest else ()
    target, kinds = session.stack.target, session.stack.kinds
    lost = lost_pairs(plan, session.world, target.wanted, kinds, (rollout.delivery,))
    told = tuple(note.because for note in lost if OVER_ROLLING not in step.because)
    warnings = idle + (rollout_warnings(session.stack, rollout) if examined else ()) + told
    stops, now = journals.stops_of(str(rollout.address)), session.stack.aws.clock.now()
    return status_of(rollout, observed, step, plan, session.world, now, warnings, stops)


def status_of(
    rollout: ServiceRollout,
    observed: ObservedService,
    step: RolloutStep,
    plan: Plan,
    world: ObservedState,
    now: datetime,
    warnings: tuple[str, ...] = (),
    stops: tuple[TaskStop, ...] = (),
) -> ServiceStatus:
    """Pure. `stops` are all that are kept of the service."""
    from reconciler.model.plan import DeferralCode
    from reconciler.reconcile import input_notes
    from reconciler.reconcile.followers import followers
    from reconciler.reconcile.held_counts import of_tags
    from reconciler.rollout.engine import RolloutHealth
    from reconciler.rollout_driver.times import forecast_of

    verbs: tuple[RequestVerb, ...] = ()
    if not observed.marks.unreadable:
        verbs = rollout.allowed_requests(observed, now)
    mine = set(followers(rollout.delivery))
    warnings += tuple(note.because for note in input_notes.lost(world, rollout.delivery.task_definition))
    warnings += tuple(f"{one.address}: {one.because}" for one in plan.warnings if one.rule and one.address in mine)
    with_release = [entry for entry in plan.deferred if entry.code is DeferralCode.WITH_RELEASE]
    deferred = tuple(entry for entry in with_release if entry.action.address in mine)
    pending = tuple(action for action in plan.actions if action.address in mine and not action.only_rolls)
    if pending and step.at_rest and step.health is RolloutHealth.HEALTHY:
        step = replace(step, health=RolloutHealth.SUSPENDED, because="it differs from the specs")
    service = next((one for one in world.found.get("service", ()) if one.address == rollout.address), None)
    held = None if service is None else of_tags(service.tags)
    held = held if held is not None and held.holds(now) else None
    recent = tuple(one for one in stops if one.at >= now - RECENT)
    begun = observed.marks.times_of(step.release) is not None
    forecast = forecast_of(rollout, observed, now) if begun else None
    return ServiceStatus(rollout, observed, step, verbs, warnings, deferred, pending, held, recent, forecast)
