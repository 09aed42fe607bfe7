"""Rollout preview: a dry run that reads and decides, and applies nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from reconciler import errors
from reconciler.model.plan import Plan
from reconciler.model.resource import Address
from reconciler.rollout import engine_change, new_attempt, pre_deployment
from reconciler.rollout.actions import WriteState
from reconciler.rollout.engine import NOTHING, Engine, Phase, Prefetched, RolloutStep, TrafficShifter, Waiting
from reconciler.rollout.new_attempt import OVER
from reconciler.rollout.outlook import Outlook, RolloutPreview
from reconciler.rollout.simulation import timeline_sentence
from reconciler.rollout.state import ObservedService
from reconciler.rollout_driver.driver import RolloutDriver, side_by_side
from reconciler.rollout_driver.targets import NotReady, ServiceRollout
from reconciler.rollout_driver.times import forecast_of


def prospects(
    driver: RolloutDriver,
    rollouts: Iterable[ServiceRollout],
    missing: Mapping[Address, NotReady],
    known: Mapping[Address, Prefetched],
) -> tuple[RolloutPreview, ...]:
    """One preview for each service that exists, or that cannot be started yet.

    `known` is what was just read; AWS is read only for rollouts in progress.
    """
    found = [
        RolloutPreview(address, Outlook.WAITS, lack.because, established=lack.deployed)
        for address, lack in missing.items()
        if not lack.absent
    ]

    def look(rollout: ServiceRollout) -> RolloutPreview:
        return _prospect(driver, rollout, known.get(rollout.address, NOTHING))

    return (*found, *side_by_side(look, rollouts))


def _prospect(driver: RolloutDriver, rollout: ServiceRollout, known: Prefetched) -> RolloutPreview:
    try:
        seen, step = driver.look(rollout, known)
    except errors.AwsError as error:
        return RolloutPreview(rollout.address, Outlook.UNREAD, str(error), where=rollout.delivery.where)
    return preview_of(rollout, seen, step, driver.aws.clock.now())


def preview_of(rollout: ServiceRollout, seen: ObservedService, step: RolloutStep, now: datetime) -> RolloutPreview:
    """Of a service that was observed. Pure."""
    where, policy = rollout.delivery.where, rollout.delivery.policy
    if rollout.change is not None and seen.change is not None:
        then = engine_change.outlook(rollout.change.goal, seen.change)
        outlook = Outlook.ENGINE if step.phase is Phase.CHANGING_ENGINE else Outlook.UNDER_WAY
        said = rollout.change.goal.way
        return RolloutPreview(rollout.address, outlook, step.because, then, said, where, step, seen)
    task = None if rollout.pre_deployment is None else rollout.pre_deployment.task
    again = new_attempt.corrected(seen) or pre_deployment.corrected(task, seen)
    outlook = _outlook(seen, step, again=again)
    because = (outlook is Outlook.WAITS and seen.waits) or step.because
    then = ""
    if outlook is Outlook.NEW:
        name = "" if task is None else task.name
        then = timeline_sentence(policy, seen.desired, ports=rollout.delivery.ports, task=name)
    said = way(rollout.engine, bool(policy.shares))
    again = again and outlook in (Outlook.NEW, Outlook.UNDER_WAY)
    new = outlook in (Outlook.NEW, Outlook.FIRST)
    found = forecast_of(rollout, seen, now) if new else None
    return RolloutPreview(rollout.address, outlook, because, then, said, where, step, seen, again, forecast=found)


def with_attempts(plan: Plan, previews: Iterable[RolloutPreview]) -> Plan:
    """The plan, with the new attempts that follow from the specs."""
    return replace(plan, new_attempts=tuple(sorted(one.address for one in previews if one.new_attempt)))


def _outlook(seen: ObservedService, step: RolloutStep, *, again: bool) -> Outlook:
    """`again`: the specs judge the wanted release by something else than what it was started with."""
    if seen.waits and (step.phase is Phase.IDLE or step.waits_for is Waiting.DEPENDENCY):
        return Outlook.WAITS
    if again and seen.marks.quarantined(seen.wanted):
        return Outlook.NEW
    if any(isinstance(one, WriteState) and _lifts(one, seen.wanted) for one in step.decisions):
        return Outlook.NEW
    quarantined = seen.marks.quarantined(seen.wanted)
    if step.phase in OVER or (quarantined and step.phase is Phase.IDLE):
        return Outlook.GIVEN_UP
    if quarantined:
        return Outlook.UNDER_WAY
    started = seen.marks.task_run is not None
    if step.phase is Phase.INITIAL_DEPLOYMENT or (step.phase is Phase.PRE_DEPLOYMENT and not seen.sets):
        return Outlook.FIRST
    phases = (Phase.IDLE, Phase.SCALING_UP, Phase.PRE_DEPLOYMENT)
    if not seen.waits and _not_begun(seen) and not started and step.phase in phases:
        return Outlook.NEW if seen.marks.suspended is None else Outlook.WAITS
    return Outlook.REST if step.phase is Phase.IDLE else Outlook.UNDER_WAY


def _lifts(write: WriteState, release: str) -> bool:
    """Whether a request has a release that failed tried again."""
    return write.before.quarantined(release) and not write.after.quarantined(release)


def _not_begun(seen: ObservedService) -> bool:
    """Whether no task of the wanted version has been requested."""
    return not any(one.release == seen.wanted for one in seen.sets)


def way(engine: Engine, shared: bool) -> str:
    """The kind of rollout, in the words of the specs."""
    if engine.shifts_traffic is TrafficShifter.NOBODY:
        return engine.name
    return "in steps" if shared else "blue/green"
