"""What ECS has done by itself: a deployment that has ended, that was created by somebody else, or that ECS cannot undo.
Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.rollout.actions import RolloutAction, stored
from reconciler.rollout.blue_green import context, health
from reconciler.rollout.blue_green.context import FIRST_STAGES, POLL_EVERY
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.engines.ecs_native import hooks
from reconciler.rollout.engines.ecs_native.actions import StopDeployment
from reconciler.rollout.engines.ecs_native.facts import Deployment, HookAction, NativeService, Status
from reconciler.rollout.release import Version
from reconciler.rollout.request_handler import reason
from reconciler.rollout.requests import Request, RequestVerb, Response
from reconciler.rollout.state import UNNAMED, WHOLE, all_on
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome, RolloutResult
from reconciler.rollout.strategy import Strategy

UNDOING: Final = (RequestVerb.ROLLBACK, RequestVerb.ABORT)
ONE_SECOND: Final = timedelta(seconds=1)
BEFORE_THE_GATE: Final = timedelta(minutes=1)
"""From when a version that is not healthy is not let through by ECS's own timer."""

SUPERSEDED: Final = "superseded by a newer version"


# -- somebody else's


def foreign_deployment(seen: NativeService) -> Deployment | None:
    """An active deployment of no release that is being rolled out: of an unknown revision, or of the same one again."""
    found, live, due = seen.active, seen.marks.live, seen.marks.deadline
    if found is None or found.going_back or live is None or seen.deleting:
        return None
    begun = due is not None and due.release == found.release
    again = (
        found.release == live.release and not begun and len(seen.alive) > 1
    )  # else the first one's, in its bake time
    return found if found.release == UNNAMED or again else None


def foreign(seen: NativeService, active: Deployment, now: datetime) -> RolloutStep:
    """Nothing is decided before it is over; a request to roll back or abort stops it."""
    because = "a deployment was created outside reconciler; continue or stop it in ECS"
    release = next((one.release for one in seen.alive if one.primary), "")
    asked = seen.marks.pending_request
    decisions: tuple[RolloutAction, ...] = ()
    if asked is not None and asked.verb in UNDOING:
        response = stored(seen.marks, {"response": Response(asked.id)})
        decisions, because = (StopDeployment(active.id), *response), reason(asked)
    wake = now if decisions else now + POLL_EVERY
    return RolloutStep(Phase.BLOCKED, decisions, wake, because, RolloutHealth.DEGRADED, release)


# -- ours, at its end


def ended(policy: Strategy, seen: NativeService, now: datetime) -> RolloutStep | None:
    """The step that records how our deployment has ended, unless that is recorded, or another attempt is due. One that
    is rolled back has ended as soon as that begins.
    """
    ours, due = seen.deployment, seen.marks.deadline
    if ours is None or (ours.active and not ours.going_back):
        return None
    if due is None or due.stage is DeadlineKind.RETIRE or due.release != ours.release:
        return None
    if seen.marks.suspended is not None or _gives_way(policy, ours, due):
        return None
    noted = seen.marks.ended_of(ours.release)
    if (noted is not None and noted.at + ONE_SECOND >= ours.born) or _is_another(policy, seen, ours, due):
        return None
    result = _result(seen, ours, now)
    fields: dict[str, Any] = {"ended": result, "deadline": None, "started": None, "attempt": None}
    phase, state = Phase.TEARDOWN, RolloutHealth.PROGRESSING
    if result.outcome is Outcome.PROMOTED:
        live, promoted = seen.marks.live, Version(ours.release, ours.task_definition)
        before = live if live is not None and live.release != ours.release else seen.marks.previous
        fields["previous"] = seen.marks.previous_of(ours.release, before)
        fields["live"] = promoted if ours.task_definition else live
    elif result.outcome is Outcome.SUPERSEDED:
        phase = Phase.SUPERSEDED
    else:
        phase = Phase.ROLLING_BACK if result.outcome is Outcome.ROLLED_BACK else Phase.FAILED
        state = RolloutHealth.DEGRADED
        if not _for_want_of_a_rule(seen, result) and not _for_want_of_capacity(seen, result):
            fields["quarantine"] = seen.marks.with_quarantined(ours.release)
    asked = _undoing(seen, ours, now)
    if asked is not None:
        fields["response"] = Response(asked.id)
    marks = stored(seen.marks, fields, seen.judges)
    because = result.why or "ECS has finished the deployment"
    return RolloutStep(phase, marks, now, because, state, ours.release, ended=result)


def _is_another(policy: Strategy, seen: NativeService, ours: Deployment, due: Deadline) -> bool:
    """Whether the deadline is that of a later attempt, which has not created its deployment yet. It does not say
    itself when that began: `extend` moves it, and so may a change of the strategy.
    """
    if due.stage is not DeadlineKind.UP or due.at is None or ours.finished is None:
        return False
    attempt = seen.marks.attempt
    known = attempt is not None and attempt.release == ours.release
    return ours.finished <= (attempt.at if attempt is not None and known else due.at - policy.healthy_within)


def _gives_way(policy: Strategy, ours: Deployment, due: Deadline) -> bool:
    """Whether it was stopped only because all tasks of green were interrupted: the deadline of the next attempt was
    stored on the way, and says that green had production.
    """
    if due.stage is not DeadlineKind.UP or due.at is None or due.weight != WHOLE or not ours.shifts:
        return False
    return ours.born < due.at - policy.healthy_within


def giving_way(policy: Strategy, seen: NativeService, now: datetime) -> RolloutStep | None:
    """Nothing is decided before ECS has taken back a version whose tasks were all interrupted; then it starts again."""
    ours, due = seen.active, seen.marks.deadline
    if ours is None or not ours.going_back or due is None or due.release != ours.release:
        return None
    if not _gives_way(policy, ours, due):
        return None
    then = "it starts again afterwards" if ours.release == seen.wanted else "another version is wanted by now"
    because = f"all tasks of green were interrupted, and ECS rolls the deployment back; {then}"
    return RolloutStep(Phase.SCALING_UP, (), now + POLL_EVERY, because, RolloutHealth.DEGRADED, ours.release)


def _undoing(seen: NativeService, ours: Deployment, now: datetime) -> Request | None:
    """The request for which it was stopped, if this process's predecessor did not get to answer it.

    What is over asks for more: to go back from a version that was promoted, or to another one than the previous.
    """
    asked = seen.marks.pending_request
    if asked is None or asked.verb not in UNDOING or asked.to or asked.stale(now):
        return None
    return asked if asked.release == ours.release and ours.status is not Status.SUCCESSFUL else None


def _result(seen: NativeService, ours: Deployment, now: datetime) -> RolloutResult:
    at = now.replace(microsecond=0)
    due = seen.marks.deadline
    shifted = ours.shifts or (due is not None and due.stage not in FIRST_STAGES and not ours.rejected)
    phase = Phase.SHIFTING if shifted else Phase.TESTING if ours.rejected else Phase.SCALING_UP
    if ours.status is Status.SUCCESSFUL:
        return RolloutResult(ours.release, Outcome.PROMOTED, Phase.BAKING, at, Actor.TIMER)
    if seen.marks.live is None:
        why = next((one.reason for one in seen.sets if one.id == ours.target and one.reason), ours.why)
        return RolloutResult(ours.release, Outcome.FAILED, Phase.INITIAL_DEPLOYMENT, at, Actor.ENGINE, _said(why))
    asked = _undoing(seen, ours, now)
    if asked is not None:
        back = shifted and asked.verb is RequestVerb.ROLLBACK
        outcome = Outcome.ROLLED_BACK if back else Outcome.ABORTED
        phase = Phase.ROLLING_BACK if shifted else Phase.FAILED
        return RolloutResult(ours.release, outcome, phase, at, Actor.PERSON, reason(asked))
    superseded = ours.stopped and ours.release != seen.wanted and seen.startable
    if superseded or ours.status in (Status.STOPPED, Status.STOP_REQUESTED):
        return RolloutResult(ours.release, Outcome.SUPERSEDED, phase, at, Actor.SPECS, SUPERSEDED)
    outcome = Outcome.ROLLED_BACK if shifted else Outcome.FAILED
    return RolloutResult(ours.release, outcome, phase, at, Actor.ENGINE, _said(ours.why))


def _for_want_of_a_rule(seen: NativeService, result: RolloutResult) -> bool:
    """Whether ECS has rolled back what it could not have deployed, whichever version it was (pair.py). That starts
    again once ECS has been given what there is.
    """
    return bool(seen.lost) and result.outcome is Outcome.FAILED and result.by is Actor.ENGINE


def _for_want_of_capacity(seen: NativeService, result: RolloutResult) -> bool:
    """Whether ECS has taken back what it found no room for, whichever version it was."""
    return bool(seen.lacked) and result.by is Actor.ENGINE


def _said(why: str) -> str:
    return f"ECS: {why.rstrip('.')}" if why else "ECS rolled the deployment back"


# -- what ECS is about to do


def ill_at_the_gate(policy: Strategy, seen: NativeService, now: datetime) -> RolloutStep | None:
    """The tests have passed, and green has become unhealthy since: ECS would promote it all the same, at its time."""
    active, due, green = seen.active, seen.marks.deadline, seen.target
    if active is None or green is None or due is None or due.release != green.release or seen.looks > 0:
        return None
    gate = hooks.gate(active)
    if gate is None or gate.then is not HookAction.CONTINUE or hooks.tests(active) is not None:
        return None
    if due.stage not in FIRST_STAGES or gate.expires - now > BEFORE_THE_GATE or not health.at_fault(seen, green):
        return None
    s = context.of(policy, seen, now)
    why = f"green is not healthy, and ECS is about to promote it: {health.status(seen, green)}"
    ended = s.ended(green.release, Outcome.FAILED, Phase.AWAITING_PROMOTION, Actor.ENGINE, why)
    marks = s.mark(quarantine=s.marks.with_quarantined(green.release), ended=ended)
    stop = StopDeployment(active.id)
    return s.step(Phase.FAILED, why, stop, *marks, health=RolloutHealth.DEGRADED, ended=ended)


def untestable(policy: Strategy, seen: NativeService, now: datetime) -> RolloutStep | None:
    """Green waits for its tests, and ECS has lost what it needs for them: it is taken back, and is not to blame."""
    active, due, green = seen.active, seen.marks.deadline, seen.target
    if not seen.lost or active is None or green is None or due is None or due.release != green.release:
        return None
    if due.stage is not DeadlineKind.TEST or hooks.tests(active) is None:
        return None
    s = context.of(policy, seen, now)
    ended = s.ended(green.release, Outcome.FAILED, Phase.TESTING, Actor.ENGINE, seen.lost)
    marks = s.mark(ended=ended, deadline=None, started=None, attempt=None)
    stop = StopDeployment(active.id)
    return s.step(Phase.FAILED, seen.lost, stop, *marks, health=RolloutHealth.DEGRADED, ended=ended)


# -- what only a person can mend


def stuck(seen: NativeService) -> RolloutStep | None:
    """ECS could not roll a deployment back, and neither continues nor repeats it: until one version is left, which has
    all of production.
    """
    found, alive = seen.deployment, seen.alive
    if found is None or found.status is not Status.ROLLBACK_FAILED or seen.marks.live is None:
        return None
    if len(alive) == 1 and seen.production == all_on(alive[0].slot):
        return None
    production = "unmanaged targets"
    if seen.production is not None:
        production = " and ".join(
            f"{weight} % to target group {slot + 1}" for slot, weight in enumerate(seen.production) if weight
        )
    runs = ", ".join(f"{one.task_definition} with {one.running} tasks in target group {one.slot + 1}"
                     for one in seen.sets)  # fmt: skip
    remedy = "Restore the service in ECS, then `reconciler retry` or deploy another version"
    if seen.lost and seen.stranded:  # the rolling deployment that replaces the pair removes these tasks as well
        remedy = f"Production is served; {seen.lost}"
    because = (
        f"ECS could not roll back the deployment of {found.task_definition}: {found.why or 'no reason given'}; "
        f"production sends {production}; {runs or 'no tasks are running'}. {remedy}"
    )
    health, release = RolloutHealth.DEGRADED, found.release
    return RolloutStep(Phase.BLOCKED, (), None, because, health, release, waits_for=Waiting.PERSON)
