"""Decisions of the engine: those of the blue/green state machine, in ECS's calls. Pure.

What ECS does by itself is found first: it has ended or undone our deployment, or somebody else has started one. Then
the state machine decides, and its actions become calls of ECS: one that ECS is about to do anyway becomes none, and one
that it cannot do yet waits. It is one module because what the state machine is shown and what becomes of its actions
are two halves of one translation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

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
from reconciler.rollout.attempts import Attempt
from reconciler.rollout.blue_green import context, machine, requests
from reconciler.rollout.blue_green.context import LOOK_EVERY, POLL_EVERY, RolloutContext, TrafficState
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.engines.ecs_native import endings, functions, hooks, limits
from reconciler.rollout.engines.ecs_native.actions import ContinueDeployment, StartDeployment, StopDeployment
from reconciler.rollout.engines.ecs_native.facts import (
    MINUTE,
    SHIFTED,
    Deployment,
    HookAction,
    NativeService,
    PauseHook,
)
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Request, RequestVerb, Response
from reconciler.rollout.state import UNNAMED, WHOLE, Scaling, all_on
from reconciler.rollout.stored_state import DeadlineKind
from reconciler.rollout.strategy import Promotion, Strategy

ON_ITS_OWN = "ECS goes on with its deployment by itself"
BEFORE_ALL = context.FIRST_STAGES | {DeadlineKind.TO, DeadlineKind.AT}
"""Deadline kinds during which green has not been seen with all of production."""


def step(strategy: Strategy, seen: NativeService, now: datetime) -> RolloutStep:
    other = endings.foreign_deployment(seen)
    if other is not None:
        return endings.foreign(seen, other, now)
    policy, seen = _as_deployed(strategy, seen), _noticed(strategy, seen, now)
    request = seen.marks.pending_request
    over = endings.ended(policy, seen, now)
    if over is not None:
        return over
    if request is None:
        waiting = endings.stuck(seen) or endings.giving_way(policy, seen, now) or _cleaning_up(seen, now)
        if waiting is not None:
            pause = seen.marks.suspended
            return waiting if pause is None else request_handler.paused(pause, waiting)
        untestable = endings.untestable(policy, seen, now)
        if untestable is not None and seen.marks.suspended is None:
            return untestable
    longer = functions.more_time(policy, seen, now)
    if longer is not None:
        return longer
    decided = machine.step(policy, seen, now)
    if request is not None and (_accepted(decided, request) or limits.always_says(request, seen)):
        refusal = limits.refusal(request, context.of(policy, seen, now), seen)
        if refusal is not None:
            unasked = replace(seen, marks=replace(seen.marks, request=None))
            response = stored(seen.marks, {"response": Response(request.id, refusal)})
            return replace(machine.step(policy, unasked, now), decisions=response, wake_at=now, ended=None)
    late = endings.ill_at_the_gate(policy, seen, now) if request is None and seen.marks.suspended is None else None
    if late is not None:
        return late
    nobody = seen.marks.live is None or context.of(policy, seen, now).shape is TrafficState.NOTHING_LIVE
    declared = (
        () if nobody else hooks.declared(strategy, connected=seen.connected)
    )  # nobody is served, and nothing is tested
    return _without_scaling_in(policy, seen, decided, _translated(policy, seen, decided, now, declared), now)


def allowed_requests(policy: Strategy, seen: NativeService, now: datetime) -> tuple[RequestVerb, ...]:
    if endings.foreign_deployment(seen) is not None:
        return endings.UNDOING
    policy, seen = _as_deployed(policy, seen), _noticed(policy, seen, now)
    s = context.of(policy, seen, now)
    offered = requests.verbs(policy, seen, machine.step(policy, seen, now), now)
    asked = {verb: Request(verb, s.flight, "offered", now, "nobody", seconds=60) for verb in offered}
    return tuple(verb for verb in offered if limits.refusal(asked[verb], s, seen) is None)


def _accepted(decided: RolloutStep, request: Request) -> bool:
    answers = (one.after.response for one in decided.decisions if isinstance(one, WriteState))
    return any(one is not None and one.id == request.id and one.accepted for one in answers)


def _cleaning_up(seen: NativeService, now: datetime) -> RolloutStep | None:
    """ECS ends the deployment once the previous tasks are gone; its end is recorded then."""
    active = seen.active
    if active is None or not active.cleans_up or seen.marks.live is None:
        return None
    because = "ECS is removing the previous version"
    return RolloutStep(Phase.TEARDOWN, (), now + POLL_EVERY, because, release=active.release)


# -- what the state machine is to see


def _as_deployed(policy: Strategy, seen: NativeService) -> Strategy:
    """The strategy with the gate and the steps of the active deployment, which ECS has taken when it was started."""
    active = seen.active
    if active is None or active.going_back:
        return policy
    policy, gate = replace(policy, shares=active.shares), hooks.declared_gate(active)
    if gate is None:
        return replace(policy, promotion=Promotion.AUTO)
    if gate.then is HookAction.CONTINUE:
        return replace(policy, promotion=Promotion.TIMED, promote_after=gate.minutes * MINUTE)
    return policy


def _noticed(policy: Strategy, seen: NativeService, now: datetime) -> NativeService:
    """A test listener that is not ours, ECS's own timer at the gate as the deadline, and the share of production that
    ECS has given to green meanwhile as the one that was to be given.
    """
    seen = replace(seen, has_test=False)
    active, due, production, green = seen.active, seen.marks.deadline, seen.production, seen.target
    if active is None or due is None or green is None or production is None or due.release != green.release:
        return seen
    if due.stage is DeadlineKind.RETIRE:  # ECS sees to the requests under way, and may be about to remove blue
        return replace(seen, marks=replace(seen.marks, deadline=replace(due, at=now)))
    gate = hooks.gate(active)
    if due.stage is DeadlineKind.GATE and gate is not None and gate.then is HookAction.CONTINUE:
        return replace(seen, marks=replace(seen.marks, deadline=replace(due, at=gate.expires)))
    weight, steps = production[green.slot], replace(policy, shares=active.shares)
    others = any(one.id != green.id for one in seen.alive)
    if weight < WHOLE and others and due.stage in BEFORE_ALL and active.gave_all(now):
        given = replace(due, stage=DeadlineKind.AT, weight=WHOLE)  # somebody has taken it back
        return replace(seen, marks=replace(seen.marks, deadline=given))
    if active.shifts and not weight and due.stage in context.FIRST_STAGES:  # ECS has continued it by itself
        begun = replace(due, stage=DeadlineKind.TO, at=None, weight=steps.weights[0])
        return replace(seen, marks=replace(seen.marks, deadline=begun))
    if due.stage not in (DeadlineKind.TO, DeadlineKind.AT) or weight in (0, due.weight):
        return seen
    if weight not in steps.weights:
        return seen
    given = replace(due, stage=DeadlineKind.TO, weight=weight if weight > due.weight else steps.weight_after(weight))
    return replace(seen, marks=replace(seen.marks, deadline=given))


# -- in ECS's calls


def _without_scaling_in(
    policy: Strategy, seen: NativeService, decided: RolloutStep, result: RolloutStep, now: datetime
) -> RolloutStep:
    """Scaling in stays suspended also while ECS does what was decided, or has to get on first."""
    flight, waits = context.of(policy, seen, now).flight, bool(decided.decisions) and not result.decisions
    begun = any(one.release == flight for one in seen.alive)
    if waits and begun and seen.scaling is Scaling.ACTIVE:
        return replace(result, decisions=(SuspendScaling(suspend=True),), wake_at=now)
    return result


def _translated(
    policy: Strategy, seen: NativeService, decided: RolloutStep, now: datetime, declared: tuple[PauseHook, ...]
) -> RolloutStep:
    """`declared` are the hooks of a deployment that is started now."""
    s, active = context.of(policy, seen, now), seen.active
    moves = any(isinstance(one, SetWeights) and one.listener == "production" for one in decided.decisions)
    if (
        moves and not seen.desired and (active is None or len(seen.sets) == 1)
    ):  # a deployment begins where the tasks in production are
        because, state = "the desired count is 0; the new version starts when it is raised", RolloutHealth.SUSPENDED
        waits = Waiting.SPEC
        return replace(decided, decisions=(), wake_at=None, because=because, health=state, waits_for=waits, ended=None)
    if moves and active is not None and seen.marks.live is None:
        because = "ECS is shifting production traffic to the first version"
        return replace(decided, decisions=(), wake_at=now + LOOK_EVERY, because=because, ended=None)
    if _removes_blue(seen, decided):
        because = "waiting for the end of ECS's bake time"
        return replace(decided, phase=Phase.BAKING, decisions=(), wake_at=now + POLL_EVERY, because=because, ended=None)
    calls = {one: tuple(_calls(s, seen, one, declared)) for one in decided.decisions}
    kept = any(isinstance(one, DeleteTaskSet) and not does for one, does in calls.items())  # ECS removes it by itself
    decisions = () if kept else _with_start(s, tuple(dict.fromkeys(each for does in calls.values() for each in does)))
    decisions += _tested(s, seen) if not decisions else ()
    decisions += _recorded(s) if not decisions else ()
    if decided.decisions and all(isinstance(one, ScaleTaskSet) for one in decided.decisions):
        return _left_running(s, decided)
    result = replace(decided, decisions=decisions, because=_because(seen, decided))
    if decisions:
        return replace(result, wake_at=now)
    if decided.decisions:  # ECS has to get on first
        return replace(result, wake_at=now + LOOK_EVERY, ended=None)
    ends = active is not None and (active.going_back or len(seen.sets) > 1)  # a first version's bake time keeps nothing
    if ends and result.wake_at is None and seen.marks.suspended is None:
        return replace(result, wake_at=now + POLL_EVERY)
    return result


def _removes_blue(seen: NativeService, decided: RolloutStep) -> bool:
    """Whether the previous version's time is over by our clock. ECS removes it, by its own."""
    active = seen.active
    if active is None or active.going_back or decided.phase is not Phase.TEARDOWN:
        return False
    return any(isinstance(one, DeleteTaskSet) and one.id != active.target for one in decided.decisions)


def _left_running(s: RolloutContext, decided: RolloutStep) -> RolloutStep:
    """A first version that failed: ECS has nothing to roll back to, and goes on restarting its tasks."""
    resumed = (SuspendScaling(suspend=False),) if s.seen.scaling is Scaling.SUSPENDED else ()
    decisions = (*resumed, *s.mark(deadline=None, hold=None, request=s.marks.pending_request))
    return replace(decided, decisions=decisions, wake_at=s.now if decisions else None, ended=None)


def _with_start(s: RolloutContext, decisions: tuple[RolloutAction, ...]) -> tuple[RolloutAction, ...]:
    """What is started is stored before, in the same write, and when: its deployment is known by its revision, and as
    that of this attempt by the time at which it was created.
    """
    start = next((one for one in decisions if isinstance(one, StartDeployment)), None)
    if start is None:
        return decisions
    version = Version(start.release, start.task_definition or s.seen.definition)
    written = next((one for one in decisions if isinstance(one, WriteState)), None)
    begins = written is not None and written.after.deadline != written.before.deadline
    if s.marks.started == version and not begins:
        return decisions
    fields: dict[str, Any] = {"started": version, "attempt": Attempt(start.release, s.now.replace(microsecond=0))}
    if written is None:
        index = decisions.index(start)
        return (*decisions[:index], *s.mark(**fields), *decisions[index:])
    fuller = WriteState(written.before, replace(written.after, **fields))
    return tuple(fuller if one is written else one for one in decisions)


def _calls(
    s: RolloutContext, seen: NativeService, action: RolloutAction, declared: tuple[PauseHook, ...]
) -> Iterator[RolloutAction]:
    active = seen.active
    match action:
        case CreateTaskSet(release, slot, _, salt, definition):
            if active is None or (active.release != release and not active.going_back):
                yield StartDeployment(
                    release, slot, salt, definition, () if definition else declared, s.policy.functions
                )
        case SetWeights(listener="production", weights=weights):
            left = active is None or _is_left(seen, active, weights)
            by_us = () if seen.connected else (action,)  # there is no listener to write to
            yield from by_us if active is None or left else _production(seen, active, weights)
        case SetPrimary(identifier):
            yield from _first(s, identifier)
        case DeleteTaskSet(identifier):
            if active is not None and not active.going_back and active.target == identifier and not active.cleans_up:
                yield StopDeployment(active.id)
        case SetWeights() | ScaleTaskSet():
            return
        case WriteState(before, after) if after.previous is not None and after.previous.release == UNNAMED:
            yield WriteState(before, replace(after, previous=before.previous))
        case _:
            yield action


def _is_left(seen: NativeService, active: Deployment, weights: tuple[int, int]) -> bool:
    """Whether production is to go back to the only version there is, to which ECS has shifted it: somebody has moved it
    away since, and ECS does not shift it again.
    """
    green = seen.target
    alone = green is not None and all(one.id == green.id for one in seen.alive)
    return alone and green is not None and active.stage in SHIFTED and weights == all_on(green.slot)


def _production(seen: NativeService, active: Deployment, weights: tuple[int, int]) -> Iterator[RolloutAction]:
    """Towards green it goes once all hooks have completed, by ECS's steps; back by a rollback."""
    green = seen.target
    if green is None:
        return
    if seen.production is not None and not weights[green.slot] and seen.production[green.slot]:
        yield StopDeployment(active.id)
        return
    for at_gate, hook in ((False, hooks.tests(active)), (True, hooks.gate(active))):
        if hook is not None:
            yield ContinueDeployment(active.id, hook.id, at_gate)


def _tested(s: RolloutContext, seen: NativeService) -> tuple[RolloutAction, ...]:
    """The tests have passed, which is stored: what is left to wait for is the gate."""
    active, due = seen.active, s.due(s.flight)
    if active is None or active.going_back or due is None or due.stage is not DeadlineKind.GATE:
        return ()
    hook = hooks.tests(active)
    if hook is None or hooks.gate(active) is None or s.marks.suspended is not None:
        return ()
    return (ContinueDeployment(active.id, hook.id, at_gate=False),)


def _first(s: RolloutContext, identifier: str) -> tuple[RolloutAction, ...]:
    """ECS says where production goes; we record that a first version has proven itself."""
    found = next((one for one in s.seen.sets if one.id == identifier), None)
    if s.marks.live is not None or found is None:
        return ()
    return s.mark(live=Version(found.release, found.task_definition))


def _recorded(s: RolloutContext) -> tuple[RolloutAction, ...]:
    """The version in production, which is known by its revision only."""
    live = s.live
    if s.marks.suspended is not None or s.shape is not TrafficState.REST or live is None:
        return ()
    if live.release == UNNAMED or not live.task_definition:
        return ()
    return s.mark(live=Version(live.release, live.task_definition), started=None, attempt=None)


def _because(seen: NativeService, decided: RolloutStep) -> str:
    active = seen.active
    if active is None:
        return decided.because
    if seen.marks.suspended is not None:
        return f"{decided.because}; {ON_ITS_OWN}"
    gate = hooks.gate(active)
    if decided.phase is Phase.AWAITING_PROMOTION and gate is not None and gate.then is HookAction.ROLLBACK:
        return f"{decided.because}; ECS rolls the deployment back at {gate.expires:%a %d %b %H:%M} UTC"
    if active.going_back:
        return f"{decided.because}; ECS is rolling back"
    return f"{decided.because}; {functions.text(active)}" if active.calling else decided.because
