"""What is left when nothing is to be brought: sets to clear away, a service at rest, or production in foreign hands."""

from __future__ import annotations

from reconciler.rollout.actions import (
    DeleteTaskSet,
    RolloutAction,
    ScaleTaskSet,
    SetPrimary,
    SetWeights,
    SuspendScaling,
    UpdateHealthCheck,
)
from reconciler.rollout.blue_green.context import FIRST_STAGES, LOOK_EVERY, POLL_EVERY, RolloutContext
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.state import WHOLE, Scaling, TaskSet, all_on
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome, deadline


def ends_at(s: RolloutContext, one: TaskSet) -> Deadline:
    """When the requests that are under way to a set without traffic have ended."""
    return deadline(one.release, DeadlineKind.RETIRE, s.now, s.policy.drain)


def clear(s: RolloutContext) -> RolloutStep:
    """Remove a set that is neither in production nor on its way there, once nothing is under way to it any more."""
    assert s.live is not None
    one = s.left[0]
    phase, why = _whose_end(s, one)
    health = RolloutHealth.DEGRADED if s.marks.quarantined(one.release) else RolloutHealth.PROGRESSING
    first = (*_preferred(s.live), *_followed(s, s.live))
    if first:
        return s.step(phase, why, *first, health=health)
    return retire(s, one, phase, why, health)


def retire(s: RolloutContext, one: TaskSet, phase: Phase, why: str, health: RolloutHealth) -> RolloutStep:
    """Delete a set without traffic: at once if it never had any, else when the requests under way to it have ended."""
    if not spare(s.live, one):
        because = "it stays, for production's own tasks are not healthy"
        return s.step(phase, because, health=RolloutHealth.DEGRADED, wake=LOOK_EVERY)
    due = s.due(one.release)
    if not _had_traffic(one, due) or (due is not None and due.stage is DeadlineKind.RETIRE and due.passed(s.now)):
        superseded = None
        if phase is Phase.SUPERSEDED:
            superseded = s.ended(one.release, Outcome.SUPERSEDED, phase, Actor.SPECS)
        forgotten = s.mark(deadline=None) if due is not None else ()  # the next attempt is not this one
        return s.step(phase, why, DeleteTaskSet(one.id, one.slot), *forgotten, health=health, ended=superseded)
    if due is None or due.stage is not DeadlineKind.RETIRE:
        return s.step(phase, why, *s.mark(deadline=ends_at(s, one)), health=health)
    return s.step(phase, f"{why}; requests under way may end", health=health, wake=due.at)


def spare(live: TaskSet | None, one: TaskSet) -> bool:
    """Never the only healthy side."""
    return (live is not None and live.well > 0) or not one.well


def _had_traffic(one: TaskSet, due: Deadline | None) -> bool:
    """Unless it is known that it never had any."""
    if not one.running and not one.scale:
        return False
    return due is None or due.stage not in FIRST_STAGES or due.weight > 0


def _whose_end(s: RolloutContext, one: TaskSet) -> tuple[Phase, str]:
    ended = s.marks.ended_of(one.release)
    if ended is not None:
        if ended.outcome in (Outcome.FAILED, Outcome.ABORTED):
            return Phase.FAILED, ended.why or "it failed"
        if ended.outcome in (Outcome.ROLLED_BACK, Outcome.FAST_ROLLED_BACK):
            return Phase.ROLLING_BACK, ended.why or "it was rolled back"
    if s.marks.quarantined(one.release):
        return Phase.FAILED, "it is in quarantine"
    return Phase.SUPERSEDED, "another version is wanted"


def rest(s: RolloutContext) -> RolloutStep:
    """Nothing is to be brought. Everything that a rollout borrowed is given back."""
    assert s.live is not None
    phase, why, health = _standing(s, s.live)
    stopping = any(one.draining for one in s.seen.sets)
    if stopping and phase is Phase.IDLE:
        phase, health = Phase.TEARDOWN, RolloutHealth.PROGRESSING
    decisions = _tidied(s, s.live)
    if decisions:
        return s.step(phase, "things are put in order", *decisions, health=health)
    if stopping:
        return s.step(phase, "the tasks of the other side are stopping", health=health)
    if health is RolloutHealth.PROGRESSING:
        return s.step(phase, why, health=health)
    waits_for = Waiting.SPEC if phase is Phase.IDLE else Waiting.PERSON
    return s.step(phase, why, health=health, wake=None, waits_for=waits_for)


def _standing(s: RolloutContext, live: TaskSet) -> tuple[Phase, str, RolloutHealth]:
    wanted = s.seen.wanted
    if s.marks.quarantined(wanted):
        ended = s.marks.ended_of(wanted)
        back = ended is not None and ended.outcome in (Outcome.ROLLED_BACK, Outcome.FAST_ROLLED_BACK)
        reason = ended.why if ended is not None and ended.why else "it is in quarantine"
        because = f"{reason}; {wanted} is not tried again before a new version, or retry"
        return Phase.ROLLED_BACK if back else Phase.FAILED, because, RolloutHealth.DEGRADED
    needed = live.needed(s.seen.desired)
    if live.running != needed or live.pending or not live.steady:
        return Phase.IDLE, f"{live.running} of {needed} tasks run", RolloutHealth.PROGRESSING
    return Phase.IDLE, "what runs is what is wanted", RolloutHealth.HEALTHY


def _tidied(s: RolloutContext, live: TaskSet) -> tuple[RolloutAction, ...]:
    decisions: list[RolloutAction] = [*_preferred(live), *_followed(s, live)]
    if live.scale != WHOLE:
        decisions.append(ScaleTaskSet(live.id, WHOLE))
    if "production" in s.seen.bare and s.seen.production is not None:
        decisions.append(SetWeights("production", s.seen.production, s.seen.production))
    if live.release == s.seen.wanted and not s.seen.tuned[live.slot]:
        decisions.append(UpdateHealthCheck(live.slot))
    if s.seen.scaling is Scaling.SUSPENDED:
        decisions.append(SuspendScaling(suspend=False))
    back = s.marks.rollback_target
    arrived = back is not None and (back.release == live.release or not s.marks.quarantined(s.seen.wanted))
    decisions += s.mark(
        deadline=None,
        hold=None,
        request=s.marks.unheard,
        rollback_target=None if arrived or (back is not None and s.marks.quarantined(back.release)) else back,
    )
    return tuple(decisions)


def _preferred(live: TaskSet) -> tuple[RolloutAction, ...]:
    return () if live.primary else (SetPrimary(live.id),)


def _followed(s: RolloutContext, live: TaskSet) -> tuple[RolloutAction, ...]:
    """Between rollouts the test listener shows what production shows."""
    there = all_on(live.slot)
    if not s.seen.has_test or s.seen.test is None or (s.seen.test == there and "test" not in s.seen.bare):
        return ()
    return (SetWeights("test", there, s.seen.test),)


def blocked(s: RolloutContext, because: str = "") -> RolloutStep:
    """Somebody else moved production. Whatever was meant by it, it is not ours to undo.

    No clock can be trusted any more: each starts anew when it is over, and any side may have requests under way to it.
    """
    if s.seen.deleting:
        return s.step(Phase.BLOCKED, "the service is being deleted", health=RolloutHealth.DEGRADED, wake=POLL_EVERY)
    why = because or "the production listener does not send requests to this service's two target groups alone"
    return s.step(
        Phase.BLOCKED,
        f"{why}: put it back by hand, or say rollback",
        *s.mark(deadline=None),
        health=RolloutHealth.DEGRADED,
        wake=None,
        waits_for=Waiting.PERSON,
    )
