"""Initial deployment: the first one, or the one after everything was lost. There is no blue.

No users are served, so there are no tests, no promotion gate, no bake time and no deployment windows. As soon as a
version serves, the next one has them all, even if the first was not yet found healthy often enough. If it fails there
is nothing to roll back to: its tasks are removed and the empty task set remains as evidence.
"""

from __future__ import annotations

from reconciler.rollout import task_protection
from reconciler.rollout.actions import RolloutAction, ScaleTaskSet, SetPrimary, SetWeights, SuspendScaling
from reconciler.rollout.blue_green import health, pre_promotion, zero
from reconciler.rollout.blue_green.cleanup import drain_and_delete
from reconciler.rollout.blue_green.context import RolloutContext
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.state import Scaling, TaskSet, all_on
from reconciler.rollout.stored_state import Actor, DeadlineKind, Outcome

PHASE = Phase.INITIAL_DEPLOYMENT


def step(s: RolloutContext) -> RolloutStep:
    if not s.target:
        return _rescue(s) or _give_up(s)
    if s.live is not None and _serves(s.live) and s.live.release != s.target:  # the gates apply to the target
        return s.step(PHASE, "another version serves already", SetPrimary(s.live.id))
    candidate = next((one for one in reversed(s.seen.alive) if one.release == s.target and one.scale), None)
    if candidate is None:
        return _rescue(s) or _begin(s)
    return _in_the_way(s, candidate) or _bring(s, candidate)


def _begin(s: RolloutContext) -> RolloutStep:
    idle = next((one for one in s.seen.alive if _idle(s, one)), None)
    if not s.seen.desired and idle is None:
        return zero.wait(s, PHASE, begun=False)
    if not s.seen.desired and idle is not None:
        because = "the desired count is 0; removing the previous version"
        return drain_and_delete(s, idle, PHASE, because, RolloutHealth.PROGRESSING)
    if not pre_promotion.room(s):
        return s.step(PHASE, "the service has the maximum number of task sets; waiting for one to be removed")
    taken = {one.slot for one in s.seen.alive if one.scale}
    free = [slot for slot in _by_traffic(s) if slot not in taken]
    if free and (occupied := task_protection.occupied(s.seen, free[0])):
        because = f"waiting for the target group: {occupied}"
        return s.step(PHASE, because, health=RolloutHealth.DEGRADED, wake=task_protection.LOOK_AGAIN)
    if free:
        return s.step(PHASE, "creating the first task set", *pre_promotion.begin(s, free[0]))
    if idle is None:
        because = "both target groups receive production traffic and serve other versions"
        return s.step(PHASE, because, health=RolloutHealth.DEGRADED)
    return drain_and_delete(s, idle, PHASE, "removing another version from the target group", RolloutHealth.PROGRESSING)


def _bring(s: RolloutContext, candidate: TaskSet) -> RolloutStep:
    due = s.due(s.target)
    if not s.seen.desired:
        return zero.wait(s, PHASE)
    if health.confirmed_healthy(s.policy, s.seen):
        decisions: list[RolloutAction] = []
        if s.seen.production != all_on(candidate.slot) or "production" in s.seen.bare:
            decisions.append(SetWeights("production", all_on(candidate.slot), s.seen.production))
        ended = s.ended(s.target, Outcome.PROMOTED, PHASE, Actor.ENGINE)
        never_up = [one for one in s.seen.alive if one is not candidate and one.scale and not one.well]
        decisions += [ScaleTaskSet(one.id, 0) for one in never_up]
        decisions += [SetPrimary(candidate.id), *s.mark(ended=ended)]
        return s.step(PHASE, "tasks are healthy", *decisions, ended=ended)
    if due is None or due.stage is not DeadlineKind.UP:
        return s.step(PHASE, "tasks started", *s.mark(deadline=pre_promotion.attempt(s)))
    status = health.status(s.seen, candidate)
    if candidate.failed >= s.policy.max_failed_tasks:
        return _fail(s, Actor.ENGINE, f"{candidate.failed} tasks stopped unexpectedly")
    if health.lack(s.seen):
        return s.step(PHASE, status, *pre_promotion.more_time(s, due), health=RolloutHealth.SUSPENDED)
    if due.passed(s.now) and s.seen.looks <= 0 and not health.excused(s.policy, s.seen, s.now):
        return _fail(s, Actor.TIMER, f"not healthy before the deadline: {status}")
    return s.step(PHASE, status, wake=s.look_again)


def _fail(s: RolloutContext, by: Actor, why: str) -> RolloutStep:
    ended = s.ended(s.target, Outcome.FAILED, PHASE, by, why)
    marks = s.mark(quarantine=s.marks.with_quarantined(s.target), ended=ended)
    return s.step(Phase.FAILED, why, *marks, health=RolloutHealth.DEGRADED, ended=ended)


def _give_up(s: RolloutContext) -> RolloutStep:
    """There is nothing to start. A version that failed gets no tasks, unless some are healthy and serve traffic."""
    verdict = s.marks.verdict_of(s.seen.wanted)
    why = verdict.why if verdict is not None else ""
    because = why or "this version failed before; `reconciler retry` or a new version starts another attempt"
    phase, state, waits_for = Phase.FAILED, RolloutHealth.DEGRADED, Waiting.PERSON
    if s.seen.waits and not s.marks.quarantined(s.seen.wanted):
        because = f"the new version is waiting: {s.seen.waits}"
        phase, state, waits_for = PHASE, RolloutHealth.SUSPENDED, Waiting.DEPENDENCY
    failing = [one for one in s.seen.alive if one.scale and one.healthy is not None and not one.well]
    decisions: list[RolloutAction] = [ScaleTaskSet(one.id, 0) for one in failing]
    if not decisions and s.live is not None and not s.live.primary and s.live is s.seen.newest:
        decisions += [SetPrimary(s.live.id)] if health.confirmed_healthy(s.policy, s.seen) else []
    if not decisions and s.seen.scaling is Scaling.SUSPENDED:
        decisions.append(SuspendScaling(suspend=False))
    if not decisions:
        decisions += s.mark(deadline=None, hold=None, request=s.marks.pending_request)
    return s.step(phase, because, *decisions, health=state, wake=None, waits_for=waits_for)


def _serves(live: TaskSet) -> bool:
    """Whether users are served, so that it is protected although it was not found healthy often enough yet."""
    return live.well > 0


def _rescue(s: RolloutContext) -> RolloutStep | None:
    """Production has no healthy task and the other side has: shift traffic to it."""
    if s.live is not None and (s.live.healthy is None or s.live.well):
        return None
    others = [one for one in s.seen.alive if one.well and one.scale and s.seen.production != all_on(one.slot)]
    if not others:
        return None
    best = max(others, key=lambda one: (one.well, one.born))
    if best is s.seen.newest and not health.confirmed_healthy(s.policy, s.seen):
        return None
    point = SetWeights("production", all_on(best.slot), s.seen.production)
    return s.step(
        PHASE,
        "production has no healthy tasks; shifting traffic to the version that has",
        point,
        health=RolloutHealth.DEGRADED,
    )


def _in_the_way(s: RolloutContext, candidate: TaskSet) -> RolloutStep | None:
    """Remove a younger task set without traffic, because observations would be counted for it."""
    for one in s.seen.alive:
        if one is not candidate and one.born >= candidate.born and _idle(s, one):
            return drain_and_delete(
                s, one, PHASE, "removing another version that is not serving traffic", RolloutHealth.PROGRESSING
            )
    return None


def _idle(s: RolloutContext, one: TaskSet) -> bool:
    return s.seen.production is not None and not s.seen.production[one.slot]


def _by_traffic(s: RolloutContext) -> list[int]:
    """The slots, first one without tasks of another service, which the new one may replace; then by traffic.

    Where there are some in both, the one with less of the traffic comes first.
    """
    production, strangers = s.seen.production, s.seen.strangers
    assert production is not None
    return sorted((0, 1), key=lambda slot: (strangers[slot] > 0, production[slot] * (1 if strangers[slot] else -1)))
