"""Until production moves: blue serves, green comes up, is tested, and waits for the word.

start ─► up ─► test ─► gate ─► to (the first share of production)
           └──────┴───────┴──► failed: production was not touched
"""

from __future__ import annotations

from reconciler.rollout.actions import Decision, Point, Probe, Resize
from reconciler.rollout.blue_green import gates, health, starting
from reconciler.rollout.blue_green.cleanup import clear, ends_at
from reconciler.rollout.blue_green.context import LOOK_EVERY, POLL_EVERY, Situation
from reconciler.rollout.engine import Health, Phase, Step, Waiting
from reconciler.rollout.state import WHOLE, TaskSet, all_on, shared
from reconciler.rollout.stored_state import Actor, Deadline, Outcome, Stage, deadline
from reconciler.rollout.strategy import Promotion

TEST_SLACK = LOOK_EVERY * 12
"""For the listener to change on all of a load balancer's nodes before the tests, and for looking at the end."""


def step(s: Situation) -> Step:
    if s.green is None:
        return clear(s) if s.left else _start(s)
    if moved_back(s, s.green):
        why = "production went back to blue"
        ended = s.ended(s.green.release, Outcome.ROLLED_BACK, Phase.ROLLING_BACK, Actor.ENGINE, why)
        marks = s.mark(quarantine=s.marks.with_quarantined(s.green.release), ended=ended, deadline=ends_at(s, s.green))
        return s.step(Phase.ROLLING_BACK, why, *marks, health=Health.DEGRADED, ended=ended)
    return clear(s) if s.left else _bring(s, s.green)


def _start(s: Situation) -> Step:
    assert s.live is not None
    if not s.seen.desired:
        because = "no tasks are wanted; the new version comes with the first"
        return s.step(Phase.IDLE, because, health=Health.SUSPENDED, wake=None, waits_for=Waiting.SPEC)
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
        return s.step(Phase.GREEN_UP, "ECS takes no more task sets until one is gone")
    if "production" in s.seen.bare and s.seen.production is not None:
        named = Point("production", s.seen.production, s.seen.production)
        return s.step(Phase.GREEN_UP, "the production listener does not name both target groups", named)
    decisions = starting.begin(s, 1 - s.live.slot, s.policy.scale)
    return s.step(Phase.GREEN_UP, "a new version is wanted", *decisions)


def moved_back(s: Situation, green: TaskSet) -> bool:
    """It had a share of production that it has no more: a person's doing, or ours, cut short before it was noted."""
    due = s.due(green.release)
    if due is None:
        return False
    if due.stage is Stage.TO:
        return due.weight != s.policy.weights[0]
    return due.stage in (Stage.AT, Stage.VERIFY, Stage.WARM)


def _bring(s: Situation, green: TaskSet) -> Step:
    if not s.seen.desired:
        because = "no tasks are wanted any more; there is nothing to test or to switch to"
        return s.step(Phase.GREEN_UP, because, health=Health.SUSPENDED, waits_for=Waiting.SPEC)
    due = s.due(green.release)
    phase = PHASES.get(due.stage if due is not None else Stage.UP, Phase.GREEN_UP)
    if green.failed >= s.policy.max_failed_tasks:
        return _fail(s, phase, Actor.ENGINE, f"{green.failed} of its tasks stopped by themselves")
    match due:
        case Deadline(stage=Stage.UP):
            return _up(s, green, due)
        case Deadline(stage=Stage.TEST):
            return _test(s, green, due)
        case Deadline(stage=Stage.GATE):
            return _gate(s, green, due)
        case Deadline(stage=Stage.TO):
            return _to(s, green, due)
        case _:  # lost: its clock starts anew
            return s.step(Phase.GREEN_UP, "its deadline is to be set", *_again(s, green, had=WHOLE))


PHASES = {Stage.TEST: Phase.TESTING, Stage.GATE: Phase.AWAITING_PROMOTION, Stage.TO: Phase.SHIFTING}


def _again(s: Situation, green: TaskSet, had: int) -> tuple[Decision, ...]:
    return s.mark(deadline=deadline(green.release, Stage.UP, s.now, s.policy.healthy_within, weight=had))


def _up(s: Situation, green: TaskSet, due: Deadline) -> Step:
    told = health.told(s.seen, green)
    if health.proven(s.policy, s.seen):
        decisions = _shown(s, green)
        if s.policy.tests and not s.going_back:
            wait = s.policy.test_for + TEST_SLACK
            decisions += s.mark(deadline=deadline(green.release, Stage.TEST, s.now, wait, weight=due.weight))
            return s.step(Phase.TESTING, "green is healthy", *decisions)
        return _passed(s, green, due, decisions, "green is healthy")
    if due.passed(s.now) and s.seen.looks <= 0:
        return _fail(s, Phase.GREEN_UP, Actor.TIMER, f"green never became healthy: {told}")
    return s.step(Phase.GREEN_UP, told, wake=LOOK_EVERY)


def _shown(s: Situation, green: TaskSet) -> tuple[Decision, ...]:
    """The test listener shows green from now on, to the tests and to people."""
    if not s.seen.has_test or s.seen.test in (None, all_on(green.slot)):
        return ()
    return (Point("test", all_on(green.slot), s.seen.test),)


def _test(s: Situation, green: TaskSet, due: Deadline) -> Step:
    result = s.seen.tested
    if result is not None and result.release == green.release:
        if result.passed:
            return _passed(s, green, due, (), "green is tested")
        return _fail(s, Phase.TESTING, Actor.ENGINE, result.why or "a test on the test listener did not hold")
    if health.broken(s.policy, s.seen):
        return s.step(Phase.GREEN_UP, f"green fell ill: {health.told(s.seen, green)}", *_again(s, green, due.weight))
    shown = _shown(s, green)
    if shown:
        return s.step(Phase.TESTING, "the test listener does not show green", *shown)
    if s.seen.test == all_on(green.slot):
        return s.step(Phase.TESTING, "the tests are run", Probe(green.release, s.policy.tests))
    why = "the test listener does something that is not ours"
    if due.passed(s.now):
        return _fail(s, Phase.TESTING, Actor.TIMER, why)
    return s.step(Phase.TESTING, why, health=Health.DEGRADED, wake=POLL_EVERY)


def _passed(s: Situation, green: TaskSet, due: Deadline, decisions: tuple[Decision, ...], because: str) -> Step:
    """Healthy and tested: whose word is waited for?"""
    if s.going_back or s.policy.promotion is Promotion.AUTO:
        return s.step(Phase.SHIFTING, because, *decisions, *approve(s, green))
    gate_at = Deadline(green.release, Stage.GATE, weight=due.weight)
    if s.policy.promotion is Promotion.TIMED:
        gate_at = deadline(green.release, Stage.GATE, s.now, s.policy.promote_after, weight=due.weight)
    return s.step(Phase.AWAITING_PROMOTION, because, *decisions, *s.mark(deadline=gate_at))


def approve(s: Situation, green: TaskSet, **more: object) -> tuple[Decision, ...]:
    """Green may have the first share of production."""
    first = s.policy.weights[0]
    return s.mark(deadline=deadline(green.release, Stage.TO, s.now, s.policy.healthy_within, weight=first), **more)


def _gate(s: Situation, green: TaskSet, due: Deadline) -> Step:
    phase = Phase.AWAITING_PROMOTION
    if health.broken(s.policy, s.seen):
        # what was approved or waited for was a green that was well
        return s.step(Phase.GREEN_UP, f"green fell ill: {health.told(s.seen, green)}", *_again(s, green, due.weight))
    if not due.passed(s.now):
        person = "for a person" if due.at is None else "for a person, or the clock"
        return s.step(
            phase,
            f"it waits {person}",
            health=Health.SUSPENDED,
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


def _to(s: Situation, green: TaskSet, due: Deadline) -> Step:
    """The switch: everything has to hold at this very look."""
    if green.scale != WHOLE:
        return s.step(Phase.SHIFTING, "green gets its full size before the switch", Resize(green.id, WHOLE))
    hindrance = gates.hindrance(s)
    if hindrance is None:
        point = Point("production", shared(green.slot, due.weight), s.seen.production)
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


def _fail(s: Situation, phase: Phase, by: Actor, why: str) -> Step:
    assert s.green is not None
    ended = s.ended(s.green.release, Outcome.FAILED, phase, by, why)
    marks = s.mark(quarantine=s.marks.with_quarantined(s.green.release), ended=ended)
    return s.step(Phase.FAILED, why, *marks, health=Health.DEGRADED, ended=ended)
