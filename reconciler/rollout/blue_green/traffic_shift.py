"""Traffic shift: from the first share of production to the removal of blue. Until then a rollback is one write.

to w ─► at w ─► … ─► to 100 ─► verify ─► warm ─► blue is removed
   └──────┴─────────────┴──────────┴───────┴──► back to blue
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from reconciler.rollout.actions import CreateTaskSet, DeleteTaskSet, RolloutAction, SetPrimary, SetWeights
from reconciler.rollout.blue_green import gates, health, pre_promotion, zero
from reconciler.rollout.blue_green.cleanup import blocked, ends_at
from reconciler.rollout.blue_green.context import LOOK_EVERY, POLL_EVERY, RolloutContext, newcomer
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep
from reconciler.rollout.release import Version
from reconciler.rollout.state import WHOLE, TaskSet, all_on, shared
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome, RolloutResult, deadline
from reconciler.rollout.strategy import OnNewRevision

SPREADING = timedelta(seconds=15)
"""A change of a listener takes some seconds to reach all nodes of a load balancer."""


def share(s: RolloutContext) -> RolloutStep:
    """Both sides receive production traffic."""
    green, blue = _both(s)
    assert s.seen.production is not None
    weight, due = s.seen.production[green.slot], s.due(green.release)
    if s.marks.quarantined(green.release):
        return blocked(s, "production traffic was moved to a quarantined version")
    if not s.seen.desired and s.target == green.release:
        return zero.wait(s, Phase.SHIFTING)
    if due is None or due.stage not in (DeadlineKind.TO, DeadlineKind.AT):
        return _noticed(s, green, weight)
    if s.target != green.release and (superseded := _superseded(s, green, blue, weight)):
        return superseded
    wrong = health.trouble(s.policy, s.seen, green, s.now)
    if wrong and health.blameless(s.policy, s.seen, green, s.now):
        return _give_way(s, green, blue, Phase.SHIFTING)
    if wrong:
        return _back(s, green, blue, s.ended(green.release, Outcome.ROLLED_BACK, Phase.SHIFTING, Actor.ENGINE, wrong))
    match due.stage:
        case DeadlineKind.AT if due.weight == weight:
            return _at(s, green, due)
        case DeadlineKind.TO if due.weight == weight:
            return _noticed(s, green, weight, ours=True)
        case DeadlineKind.TO if due.weight not in s.policy.weights:
            marks = onwards(s, green, replace(due, weight=weight))
            return s.step(Phase.SHIFTING, "the strategy has other traffic steps now", *marks)
        case DeadlineKind.TO if weight == s.policy.weight_before(due.weight):
            return _onwards(s, green, blue, due)
        case DeadlineKind.TO if weight not in s.policy.weights and (due.weight > weight or blue.well):
            return _onwards(s, green, blue, due)  # the strategy had other steps; blue gets more only if it can serve
        case _:
            return blocked(s, f"green receives {weight} % of production traffic, which is not a step of the strategy")


def _superseded(s: RolloutContext, green: TaskSet, blue: TaskSet, weight: int) -> RolloutStep | None:
    """Another version is wanted: production goes back to blue. If neither is healthy, it goes where more of it is.

    None while green is the one that serves.
    """
    if green.well and not health.can_serve(s.seen, blue, green):
        return None
    if not green.well and not blue.well and 2 * weight > WHOLE:
        point = SetWeights("production", all_on(green.slot), s.seen.production)
        because = "neither version is healthy; making room for a newer version"
        return s.step(Phase.SHIFTING, because, point, health=RolloutHealth.DEGRADED)
    why = "superseded by a newer version"
    ended = s.ended(green.release, Outcome.SUPERSEDED, Phase.SUPERSEDED, Actor.SPECS, why)
    return _going_back(s, green, blue, ended)


def _noticed(s: RolloutContext, green: TaskSet, weight: int, *, ours: bool = False) -> RolloutStep:
    """Record that green receives production traffic. If the record was lost, its deadline starts again.

    `ours`: it is what was to be written, even if the strategy has other steps by now.
    """
    if weight not in s.policy.weights and not ours:
        return blocked(s, f"green receives {weight} % of production traffic, which is not a step of the strategy")
    pause = deadline(green.release, DeadlineKind.AT, s.now, s.policy.pause_at(weight), weight=weight)
    return s.step(Phase.SHIFTING, f"green receives {weight} % of production traffic", *s.mark(deadline=pause))


def recover_orphaned(s: RolloutContext) -> RolloutStep:
    """Part of production traffic goes to a side without tasks, and those requests are lost.

    It moves to the remaining side even if that is not healthy, so that a fix can start in place of what is gone.
    """
    assert s.live is not None
    point = SetWeights("production", all_on(s.live.slot), s.seen.production)
    return s.step(
        Phase.SHIFTING, "moving production traffic off a version that is gone", point, health=RolloutHealth.DEGRADED
    )


def switched(s: RolloutContext) -> RolloutStep:
    """Green receives all production traffic, and blue is still running."""
    assert s.live is not None
    assert s.blue is not None
    live, blue, due = s.live, s.blue, s.due(s.live.release)
    if s.marks.quarantined(live.release) and not s.marks.quarantined(blue.release):
        return blocked(s, "production traffic was moved to a quarantined version")
    if not s.seen.desired and s.target != blue.release:
        return zero.wait(s, Phase.VERIFYING)
    if due is None or due.stage not in (DeadlineKind.VERIFY, DeadlineKind.WARM):
        wait = max(s.policy.verify_for, SPREADING)
        marks = s.mark(deadline=deadline(live.release, DeadlineKind.VERIFY, s.now, wait))
        return s.step(Phase.VERIFYING, "green receives all production traffic", *marks)
    phase = Phase.BAKING if due.stage is DeadlineKind.WARM else Phase.VERIFYING
    reverted = s.target == s.seen.wanted == blue.release != live.release
    if reverted and health.can_serve(s.seen, blue, live):
        why = "the specs were reverted to the previous version"
        return _back(s, live, blue, s.ended(live.release, Outcome.FAST_ROLLED_BACK, phase, Actor.SPECS, why))
    if _taken_over(s) and health.can_serve(s.seen, blue, live):
        why = f"superseded by a newer version: {health.status(s.seen, live)}"
        return _back(s, live, blue, s.ended(live.release, Outcome.SUPERSEDED, phase, Actor.SPECS, why))
    wrong = health.trouble(s.policy, s.seen, live, s.now)
    if phase is Phase.BAKING and not health.broken(s.policy, s.seen, s.now):
        wrong = ""  # alarms and responses are not checked while baking
    if (wrong or _taken_over(s)) and (fix := _in_place_of_blue(s, live, blue, phase)):
        return fix
    if wrong and health.blameless(s.policy, s.seen, live, s.now):
        return _give_way(s, live, blue, phase)
    if wrong:
        return _back(s, live, blue, s.ended(live.release, Outcome.ROLLED_BACK, phase, Actor.ENGINE, wrong))
    return _warm(s, live, blue, due) if phase is Phase.BAKING else _verify(s, live, due)


def _taken_over(s: RolloutContext) -> bool:
    """Whether a newer version waits for this one while it is unhealthy: probably it is the fix."""
    supersedes = s.policy.on_new_revision is OnNewRevision.SUPERSEDE
    return supersedes and s.seen.looks < 0 and bool(newcomer(s))


def _in_place_of_blue(s: RolloutContext, live: TaskSet, blue: TaskSet, phase: Phase) -> RolloutStep | None:
    """The start of a newer version while the one in production is ill and blue cannot take its place, or None.

    Production stays where it is; blue is removed once the newer version has been started.
    """
    supersedes = s.policy.on_new_revision is OnNewRevision.SUPERSEDE
    if not supersedes or not newcomer(s) or health.can_serve(s.seen, blue, live):
        return None
    started = pre_promotion.start(s)
    if not any(isinstance(one, CreateTaskSet) for one in started.decisions):
        return started if started.decisions else None
    why = f"superseded by a newer version: {health.status(s.seen, live)}"
    ended = s.ended(live.release, Outcome.SUPERSEDED, phase, Actor.SPECS, why)
    noted = s.mark(ended=ended, previous=_previous(s, blue))
    return replace(started, decisions=(*noted, *started.decisions), release=s.target, ended=ended)


def roll_back(s: RolloutContext, outcome: Outcome, why: str, **more: Any) -> RolloutStep | None:
    """Roll back on request: traffic first, then the record, in two calls. None if blue has no healthy task."""
    green, blue = (s.green, s.blue) if s.green is not None else (s.live, s.blue)
    if green is None or blue is None or (s.seen.desired and not blue.well):
        return None
    return _going_back(s, green, blue, s.ended(green.release, outcome, Phase.ROLLING_BACK, Actor.PERSON, why), **more)


def _at(s: RolloutContext, green: TaskSet, due: Deadline) -> RolloutStep:
    if not due.passed(s.now):
        return s.step(Phase.SHIFTING, f"monitoring green at {due.weight} % of production traffic", wake=LOOK_EVERY)
    hindrance = gates.withdrawn(s) or gates.first_blocker(s)
    if hindrance is None:
        return s.step(
            Phase.SHIFTING, f"green stayed healthy at {due.weight} % of production traffic", *onwards(s, green, due)
        )
    return s.step(
        Phase.SHIFTING,
        hindrance.because,
        health=hindrance.health,
        wake=hindrance.wake_at,
        waits_for=hindrance.waits_for,
    )


def onwards(s: RolloutContext, green: TaskSet, due: Deadline, **more: Any) -> tuple[RolloutAction, ...]:
    """Allow the next step of the traffic shift."""
    following = s.policy.weight_after(due.weight)
    wait = s.policy.healthy_within
    return s.mark(deadline=deadline(green.release, DeadlineKind.TO, s.now, wait, weight=following), **more)


def _onwards(s: RolloutContext, green: TaskSet, blue: TaskSet, due: Deadline) -> RolloutStep:
    hindrance = gates.first_blocker(s)
    if hindrance is None:
        point = SetWeights("production", shared(green.slot, due.weight), s.seen.production)
        return s.step(Phase.SHIFTING, f"green is healthy; shifting {due.weight} % of production traffic", point)
    longer = pre_promotion.more_time(s, due)
    if due.passed(s.now) and not hindrance.patient and not longer:
        ended = s.ended(green.release, Outcome.ROLLED_BACK, Phase.SHIFTING, Actor.TIMER, hindrance.because)
        return _back(s, green, blue, ended)
    return s.step(
        Phase.SHIFTING,
        hindrance.because,
        *longer,
        health=hindrance.health,
        wake=hindrance.wake_at,
        waits_for=hindrance.waits_for,
    )


def _verify(s: RolloutContext, live: TaskSet, due: Deadline) -> RolloutStep:
    if not due.passed(s.now) or s.seen.looks <= 0:
        because = f"monitoring production: {health.status(s.seen, live)}"
        return s.step(Phase.VERIFYING, because, wake=POLL_EVERY if health.lack(s.seen) else LOOK_EVERY)
    decisions: list[RolloutAction] = [] if live.primary else [SetPrimary(live.id)]
    decisions += s.mark(deadline=deadline(live.release, DeadlineKind.WARM, s.now, s.policy.warm_for))
    return s.step(Phase.BAKING, "verification passed", *decisions)


def _warm(s: RolloutContext, live: TaskSet, blue: TaskSet, due: Deadline) -> RolloutStep:
    if not due.passed(s.now):
        coming = newcomer(s)
        then = f"; {coming} is rolled out next" if coming else ""
        wake = LOOK_EVERY if s.seen.looks < 0 else POLL_EVERY
        return s.step(Phase.BAKING, f"blue keeps running for instant rollback{then}", wake=wake)
    held = gates.held(s) or (None if _finished(s, live) else gates.withdrawn(s))
    if held is not None:
        return s.step(Phase.BAKING, held.because, health=held.health, wake=held.wake_at, waits_for=held.waits_for)
    if s.seen.looks <= 0:
        return s.step(
            Phase.BAKING, f"blue is kept while green is not healthy: {health.status(s.seen, live)}", wake=LOOK_EVERY
        )
    return s.step(Phase.TEARDOWN, "bake time elapsed", *_teardown(s, live, blue), ended=_end(s, live))


def _teardown(s: RolloutContext, live: TaskSet, blue: TaskSet) -> tuple[RolloutAction, ...]:
    return (*s.mark(previous=_previous(s, blue), ended=_end(s, live)), DeleteTaskSet(blue.id, blue.slot))


def _previous(s: RolloutContext, blue: TaskSet) -> Version | None:
    """The version to go back to once blue is gone: blue, unless it failed; the one before if blue was superseded."""
    ended = s.marks.ended_of(blue.release)
    if ended is not None and ended.outcome is Outcome.SUPERSEDED:
        return s.marks.previous
    good = not s.marks.quarantined(blue.release) and bool(blue.task_definition)
    before = Version(blue.release, blue.task_definition) if good else None
    return before if s.live is None else s.marks.previous_of(s.live.release, before)


def _end(s: RolloutContext, live: TaskSet) -> RolloutResult:
    return _finished(s, live) or s.ended(live.release, Outcome.PROMOTED, Phase.BAKING, Actor.TIMER)


def _finished(s: RolloutContext, live: TaskSet) -> RolloutResult | None:
    """The result that a request to finish has recorded."""
    noted = s.marks.ended_of(live.release)
    return noted if noted is not None and noted.outcome is Outcome.FAST_PROMOTED else None


def _back(s: RolloutContext, green: TaskSet, blue: TaskSet, ended: RolloutResult) -> RolloutStep:
    """Roll back, but never to a side that is less healthy: then traffic stays, and the service is degraded."""
    if not health.can_serve(s.seen, blue, green):
        because = f"{ended.why}; not rolled back because blue has only {blue.well} healthy tasks"
        return s.step(Phase(ended.phase), because, health=RolloutHealth.DEGRADED, wake=LOOK_EVERY)
    return _going_back(s, green, blue, ended)


def _give_way(s: RolloutContext, green: TaskSet, blue: TaskSet, phase: Phase) -> RolloutStep:
    """Production goes to blue until green, whose tasks were all interrupted, has been brought up and checked again.

    The deadline comes first: with it alone, the share of green that is found next is an observed fact, not a rollback.
    """
    why = f"all tasks of green were interrupted: {health.status(s.seen, green)}"
    if not health.can_serve(s.seen, blue, green):
        because = f"{why}; blue has no healthy task either"
        return s.step(phase, because, health=RolloutHealth.DEGRADED, wake=LOOK_EVERY)
    again = s.mark(deadline=deadline(green.release, DeadlineKind.UP, s.now, s.policy.healthy_within, weight=WHOLE))
    point = SetWeights("production", all_on(blue.slot), s.seen.production)
    because = f"{why}; blue serves until green is healthy again"
    return s.step(Phase.SCALING_UP, because, *again, point, health=RolloutHealth.DEGRADED)


def _going_back(s: RolloutContext, green: TaskSet, blue: TaskSet, ended: RolloutResult, **more: Any) -> RolloutStep:
    fields: dict[str, Any] = {"ended": ended, "deadline": ends_at(s, green), **more}
    if ended.outcome not in (Outcome.SUPERSEDED, Outcome.FAST_ROLLED_BACK):
        others = fields.get("quarantine", s.marks.quarantine)
        fields["quarantine"] = replace(s.marks, quarantine=others).with_quarantined(green.release)
    point = SetWeights("production", all_on(blue.slot), s.seen.production)
    superseded = ended.outcome is Outcome.SUPERSEDED
    return s.step(
        Phase.SUPERSEDED if superseded else Phase.ROLLING_BACK,
        ended.why,
        point,
        *s.mark(**fields),
        health=RolloutHealth.PROGRESSING if superseded else RolloutHealth.DEGRADED,
        ended=ended,
    )


def _both(s: RolloutContext) -> tuple[TaskSet, TaskSet]:
    assert s.green is not None
    assert s.blue is not None
    return s.green, s.blue
