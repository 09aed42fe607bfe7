"""Rollout phases before promotion: blue serves, green scales up, is tested, and waits for promotion.

start ─► up ─► test ─► gate ─► to (the first share of production)
           └──────┴───────┴──► failed: production was not touched

It is one module because these phases share their deadlines and their ways to fail.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from reconciler.rollout import task_protection
from reconciler.rollout.actions import (
    CreateTaskSet,
    RolloutAction,
    RunTests,
    ScaleTaskSet,
    SetWeights,
    SuspendScaling,
    UpdateHealthCheck,
)
from reconciler.rollout.blue_green import gates, health, zero
from reconciler.rollout.blue_green.cleanup import clear, ends_at, removable
from reconciler.rollout.blue_green.context import LOOK_EVERY, POLL_EVERY, RolloutContext
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.state import MOST_SETS, WHOLE, Scaling, TaskSet, all_on, shared
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome, deadline
from reconciler.rollout.strategy import Promotion

ONE_DAY: Final = timedelta(days=1)

TEST_SLACK = LOOK_EVERY * 12
"""Time for the listener change to reach all nodes of the load balancer, and for the last observation."""


def step(s: RolloutContext) -> RolloutStep:
    if s.green is None:
        cleared = clear(s) if s.left else None
        if cleared is None or (not cleared.decisions and _unserved(s)):
            return start(s)
        return cleared
    if moved_back(s, s.green):
        why = "production traffic was moved back to blue"
        ended = s.ended(s.green.release, Outcome.ROLLED_BACK, Phase.ROLLING_BACK, Actor.ENGINE, why)
        marks = s.mark(quarantine=s.marks.with_quarantined(s.green.release), ended=ended, deadline=ends_at(s, s.green))
        return s.step(Phase.ROLLING_BACK, why, *marks, health=RolloutHealth.DEGRADED, ended=ended)
    # observations are counted for the newest task set
    kept = removable(s) is None and s.green is s.seen.newest
    return clear(s) if s.left and not kept else _bring(s, s.green)


def _unserved(s: RolloutContext) -> bool:
    """Whether the version in production has no healthy task, so that the target is started beside what has to stay."""
    assert s.live is not None
    return bool(s.flight and s.seen.desired) and s.live.healthy is not None and not s.live.well


def start(s: RolloutContext) -> RolloutStep:
    """Start the target in the slot without production, unless something holds it back."""
    assert s.live is not None
    if not s.seen.desired:
        return zero.take_over(s)
    closed = gates.closed(s)
    if closed is not None:
        return s.step(
            Phase.IDLE,
            f"a new version is waiting: {closed.because}",
            health=closed.health,
            wake=closed.wake_at,
            waits_for=closed.waits_for,
        )
    if not room(s):
        return s.step(
            Phase.SCALING_UP, "the service has the maximum number of task sets; waiting for one to be removed"
        )
    occupied = task_protection.occupied(s.seen, 1 - s.live.slot)
    if occupied:
        because = f"a new version is waiting for its target group: {occupied}"
        return s.step(Phase.IDLE, because, health=RolloutHealth.SUSPENDED, wake=task_protection.LOOK_AGAIN)
    for name, now in (("production", s.seen.production), ("test", s.seen.test if s.seen.has_test else None)):
        if name in s.seen.bare and now is not None:
            named = SetWeights(name, now if name == "production" else all_on(s.live.slot), now)
            return s.step(Phase.SCALING_UP, f"naming both target groups, and no others, in the {name} listener", named)
    decisions = begin(s, 1 - s.live.slot, s.policy.scale)
    return s.step(Phase.SCALING_UP, "starting the new version", *decisions)


def room(s: RolloutContext) -> bool:
    """Whether another task set fits; ECS counts the ones being deleted too."""
    return len(s.seen.sets) + s.seen.others < MOST_SETS


def begin(s: RolloutContext, slot: int, scale: int = WHOLE) -> tuple[RolloutAction, ...]:
    """The actions up to the creation. The stored deadline names the attempt: a retry creates the same task set."""
    decisions: list[RolloutAction] = []
    if s.seen.scaling is Scaling.ACTIVE:
        decisions.append(SuspendScaling(suspend=True))
    due = attempt(s)
    if s.seen.production is not None and s.seen.production[slot]:
        due = replace(due, weight=WHOLE)  # its target group receives production traffic already
    decisions += s.mark(deadline=due)
    definition = ""
    if s.going_back:  # its target group still has its health check
        assert s.marks.rollback_target is not None
        definition, scale = s.marks.rollback_target.task_definition, WHOLE
    elif not s.seen.tuned[slot]:
        decisions.append(UpdateHealthCheck(slot))
    assert due.at is not None
    decisions.append(CreateTaskSet(s.target, slot, scale, str(int(due.at.timestamp())), definition))
    return tuple(decisions)


def attempt(s: RolloutContext) -> Deadline:
    """The deadline for green to become healthy: the stored one, or a new one if that belonged to another attempt.

    A create request is repeated with identical parameters until the task set is visible.
    """
    due = s.due(s.target)
    first = not any(one.release == s.target for one in s.seen.sets)
    if first and due is not None and due.stage is DeadlineKind.UP and not due.passed(s.now):
        return due
    return deadline(s.target, DeadlineKind.UP, s.now, s.policy.healthy_within)


def more_time(s: RolloutContext, due: Deadline) -> tuple[RolloutAction, ...]:
    """A later deadline while AWS has no capacity: at least half of the time is left once it has."""
    wait = s.policy.healthy_within
    if not health.lack(s.seen) or due.at is None or due.at - s.now > wait / 2:
        return ()
    return s.mark(deadline=deadline(due.release, due.stage, s.now, wait, weight=due.weight))


def moved_back(s: RolloutContext, green: TaskSet) -> bool:
    """It had a share of production traffic and has none any more: changed outside, or a rollback not yet recorded."""
    due = s.due(green.release)
    if due is None:
        return False
    if due.stage is DeadlineKind.TO:
        return due.weight in s.policy.weights[1:]
    return due.stage in (DeadlineKind.AT, DeadlineKind.VERIFY, DeadlineKind.WARM)


def _bring(s: RolloutContext, green: TaskSet) -> RolloutStep:
    due = s.due(green.release)
    phase = PHASES.get(due.stage if due is not None else DeadlineKind.UP, Phase.SCALING_UP)
    if not s.seen.desired:
        return zero.wait(s, Phase.SCALING_UP)
    if green.failed >= s.policy.max_failed_tasks:
        return _fail(s, phase, Actor.ENGINE, f"{green.failed} tasks stopped unexpectedly")
    match due:
        case Deadline(stage=DeadlineKind.UP):
            return _up(s, green, due)
        case Deadline(stage=DeadlineKind.TEST):
            return _test(s, green, due)
        case Deadline(stage=DeadlineKind.GATE):
            return _gate(s, green, due)
        case Deadline(stage=DeadlineKind.TO):
            return _to(s, green, due)
        case _:  # lost: the timer starts again
            return s.step(Phase.SCALING_UP, "setting the deadline", *_again(s, green, had=WHOLE))


PHASES = {
    DeadlineKind.TEST: Phase.TESTING,
    DeadlineKind.GATE: Phase.AWAITING_PROMOTION,
    DeadlineKind.TO: Phase.SHIFTING,
}


def _again(s: RolloutContext, green: TaskSet, had: int) -> tuple[RolloutAction, ...]:
    return s.mark(deadline=deadline(green.release, DeadlineKind.UP, s.now, s.policy.healthy_within, weight=had))


def _up(s: RolloutContext, green: TaskSet, due: Deadline) -> RolloutStep:
    status = health.status(s.seen, green)
    if health.confirmed_healthy(s.policy, s.seen):
        decisions = _shown(s, green)
        if s.policy.tests and not s.going_back:
            wait = s.policy.test_for + TEST_SLACK
            decisions += s.mark(deadline=deadline(green.release, DeadlineKind.TEST, s.now, wait, weight=due.weight))
            return s.step(Phase.TESTING, "green is healthy", *decisions)
        return _passed(s, green, due, decisions, "green is healthy")
    if health.lack(s.seen):
        longer = more_time(s, due)
        return s.step(Phase.SCALING_UP, status, *longer, health=RolloutHealth.SUSPENDED)
    if due.passed(s.now) and s.seen.looks <= 0 and not health.excused(s.policy, s.seen, s.now):
        return _fail(s, Phase.SCALING_UP, Actor.TIMER, f"green did not become healthy before the deadline: {status}")
    return s.step(Phase.SCALING_UP, status, wake=s.look_again)


def _shown(s: RolloutContext, green: TaskSet) -> tuple[RolloutAction, ...]:
    """Point the test listener to green, for the tests and for users who want to try it."""
    if not s.seen.has_test or s.seen.test in (None, all_on(green.slot)):
        return ()
    return (SetWeights("test", all_on(green.slot), s.seen.test),)


def _test(s: RolloutContext, green: TaskSet, due: Deadline) -> RolloutStep:
    result = s.seen.tested
    if result is not None and result.release == green.release:
        if result.passed:
            return _passed(s, green, due, (), "tests passed")
        return _fail(s, Phase.TESTING, Actor.ENGINE, result.why or "a test on the test listener failed")
    if health.broken(s.policy, s.seen, s.now):
        return s.step(
            Phase.SCALING_UP, f"green became unhealthy: {health.status(s.seen, green)}", *_again(s, green, due.weight)
        )
    shown = _shown(s, green)
    if shown:
        return s.step(Phase.TESTING, "pointing the test listener to green", *shown)
    if s.seen.test == all_on(green.slot):
        return s.step(Phase.TESTING, "running tests", RunTests(green.release, s.policy.tests))
    why = "the test listener forwards to unmanaged targets"
    if due.passed(s.now):
        return _fail(s, Phase.TESTING, Actor.TIMER, why)
    return s.step(Phase.TESTING, why, health=RolloutHealth.DEGRADED, wake=POLL_EVERY)


def _passed(
    s: RolloutContext, green: TaskSet, due: Deadline, decisions: tuple[RolloutAction, ...], because: str
) -> RolloutStep:
    """Healthy and tested: promote it, or wait for promotion."""
    if s.going_back or (s.policy.promotion is Promotion.AUTO and not s.seen.withdrawn):
        return s.step(Phase.SHIFTING, because, *decisions, *approve(s, green))
    return s.step(Phase.AWAITING_PROMOTION, because, *decisions, *s.mark(deadline=_gate_at(s, green, due)))


def _gate_at(s: RolloutContext, green: TaskSet, due: Deadline) -> Deadline:
    """The gate; only a timed one opens by itself."""
    if s.policy.promotion is Promotion.TIMED:
        return deadline(green.release, DeadlineKind.GATE, s.now, s.policy.promote_after, weight=due.weight)
    return Deadline(green.release, DeadlineKind.GATE, weight=due.weight)


def approve(s: RolloutContext, green: TaskSet, **more: object) -> tuple[RolloutAction, ...]:
    """Allow the first share of production traffic."""
    first = s.policy.weights[0]
    return s.mark(
        deadline=deadline(green.release, DeadlineKind.TO, s.now, s.policy.healthy_within, weight=first), **more
    )


def _gate(s: RolloutContext, green: TaskSet, due: Deadline) -> RolloutStep:
    phase = Phase.AWAITING_PROMOTION
    if health.broken(s.policy, s.seen, s.now):
        # promotion applies to a healthy version only
        return s.step(
            Phase.SCALING_UP, f"green became unhealthy: {health.status(s.seen, green)}", *_again(s, green, due.weight)
        )
    declared = s.policy.promotion
    if declared is not Promotion.AUTO and (due.at is not None) is not (declared is Promotion.TIMED):
        changed = s.mark(deadline=_gate_at(s, green, due))
        return s.step(phase, f"promotion is {declared} now", *changed, health=RolloutHealth.SUSPENDED)
    automatic = declared is Promotion.AUTO  # it waits because it was withdrawn
    if not due.passed(s.now) and not automatic:
        return s.step(
            phase,
            _waiting(s, due),
            health=RolloutHealth.SUSPENDED,
            waits_for=Waiting.PERSON if due.at is None or s.held else Waiting.NOBODY,
        )
    hindrance = gates.held(s) or gates.withdrawn(s) or gates.closed(s)
    if hindrance is not None:
        return s.step(
            phase,
            hindrance.because,
            health=hindrance.health,
            wake=hindrance.wake_at,
            waits_for=hindrance.waits_for,
        )
    if s.seen.looks <= 0:
        return s.step(phase, health.status(s.seen, green), wake=LOOK_EVERY)
    because = "green is healthy" if automatic else "promotion timer elapsed"
    return s.step(Phase.SHIFTING, because, *approve(s, green))


def _waiting(s: RolloutContext, due: Deadline) -> str:
    held = gates.held(s)
    if held is not None:
        return f"waiting for promotion, {held.because}"
    if due.at is None:
        return "waiting for promotion"
    day = "%a %d %b " if s.policy.promote_after >= ONE_DAY else ""
    return f"waiting for promotion (automatic at {due.at:{day}%H:%M} UTC)"


def _to(s: RolloutContext, green: TaskSet, due: Deadline) -> RolloutStep:
    """The traffic shift: every precondition has to hold in this observation."""
    if due.weight != s.policy.weights[0]:
        return s.step(Phase.SHIFTING, "the strategy has other traffic steps now", *approve(s, green))
    if green.scale != WHOLE:
        return s.step(Phase.SHIFTING, "scaling green to full size before traffic shifts", ScaleTaskSet(green.id, WHOLE))
    hindrance = gates.first_blocker(s)
    if hindrance is None:
        point = SetWeights("production", shared(green.slot, due.weight), s.seen.production)
        return s.step(Phase.SHIFTING, f"green is healthy; shifting {due.weight} % of production traffic", point)
    longer = more_time(s, due)
    if due.passed(s.now) and not hindrance.patient and not longer:
        why = f"green was not ready for production before the deadline: {hindrance.because}"
        return _fail(s, Phase.SHIFTING, Actor.TIMER, why)
    return s.step(
        Phase.SHIFTING,
        hindrance.because,
        *longer,
        health=hindrance.health,
        wake=hindrance.wake_at,
        waits_for=hindrance.waits_for,
    )


def _fail(s: RolloutContext, phase: Phase, by: Actor, why: str) -> RolloutStep:
    assert s.green is not None
    ended = s.ended(s.green.release, Outcome.FAILED, phase, by, why)
    marks = s.mark(quarantine=s.marks.with_quarantined(s.green.release), ended=ended)
    return s.step(Phase.FAILED, why, *marks, health=RolloutHealth.DEGRADED, ended=ended)
