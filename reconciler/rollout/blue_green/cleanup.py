"""Cleanup: task sets to remove, a stable service, and production traffic that was changed outside the controller."""

from __future__ import annotations

from reconciler.rollout import task_protection
from reconciler.rollout.actions import (
    DeleteTaskSet,
    RolloutAction,
    SetPrimary,
    SetWeights,
    SuspendScaling,
    UpdateHealthCheck,
)
from reconciler.rollout.blue_green.context import FIRST_STAGES, LOOK_EVERY, POLL_EVERY, RolloutContext
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting, quarantined
from reconciler.rollout.state import ObservedService, Scaling, TaskSet, all_on
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome, deadline


def ends_at(s: RolloutContext, one: TaskSet) -> Deadline:
    """The deadline for in-flight requests to a task set that no longer receives traffic."""
    return deadline(one.release, DeadlineKind.RETIRE, s.now, s.policy.drain)


def clear(s: RolloutContext) -> RolloutStep:
    """Remove a task set that is neither in production nor on its way there, after draining its connections."""
    assert s.live is not None
    one = removable(s) or s.left[0]
    phase, why = _removal_reason(s, one)
    health = RolloutHealth.DEGRADED if s.marks.quarantined(one.release) else RolloutHealth.PROGRESSING
    first = (*_preferred(s.live), *_followed(s, s.live))
    if first:
        return s.step(phase, why, *first, health=health)
    return drain_and_delete(s, one, phase, why, health)


def drain_and_delete(s: RolloutContext, one: TaskSet, phase: Phase, why: str, health: RolloutHealth) -> RolloutStep:
    """Delete a task set without traffic: immediately if it never had any, otherwise after connection draining."""
    if not may_remove(s.seen, one):
        because = "kept because the tasks in production are not healthy"
        return s.step(phase, because, health=RolloutHealth.DEGRADED, wake=LOOK_EVERY)
    due = s.due(one.release)
    unused = not s.seen.desired and not one.running
    if (
        unused
        or not _had_traffic(one, due)
        or (due is not None and due.stage is DeadlineKind.RETIRE and due.passed(s.now))
    ):
        superseded = None
        if phase is Phase.SUPERSEDED:
            superseded = s.ended(one.release, Outcome.SUPERSEDED, phase, Actor.SPECS)
        forgotten = s.mark(deadline=None) if due is not None else ()  # the next attempt gets its own deadline
        return s.step(phase, why, DeleteTaskSet(one.id, one.slot), *forgotten, health=health, ended=superseded)
    if due is None or due.stage is not DeadlineKind.RETIRE:
        return s.step(phase, why, *s.mark(deadline=ends_at(s, one)), health=health)
    return s.step(phase, f"{why}; draining connections", health=health, wake=due.at)


def may_remove(seen: ObservedService, one: TaskSet) -> bool:
    """Whether a task set may be removed: never the only healthy one."""
    return not one.well or any(other.well for other in seen.alive if other is not one)


def removable(s: RolloutContext) -> TaskSet | None:
    """The next task set to remove, or None."""
    return next((one for one in s.left if may_remove(s.seen, one)), None)


def _had_traffic(one: TaskSet, due: Deadline | None) -> bool:
    """Whether it may have received production traffic; True unless it is known that it never did."""
    if not one.running and not one.scale:
        return False
    return due is None or due.stage not in FIRST_STAGES or due.weight > 0


def _removal_reason(s: RolloutContext, one: TaskSet) -> tuple[Phase, str]:
    ended = s.marks.verdict_of(one.release) or s.marks.ended_of(one.release)
    if ended is not None:
        if ended.outcome in (Outcome.FAILED, Outcome.ABORTED):
            return Phase.FAILED, ended.why or "the rollout failed"
        if ended.outcome in (Outcome.ROLLED_BACK, Outcome.FAST_ROLLED_BACK):
            return Phase.ROLLING_BACK, ended.why or "the release was rolled back"
    if s.marks.quarantined(one.release):
        return Phase.FAILED, "the release is quarantined"
    if s.live is not None and one.scale and one.born < s.live.born:
        return Phase.TEARDOWN, "removing the previous version, in whose place a newer one starts"
    return Phase.SUPERSEDED, "superseded by another version"


def rest(s: RolloutContext) -> RolloutStep:
    """No rollout in progress. Restores scaling, health checks and the test listener."""
    assert s.live is not None
    phase, why, health = _standing(s, s.live)
    stopping = next((one for one in s.seen.sets if one.draining), None)
    if stopping is not None and phase is Phase.IDLE:
        phase, health = Phase.TEARDOWN, RolloutHealth.PROGRESSING
    decisions = _tidied(s, s.live)
    if decisions:
        return s.step(phase, "restoring scaling, health check and test listener", *decisions, health=health)
    protected = task_protection.reason(s.seen.sets)
    if protected and phase in (Phase.IDLE, Phase.TEARDOWN):
        because = why if stopping is None else f"release {stopping.release[:6]} cannot be removed: {protected}"
        return s.step(phase, because, health=RolloutHealth.SUSPENDED, wake=task_protection.LOOK_AGAIN)
    if stopping is not None:
        return s.step(phase, f"tasks of release {stopping.release[:6]} are stopping", health=health)
    if health is RolloutHealth.PROGRESSING:
        return s.step(phase, why, health=health)
    waits_for = Waiting.PERSON
    if phase is Phase.IDLE:
        waits_for = Waiting.DEPENDENCY if s.seen.waits else Waiting.SPEC
    return s.step(phase, why, health=health, wake=None, waits_for=waits_for)


def _standing(s: RolloutContext, live: TaskSet) -> tuple[Phase, str, RolloutHealth]:
    wanted = s.seen.wanted
    if s.marks.quarantined(wanted):
        verdict = s.marks.verdict_of(wanted)
        back = verdict is not None and verdict.outcome in (Outcome.ROLLED_BACK, Outcome.FAST_ROLLED_BACK)
        reason = verdict.why if verdict is not None and verdict.why else s.marks.rejection_of(wanted)
        return Phase.ROLLED_BACK if back else Phase.FAILED, quarantined(wanted, reason), RolloutHealth.DEGRADED
    needed = live.needed(s.seen.desired)
    if live.running != needed or live.pending or not live.steady:
        protected = task_protection.reason([live])
        because = f"{live.running} of {needed} tasks running{protected and f'; {protected}'}"
        return Phase.IDLE, because, RolloutHealth.PROGRESSING
    if s.seen.waits:
        return Phase.IDLE, f"the new version is waiting: {s.seen.waits}", RolloutHealth.SUSPENDED
    return Phase.IDLE, "up to date", RolloutHealth.HEALTHY


def _tidied(s: RolloutContext, live: TaskSet) -> tuple[RolloutAction, ...]:
    decisions: list[RolloutAction] = [*_preferred(live), *_followed(s, live)]
    if "production" in s.seen.bare and s.seen.production is not None:
        decisions.append(SetWeights("production", s.seen.production, s.seen.production))
    if live.release == s.seen.wanted:  # and an empty target group has the same health check again
        free = {0, 1} - {one.slot for one in s.seen.sets}
        decisions += [UpdateHealthCheck(slot) for slot in sorted({live.slot} | free) if not s.seen.tuned[slot]]
    if s.seen.scaling is Scaling.SUSPENDED:
        decisions.append(SuspendScaling(suspend=False))
    back = s.marks.rollback_target
    arrived = back is not None and (back.release == live.release or s.seen.startable)
    decisions += s.mark(
        deadline=None,
        hold=None,
        request=s.marks.pending_request,
        restart=s.marks.restart_after(live.release, s.seen.wanted),
        rollback_target=None if arrived or (back is not None and s.marks.quarantined(back.release)) else back,
    )
    return tuple(decisions)


def _preferred(live: TaskSet) -> tuple[RolloutAction, ...]:
    return () if live.primary else (SetPrimary(live.id),)


def _followed(s: RolloutContext, live: TaskSet) -> tuple[RolloutAction, ...]:
    """Between rollouts the test listener forwards to the version in production."""
    there = all_on(live.slot)
    if not s.seen.has_test or s.seen.test is None or (s.seen.test == there and "test" not in s.seen.bare):
        return ()
    return (SetWeights("test", there, s.seen.test),)


def blocked(s: RolloutContext, because: str = "") -> RolloutStep:
    """Production traffic was changed outside the controller, which leaves it as it is.

    Stored deadlines are no longer reliable, so they are cleared and start again afterwards; either side may have
    requests in flight.
    """
    if s.seen.deleting:
        return s.step(Phase.BLOCKED, "the service is being deleted", health=RolloutHealth.DEGRADED, wake=POLL_EVERY)
    why = because or "the production listener does not forward to exactly this service's two target groups"
    way = "" if s.seen.production is None else " or run `reconciler rollback`"
    return s.step(
        Phase.BLOCKED,
        f"{why}; restore the listener by hand{way}",
        *s.mark(deadline=None),
        health=RolloutHealth.DEGRADED,
        wake=None,
        waits_for=Waiting.PERSON,
    )
