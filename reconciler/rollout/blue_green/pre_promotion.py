"""Until production moves: blue serves, green comes up, is tested, and waits for the word.

start ─► up ─► test ─► gate ─► to (the first share of production)
           └──────┴───────┴──► failed: production was not touched
"""

from __future__ import annotations

from reconciler.rollout.actions import RolloutAction, RunTests, ScaleTaskSet, SetWeights
from reconciler.rollout.blue_green import gates, health, starting
from reconciler.rollout.blue_green.cleanup import clear, ends_at
from reconciler.rollout.blue_green.context import LOOK_EVERY, POLL_EVERY, RolloutContext
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.state import WHOLE, TaskSet, all_on, shared
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome, deadline
from reconciler.rollout.strategy import Promotion

TEST_SLACK = LOOK_EVERY * 12
"""For the listener to change on all of a load balancer's nodes before the tests, and for looking at the end."""


def step(s: RolloutContext) -> RolloutStep:
    if s.green is None:
        return clear(s) if s.left else _start(s)
    if moved_back(s, s.green):
        why = "production went back to blue"
        ended = s.ended(s.green.release, Outcome.ROLLED_BACK, Phase.ROLLING_BACK, Actor.ENGINE, why)
        marks = s.mark(quarantine=s.marks.with_quarantined(s.green.release), ended=ended, deadline=ends_at(s, s.green))
        return s.step(Phase.ROLLING_BACK, why, *marks, health=RolloutHealth.DEGRADED, ended=ended)
    return clear(s) if s.left else _bring(s, s.green)


def _start(s: RolloutContext) -> RolloutStep:
    assert s.live is not None
    if not s.seen.desired:
        because = "no tasks are wanted; the new version comes with the first"
        return s.step(Phase.IDLE, because, health=RolloutHealth.SUSPENDED, wake=None, waits_for=Waiting.SPEC)
    closed = gates.closed(s)
    if closed is not None:
        return s.step(
            Phase.IDLE,
            f"a new version waits: {closed.because}",
            health=closed.health,
            wake=closed.wake_at,
            waits_for=closed.waits_for,
        )
    if not starting.room(s):
        return s.step(Phase.SCALING_UP, "ECS takes no more task sets until one is gone")
    if "production" in s.seen.bare and s.seen.production is not None:
        named = SetWeights("production", s.seen.production, s.seen.production)
        return s.step(Phase.SCALING_UP, "the production listener does not name both target groups", named)
    decisions = starting.begin(s, 1 - s.live.slot, s.policy.scale)
    return s.step(Phase.SCALING_UP, "a new version is wanted", *decisions)


def moved_back(s: RolloutContext, green: TaskSet) -> bool:
    """It had a share of production that it has no more: a person's doing, or ours, cut short before it was noted."""
    due = s.due(green.release)
    if due is None:
        return False
    if due.stage is DeadlineKind.TO:
        return due.weight != s.policy.weights[0]
    return due.stage in (DeadlineKind.AT, DeadlineKind.VERIFY, DeadlineKind.WARM)


def _bring(s: RolloutContext, green: TaskSet) -> RolloutStep:
    if not s.seen.desired:
        because = "no tasks are wanted any more; there is nothing to test or to switch to"
        return s.step(Phase.SCALING_UP, because, health=RolloutHealth.SUSPENDED, waits_for=Waiting.SPEC)
    due = s.due(green.release)
    phase = PHASES.get(due.stage if due is not None else DeadlineKind.UP, Phase.SCALING_UP)
    if green.failed >= s.policy.max_failed_tasks:
        return _fail(s, phase, Actor.ENGINE, f"{green.failed} of its tasks stopped by themselves")
    match due:
        case Deadline(stage=DeadlineKind.UP):
            return _up(s, green, due)
        case Deadline(stage=DeadlineKind.TEST):
            return _test(s, green, due)
        case Deadline(stage=DeadlineKind.GATE):
            return _gate(s, green, due)
        case Deadline(stage=DeadlineKind.TO):
            return _to(s, green, due)
        case _:  # lost: its clock starts anew
            return s.step(Phase.SCALING_UP, "its deadline is to be set", *_again(s, green, had=WHOLE))


PHASES = {
    DeadlineKind.TEST: Phase.TESTING,
    DeadlineKind.GATE: Phase.AWAITING_PROMOTION,
    DeadlineKind.TO: Phase.SHIFTING,
}


def _again(s: RolloutContext, green: TaskSet, had: int) -> tuple[RolloutAction, ...]:
    return s.mark(deadline=deadline(green.release, DeadlineKind.UP, s.now, s.policy.healthy_within, weight=had))


def _up(s: RolloutContext, green: TaskSet, due: Deadline) -> RolloutStep:
    told = health.told(s.seen, green)
    if health.proven(s.policy, s.seen):
        decisions = _shown(s, green)
        if s.policy.tests and not s.going_back:
            wait = s.policy.test_for + TEST_SLACK
            decisions += s.mark(deadline=deadline(green.release, DeadlineKind.TEST, s.now, wait, weight=due.weight))
            return s.step(Phase.TESTING, "green is healthy", *decisions)
        return _passed(s, green, due, decisions, "green is healthy")
    if due.passed(s.now) and s.seen.looks <= 0:
        return _fail(s, Phase.SCALING_UP, Actor.TIMER, f"green never became healthy: {told}")
    return s.step(Phase.SCALING_UP, told, wake=LOOK_EVERY)


def _shown(s: RolloutContext, green: TaskSet) -> tuple[RolloutAction, ...]:
    """The test listener shows green from now on, to the tests and to people."""
    if not s.seen.has_test or s.seen.test in (None, all_on(green.slot)):
        return ()
    return (SetWeights("test", all_on(green.slot), s.seen.test),)


def _test(s: RolloutContext, green: TaskSet, due: Deadline) -> RolloutStep:
    result = s.seen.tested
    if result is not None and result.release == green.release:
        if result.passed:
            return _passed(s, green, due, (), "green is tested")
        return _fail(s, Phase.TESTING, Actor.ENGINE, result.why or "a test on the test listener did not hold")
    if health.broken(s.policy, s.seen):
        return s.step(Phase.SCALING_UP, f"green fell ill: {health.told(s.seen, green)}", *_again(s, green, due.weight))
    shown = _shown(s, green)
    if shown:
        return s.step(Phase.TESTING, "the test listener does not show green", *shown)
    if s.seen.test == all_on(green.slot):
        return s.step(Phase.TESTING, "the tests are run", RunTests(green.release, s.policy.tests))
    why = "the test listener does something that is not ours"
    if due.passed(s.now):
        return _fail(s, Phase.TESTING, Actor.TIMER, why)
    return s.step(Phase.TESTING, why, health=RolloutHealth.DEGRADED, wake=POLL_EVERY)


def _passed(
    s: RolloutContext, green: TaskSet, due: Deadline, decisions: tuple[RolloutAction, ...], because: str
) -> RolloutStep:
    """Healthy and tested: whose word is waited for?"""
    if s.going_back or s.policy.promotion is Promotion.AUTO:
        return s.step(Phase.SHIFTING, because, *decisions, *approve(s, green))
    gate_at = Deadline(green.release, DeadlineKind.GATE, weight=due.weight)
    if s.policy.promotion is Promotion.TIMED:
        gate_at = deadline(green.release, DeadlineKind.GATE, s.now, s.policy.promote_after, weight=due.weight)
    return s.step(Phase.AWAITING_PROMOTION, because, *decisions, *s.mark(deadline=gate_at))


def approve(s: RolloutContext, green: TaskSet, **more: object) -> tuple[RolloutAction, ...]:
    """Green may have the first share of production."""
    first = s.policy.weights[0]
    return s.mark(
        deadline=deadline(green.release, DeadlineKind.TO, s.now, s.policy.healthy_within, weight=first), **more
    )


def _gate(s: RolloutContext, green: TaskSet, due: Deadline) -> RolloutStep:
    phase = Phase.AWAITING_PROMOTION
    if health.broken(s.policy, s.seen):
        # what was approved or waited for was a green that was well
        return s.step(Phase.SCALING_UP, f"green fell ill: {health.told(s.seen, green)}", *_again(s, green, due.weight))
    if not due.passed(s.now):
        person = "for a person" if due.at is None else "for a person, or the clock"
        return s.step(
            phase,
            f"it waits {person}",
            health=RolloutHealth.SUSPENDED,
            waits_for=Waiting.PERSON if due.at is None else Waiting.NOBODY,
        )
    hindrance = gates.held(s) or gates.closed(s)
    if hindrance is not None:
        return s.step(
            phase,
            hindrance.because,
            health=hindrance.health,
            wake=hindrance.wake_at,
            waits_for=hindrance.waits_for,
        )
    if s.seen.looks <= 0:
        return s.step(phase, health.told(s.seen, green), wake=LOOK_EVERY)
    return s.step(Phase.SHIFTING, "its time has come", *approve(s, green))


def _to(s: RolloutContext, green: TaskSet, due: Deadline) -> RolloutStep:
    """The switch: everything has to hold at this very look."""
    if green.scale != WHOLE:
        return s.step(Phase.SHIFTING, "green gets its full size before the switch", ScaleTaskSet(green.id, WHOLE))
    hindrance = gates.first_blocker(s)
    if hindrance is None:
        point = SetWeights("production", shared(green.slot, due.weight), s.seen.production)
        return s.step(Phase.SHIFTING, f"green is well and may have {due.weight} % of production", point)
    if due.passed(s.now) and not hindrance.patient:
        why = f"green was not fit for production in time: {hindrance.because}"
        return _fail(s, Phase.SHIFTING, Actor.TIMER, why)
    return s.step(
        Phase.SHIFTING,
        hindrance.because,
        health=hindrance.health,
        wake=hindrance.wake_at,
        waits_for=hindrance.waits_for,
    )


def _fail(s: RolloutContext, phase: Phase, by: Actor, why: str) -> RolloutStep:
    assert s.green is not None
    ended = s.ended(s.green.release, Outcome.FAILED, phase, by, why)
    marks = s.mark(quarantine=s.marks.with_quarantined(s.green.release), ended=ended)
    return s.step(Phase.FAILED, why, *marks, health=RolloutHealth.DEGRADED, ended=ended)
