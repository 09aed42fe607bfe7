"""Decisions of the CodeDeploy engine: those of the blue/green state machine, in CodeDeploy's calls. Pure.

What CodeDeploy does by itself is found first: it has stopped or failed our deployment, or somebody else has created
one. Then the state machine decides, and its actions become calls of CodeDeploy: one that a deployment is about to do
anyway becomes none, and one that it cannot do yet waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import reduce

from reconciler.model import codedeploy_names
from reconciler.rollout import request_handler
from reconciler.rollout.actions import (
    CreateTaskSet,
    DeleteTaskSet,
    RolloutAction,
    ScaleTaskSet,
    SetPrimary,
    SetWeights,
    SuspendScaling,
    WriteState,
    stored,
)
from reconciler.rollout.blue_green import context, health, machine, requests
from reconciler.rollout.blue_green.context import LOOK_EVERY, POLL_EVERY, RolloutContext, TrafficState
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.engines.codedeploy import limits, outside, preconditions
from reconciler.rollout.engines.codedeploy.actions import (
    CreateDeployment,
    ShiftTraffic,
    StopDeployment,
    TerminateOriginal,
)
from reconciler.rollout.engines.codedeploy.configuration import configuration
from reconciler.rollout.engines.codedeploy.facts import DeployedService, Deployment, Stage
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Request, RequestVerb, Response
from reconciler.rollout.state import UNNAMED, WHOLE, Scaling, all_on
from reconciler.rollout.stored_state import DeadlineKind
from reconciler.rollout.strategy import Strategy


def step(policy: Strategy, seen: DeployedService, now: datetime) -> RolloutStep:
    foreign = outside.foreign_deployment(seen)
    if foreign is not None:
        return outside.foreign_step(seen, foreign, now)
    ended = outside.ended(seen, now)
    if ended is not None:
        return ended
    request, pause = seen.marks.pending_request, seen.marks.suspended
    waiting = outside.giving_way(seen, now) if request is None else None
    if waiting is not None:
        return waiting if pause is None else request_handler.paused(pause, waiting)
    seen = _noticed(policy, seen, now)
    decided = machine.step(policy, seen, now)
    if request is not None and _accepted(decided, request):
        refusal = limits.refusal(request, context.of(policy, seen, now), seen)
        if refusal is not None:
            unasked = replace(seen, marks=replace(seen.marks, request=None))
            response = stored(seen.marks, {"response": Response(request.id, refusal)})
            return replace(machine.step(policy, unasked, now), decisions=response, wake_at=now, ended=None)
    return _stopped(policy, seen, now, _translated(policy, seen, decided, now))


def _stopped(policy: Strategy, seen: DeployedService, now: datetime, decided: RolloutStep) -> RolloutStep:
    """`decided`, or the end of a deployment that is about to shift traffic to a version that is not wanted any more:
    CodeDeploy does so by itself, while the connections of that version would be drained.
    """
    active, shape = seen.active, context.of(policy, seen, now).shape
    if active is None or active.keeps or not seen.marks.quarantined(active.release):
        return decided
    if not (active.shifts or active.continued):
        return decided
    if shape is not TrafficState.BEFORE or seen.marks.suspended is not None or decided.decisions:
        return decided
    return replace(decided, decisions=(StopDeployment(active.id),), wake_at=now, ended=None)


def allowed_requests(policy: Strategy, seen: DeployedService, now: datetime) -> tuple[RequestVerb, ...]:
    foreign = outside.foreign_deployment(seen)
    if foreign is not None:
        return outside.foreign_requests(seen, foreign, now)
    ended = outside.ended(seen, now)
    if ended is not None:  # what is allowed once that is recorded, since it is before a request is answered
        recorded = replace(seen, marks=reduce(lambda marks, one: one.on(marks), _writes(ended), seen.marks))
        return allowed_requests(policy, recorded, now)
    seen = _noticed(policy, seen, now)
    s = context.of(policy, seen, now)
    offered = requests.verbs(policy, seen, machine.step(policy, seen, now), now)
    asked = {verb: Request(verb, s.flight, "offered", now, "nobody", seconds=60) for verb in offered}
    return tuple(verb for verb in offered if limits.refusal(asked[verb], s, seen) is None)


def _writes(step: RolloutStep) -> list[WriteState]:
    return [one for one in step.decisions if isinstance(one, WriteState)]


def _accepted(decided: RolloutStep, request: Request) -> bool:
    answers = (one.after.response for one in _writes(decided))
    return any(one is not None and one.id == request.id and one.accepted for one in answers)


def _noticed(policy: Strategy, seen: DeployedService, now: datetime) -> DeployedService:
    """What the state machine is to see: a test listener that is not ours while CodeDeploy works with it, and the share
    of production that CodeDeploy has given to green meanwhile as the one that was to be given. The steps are those of
    the deployment's configuration: the strategy may have others by now. Of a smaller share the next one is due.
    """
    active = seen.active
    if active is None:
        return seen
    seen = replace(seen, has_test=False)
    due, production, green = seen.marks.deadline, seen.production, seen.created_by(active.id)
    if due is None or green is None or production is None or due.stage not in (DeadlineKind.TO, DeadlineKind.AT):
        return seen
    weight, steps = production[green.slot], active.weights
    if weight < WHOLE and due.release == green.release and outside.gave_all(active, now):
        given = replace(due, stage=DeadlineKind.AT, weight=WHOLE)  # somebody has taken it back
        return replace(seen, marks=replace(seen.marks, deadline=given))
    if weight in (0, due.weight) or due.release != green.release or (steps is not None and weight not in steps):
        return seen
    share = weight if weight > due.weight else policy.weight_after(weight)
    given = replace(due, stage=DeadlineKind.TO, weight=share)
    return replace(seen, marks=replace(seen.marks, deadline=given))


# -- in CodeDeploy's calls


def _translated(policy: Strategy, seen: DeployedService, decided: RolloutStep, now: datetime) -> RolloutStep:
    s = context.of(policy, seen, now)
    moves = any(isinstance(one, SetWeights) and one.listener == "production" for one in decided.decisions)
    if moves and not seen.desired and seen.active is None:  # a deployment begins where the primary task set is
        because, state = "the desired count is 0; the new version starts when it is raised", RolloutHealth.SUSPENDED
        waits = Waiting.SPEC
        return replace(decided, decisions=(), wake_at=None, because=because, health=state, waits_for=waits, ended=None)
    calls = {one: tuple(_calls(s, seen, one)) for one in decided.decisions}
    kept = any(isinstance(one, CreateTaskSet | DeleteTaskSet) and not does for one, does in calls.items())
    decisions = () if kept else tuple(dict.fromkeys(each for does in calls.values() for each in does))
    decisions = _before_the_record(decisions) if decided.phase is Phase.TEARDOWN else decisions
    decisions += _recorded(s) if not decisions else ()
    if any(isinstance(one, CreateDeployment) for one in decisions):
        held = preconditions.lacking(s, decided)
        if held is not None:
            return held
    if decided.decisions and all(isinstance(one, ScaleTaskSet) for one in decided.decisions):
        return _left_running(s, decided)
    step = replace(decided, decisions=decisions, because=_because(seen, decided))
    if decisions:
        return replace(step, wake_at=now, ended=None if isinstance(decisions[0], ShiftTraffic) else step.ended)
    if decided.decisions:  # CodeDeploy has to get on first
        return replace(step, wake_at=now + LOOK_EVERY, ended=None)
    if seen.active is not None and step.wake_at is None and seen.marks.suspended is None:
        return replace(step, wake_at=now + POLL_EVERY)
    return step


def _before_the_record(decisions: tuple[RolloutAction, ...]) -> tuple[RolloutAction, ...]:
    """A rollout has ended well once CodeDeploy has agreed to it: somebody may have stopped the deployment just now."""
    shift = next((one for one in decisions if isinstance(one, ShiftTraffic)), None)
    return (shift,) if shift is not None else tuple(sorted(decisions, key=lambda one: isinstance(one, WriteState)))


def _left_running(s: RolloutContext, decided: RolloutStep) -> RolloutStep:
    """A first version that failed: neither we nor CodeDeploy can remove its tasks, which ECS goes on restarting."""
    resumed = (SuspendScaling(suspend=False),) if s.seen.scaling is Scaling.SUSPENDED else ()
    decisions = (*resumed, *s.mark(deadline=None, hold=None, request=s.marks.pending_request))
    return replace(decided, decisions=decisions, wake_at=s.now if decisions else None, ended=None)


def _calls(s: RolloutContext, seen: DeployedService, action: RolloutAction) -> Iterator[RolloutAction]:
    active = seen.active
    match action:
        case CreateTaskSet(release, slot, _, salt, definition):
            if active is None:
                config = codedeploy_names.ALL_AT_ONCE if definition else configuration(s.policy)
                yield CreateDeployment(release, slot, salt, definition, config)
            elif active.release and (active.release != release or outside.lost_green(seen, active, s.now)):
                yield from _terminated(seen, active) if active.keeps else (StopDeployment(active.id),)
        case SetWeights(listener="production", weights=weights):
            yield from _production(seen, action, weights)
        case SetWeights():
            yield from () if active is not None else (action,)
        case SetPrimary():
            yield from _primary(s, action)
        case DeleteTaskSet():
            green = None if active is None else seen.created_by(active.id)
            if active is None:
                yield from () if _may_be_rolled_back(s) else (action,)
            elif active.release and green is not None and green.id == action.id:
                yield StopDeployment(active.id)
            elif active.keeps:
                yield from _terminated(seen, active)
            elif active.ready and seen.production == all_on(1 - action.slot):  # somebody has shifted production already
                yield ShiftTraffic(active.id)
        case ScaleTaskSet():
            return
        case WriteState(before, after) if after.previous is not None and after.previous.release == UNNAMED:
            yield WriteState(before, replace(after, previous=before.previous))
        case _:
            yield action


def _terminated(seen: DeployedService, active: Deployment) -> tuple[TerminateOriginal, ...]:
    green = seen.created_by(active.id)
    return () if green is None else (TerminateOriginal(active.id, 1 - green.slot),)


def _production(seen: DeployedService, action: SetWeights, weights: tuple[int, int]) -> Iterator[RolloutAction]:
    """Towards green it goes once, by CodeDeploy's steps; back by a rollback. Between deployments we write it."""
    active, production = seen.active, seen.production
    if active is None:
        yield action
    elif active.release:
        green = seen.created_by(active.id)
        if green is None or (production is not None and not weights[green.slot] and production[green.slot]):
            yield StopDeployment(active.id)
        elif active.ready:
            yield ShiftTraffic(active.id)


def _primary(s: RolloutContext, action: SetPrimary) -> tuple[RolloutAction, ...]:
    """ECS and CodeDeploy say which task set is primary, and we where a deployment was stopped without a rollback. That
    a first version has proven itself is recorded.
    """
    assert isinstance(s.seen, DeployedService)
    active, found = s.seen.active, next((one for one in s.seen.sets if one.id == action.id), None)
    if s.marks.live is None:
        return () if found is None else s.mark(live=Version(found.release, found.task_definition))
    if active is None:
        return () if _may_be_rolled_back(s) else (action,)
    back = active.release and active.keeps and found is not s.seen.created_by(active.id)
    return (StopDeployment(active.id),) if back else ()  # in the end it would terminate what production is on


def _may_be_rolled_back(s: RolloutContext) -> bool:
    """Whether CodeDeploy may be about to roll back a deployment that has just ended."""
    ended = s.marks.ended
    return ended is not None and s.now - ended.at < outside.ROLLED_BACK_WITHIN


def _recorded(s: RolloutContext) -> tuple[RolloutAction, ...]:
    """The version in production, so that the first task set, which no deployment has created, keeps its name."""
    live = s.live
    if s.marks.suspended is not None or s.shape is not TrafficState.REST or live is None:
        return ()
    if live.release == UNNAMED or not live.task_definition:
        return ()
    return s.mark(live=Version(live.release, live.task_definition))


def _because(seen: DeployedService, decided: RolloutStep) -> str:
    active = seen.active
    if active is None:
        return decided.because
    stops = active.stops_at
    if stops is not None and not decided.decisions:
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
