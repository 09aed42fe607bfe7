"""Decisions of the CodeDeploy engine: those of the blue/green state machine, in CodeDeploy's calls. Pure.

What CodeDeploy does by itself is found first: it has stopped or failed our deployment, or somebody else has created
one. Then the state machine decides, and its actions become calls of CodeDeploy: one that a deployment is about to do
anyway becomes none, and one that it cannot do yet waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.rollout.actions import (
    CreateTaskSet,
    DeleteTaskSet,
    RolloutAction,
    ScaleTaskSet,
    SetPrimary,
    SetWeights,
    WriteState,
    stored,
)
from reconciler.rollout.blue_green import context, health, machine, requests
from reconciler.rollout.blue_green.context import LOOK_EVERY, POLL_EVERY, RolloutContext, TrafficState
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.engines.codedeploy import limits
from reconciler.rollout.engines.codedeploy.actions import (
    CreateDeployment,
    ShiftTraffic,
    StopDeployment,
    TerminateOriginal,
)
from reconciler.rollout.engines.codedeploy.facts import DeployedService, Deployment, Stage, Status
from reconciler.rollout.release import Version
from reconciler.rollout.request_handler import reason
from reconciler.rollout.requests import Request, RequestVerb, Response
from reconciler.rollout.state import UNNAMED
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome, RolloutResult
from reconciler.rollout.strategy import Strategy

UNDOING: Final = (RequestVerb.ROLLBACK, RequestVerb.ABORT)
STOPPED_OUTSIDE: Final = "the deployment was stopped outside reconciler"
ONE_SECOND: Final = timedelta(seconds=1)


def step(policy: Strategy, seen: DeployedService, now: datetime) -> RolloutStep:
    foreign = _foreign_deployment(seen)
    if foreign is not None:
        return _foreign(seen, foreign, now)
    ended = _ended(seen, now)
    if ended is not None:
        return ended
    seen = _noticed(policy, seen)
    decided = machine.step(policy, seen, now)
    request = seen.marks.pending_request
    if request is not None and _accepted(decided, request):
        refusal = limits.refusal(request, context.of(policy, seen, now), seen)
        if refusal is not None:
            unasked = replace(seen, marks=replace(seen.marks, request=None))
            response = stored(seen.marks, {"response": Response(request.id, refusal)})
            return replace(machine.step(policy, unasked, now), decisions=response, wake_at=now, ended=None)
    return _translated(policy, seen, decided, now)


def allowed_requests(policy: Strategy, seen: DeployedService, now: datetime) -> tuple[RequestVerb, ...]:
    if _foreign_deployment(seen) is not None:
        return UNDOING
    seen = _noticed(policy, seen)
    s = context.of(policy, seen, now)
    offered = requests.verbs(policy, seen, machine.step(policy, seen, now), now)
    asked = {verb: Request(verb, s.flight, "offered", now, "nobody", seconds=60) for verb in offered}
    return tuple(verb for verb in offered if limits.refusal(asked[verb], s, seen) is None)


def _accepted(decided: RolloutStep, request: Request) -> bool:
    answers = (one.after.response for one in decided.decisions if isinstance(one, WriteState))
    return any(one is not None and one.id == request.id and one.accepted for one in answers)


# -- what CodeDeploy has done by itself


def _foreign_deployment(seen: DeployedService) -> Deployment | None:
    found = seen.active
    return None if found is None or found.release or found.rolls_back or seen.deleting else found


def _foreign(seen: DeployedService, active: Deployment, now: datetime) -> RolloutStep:
    """Somebody else deploys. Nothing is decided before that is over; a request to roll back or abort stops it."""
    because = f"deployment {active.id} was created outside reconciler; continue or stop it in CodeDeploy"
    release = next((one.release for one in seen.alive if one.primary), "")
    asked = seen.marks.pending_request
    decisions: tuple[RolloutAction, ...] = ()
    if asked is not None and asked.verb in UNDOING:
        response = stored(seen.marks, {"response": Response(asked.id)})
        decisions, because = (StopDeployment(active.id), *response), reason(asked)
    wake = now if decisions else now + POLL_EVERY
    return RolloutStep(Phase.BLOCKED, decisions, wake, because, RolloutHealth.DEGRADED, release)


def _ended(seen: DeployedService, now: datetime) -> RolloutStep | None:
    """The step that records how our deployment has ended, unless that is recorded, or another attempt is due."""
    ours, due = seen.ours, seen.marks.deadline
    if ours is None or ours.active or due is None or due.release != ours.release or _is_another(ours, due):
        return None
    noted = seen.marks.ended_of(ours.release)
    if noted is not None and noted.at + ONE_SECOND >= ours.born:
        return None
    result = _result(seen, ours, now)
    fields: dict[str, Any] = {"ended": result, "deadline": None}
    phase, state = Phase.TEARDOWN, RolloutHealth.PROGRESSING
    if result.outcome is Outcome.PROMOTED:
        live = seen.marks.live
        fields["previous"] = live if live is not None and live.release != ours.release else seen.marks.previous
    elif result.outcome is Outcome.SUPERSEDED:
        phase = Phase.SUPERSEDED
    else:
        phase = Phase.ROLLING_BACK if result.outcome is Outcome.ROLLED_BACK else Phase.FAILED
        fields["quarantine"], state = seen.marks.with_quarantined(ours.release), RolloutHealth.DEGRADED
    asked = _undoing(seen, ours)
    if asked is not None:
        fields["response"] = Response(asked.id)
    marks = stored(seen.marks, fields, seen.judges)
    return RolloutStep(phase, marks, now, result.why, state, ours.release, ended=result)


def _is_another(ours: Deployment, due: Deadline) -> bool:
    """Whether the stored deadline is that of a later attempt, which has not created its deployment yet."""
    return due.stage is DeadlineKind.UP and (due.at is None or ours.attempt != str(int(due.at.timestamp())))


def _undoing(seen: DeployedService, ours: Deployment) -> Request | None:
    """The request for which it was stopped, if this process's predecessor did not get to answer it."""
    asked = seen.marks.pending_request
    return asked if asked is not None and asked.verb in UNDOING and asked.release == ours.release else None


def _result(seen: DeployedService, ours: Deployment, now: datetime) -> RolloutResult:
    at = now.replace(microsecond=0)
    phase = Phase.BAKING if ours.stage is Stage.KEEPING else Phase.SHIFTING if ours.shifts else Phase.SCALING_UP
    if ours.status is Status.SUCCEEDED:
        return RolloutResult(ours.release, Outcome.PROMOTED, phase, at, Actor.TIMER)
    asked = _undoing(seen, ours)
    if asked is not None:
        back = ours.shifts and asked.verb is RequestVerb.ROLLBACK
        outcome = Outcome.ROLLED_BACK if back else Outcome.ABORTED
        phase = Phase.ROLLING_BACK if ours.shifts else Phase.FAILED
        return RolloutResult(ours.release, outcome, phase, at, Actor.PERSON, reason(asked))
    if ours.release != seen.wanted and seen.startable and ours.status is Status.STOPPED and not ours.why:
        return RolloutResult(ours.release, Outcome.SUPERSEDED, phase, at, Actor.SPECS, "superseded by a newer version")
    outcome = Outcome.ROLLED_BACK if ours.shifts else Outcome.FAILED
    why = f"CodeDeploy: {ours.why}" if ours.why else STOPPED_OUTSIDE
    return RolloutResult(ours.release, outcome, phase, at, Actor.ENGINE, why)


def _noticed(policy: Strategy, seen: DeployedService) -> DeployedService:
    """What the state machine is to see: a test listener that is not ours while CodeDeploy works with it, and the share
    of production that CodeDeploy has given to green meanwhile as the one that was to be given.
    """
    active = seen.active
    if active is None:
        return seen
    seen = replace(seen, has_test=False)
    due, production, green = seen.marks.deadline, seen.production, seen.created_by(active.id)
    if due is None or green is None or production is None or due.stage not in (DeadlineKind.TO, DeadlineKind.AT):
        return seen
    weight = production[green.slot]
    if weight in (0, due.weight) or weight not in policy.weights or due.release != green.release:
        return seen
    given = replace(due, stage=DeadlineKind.TO, weight=weight)
    return replace(seen, marks=replace(seen.marks, deadline=given))


# -- in CodeDeploy's calls


def _translated(policy: Strategy, seen: DeployedService, decided: RolloutStep, now: datetime) -> RolloutStep:
    s = context.of(policy, seen, now)
    moves = any(isinstance(one, SetWeights) and one.listener == "production" for one in decided.decisions)
    if moves and not seen.desired and seen.active is None:  # a deployment begins where the primary task set is
        because, state = "the desired count is 0; the new version starts when it is raised", RolloutHealth.SUSPENDED
        waits = Waiting.SPEC
        return replace(decided, decisions=(), wake_at=None, because=because, health=state, waits_for=waits, ended=None)
    decisions = tuple(dict.fromkeys(each for one in decided.decisions for each in _calls(s, seen, one)))
    decisions += _recorded(s) if not decisions else ()
    if decided.decisions and all(isinstance(one, ScaleTaskSet) for one in decided.decisions):
        return _left_running(s, decided)
    step = replace(decided, decisions=decisions, because=_because(seen, decided))
    if decisions:
        return replace(step, wake_at=now)
    if decided.decisions:  # CodeDeploy has to get on first
        return replace(step, wake_at=now + LOOK_EVERY, ended=None)
    if seen.active is not None and step.wake_at is None and seen.marks.suspended is None:
        return replace(step, wake_at=now + POLL_EVERY)
    return step


def _left_running(s: RolloutContext, decided: RolloutStep) -> RolloutStep:
    """A first version that failed: neither we nor CodeDeploy can remove its tasks, which ECS goes on restarting."""
    marks = s.mark(deadline=None, hold=None, request=s.marks.pending_request)
    return replace(decided, decisions=marks, wake_at=s.now if marks else None, ended=None)


def _calls(s: RolloutContext, seen: DeployedService, action: RolloutAction) -> Iterator[RolloutAction]:
    active = seen.active
    match action:
        case CreateTaskSet(release, slot, _, salt, definition):
            if active is None:
                yield CreateDeployment(release, slot, salt, definition)
            elif active.release and active.release != release:
                yield TerminateOriginal(active.id) if active.keeps else StopDeployment(active.id)
        case SetWeights(listener="production", weights=weights):
            yield from _production(seen, action, weights)
        case SetWeights():
            yield from () if active is not None else (action,)
        case SetPrimary(identifier):
            yield from _first(s, identifier)
        case DeleteTaskSet(identifier):
            green = None if active is None else seen.created_by(active.id)
            if active is not None and active.release and green is not None and green.id == identifier:
                yield StopDeployment(active.id)
            elif active is not None and active.keeps:
                yield TerminateOriginal(active.id)
        case ScaleTaskSet():
            return
        case WriteState(before, after) if after.previous is not None and after.previous.release == UNNAMED:
            yield WriteState(before, replace(after, previous=before.previous))
        case _:
            yield action


def _production(seen: DeployedService, action: SetWeights, weights: tuple[int, int]) -> Iterator[RolloutAction]:
    """Towards green it goes once, by CodeDeploy's steps; back by a rollback. Between deployments we write it."""
    active, production = seen.active, seen.production
    if active is None:
        yield action
    elif active.release:
        green = seen.created_by(active.id)
        if green is None or (production is not None and weights[green.slot] < production[green.slot]):
            yield StopDeployment(active.id)
        elif active.ready:
            yield ShiftTraffic(active.id)


def _first(s: RolloutContext, identifier: str) -> tuple[RolloutAction, ...]:
    """ECS and CodeDeploy say which task set is primary; we record that a first version has proven itself."""
    found = next((one for one in s.seen.sets if one.id == identifier), None)
    if s.marks.live is not None or found is None:
        return ()
    return s.mark(live=Version(found.release, found.task_definition))


def _recorded(s: RolloutContext) -> tuple[RolloutAction, ...]:
    """The version in production, so that the first task set, which no deployment has created, keeps its name."""
    live = s.live
    if s.shape is not TrafficState.REST or live is None or live.release == UNNAMED or not live.task_definition:
        return ()
    return s.mark(live=Version(live.release, live.task_definition))


def _because(seen: DeployedService, decided: RolloutStep) -> str:
    active = seen.active
    if active is None:
        return decided.because
    stops = active.stops_at
    if decided.phase is Phase.AWAITING_PROMOTION and stops is not None:
        return f"{decided.because}; CodeDeploy stops the deployment at {stops:%a %d %b %H:%M} UTC"
    green = seen.newest
    if decided.phase is Phase.SCALING_UP and active.release and active.stage is Stage.INSTALLING:
        if green is None or not seen.created_by(active.id):
            return f"CodeDeploy is starting deployment {active.id}"
        if health.targets_healthy(seen, green):
            return f"CodeDeploy is installing the new version (deployment {active.id})"
    if active.rolls_back:
        return f"{decided.because}; CodeDeploy is rolling back (deployment {active.id})"
    return decided.because
