"""Effects of each action on the observed state: for simulations, and for tests of the state machine.

Like AWS, it refuses actions that do not fit: a listener that has changed since, or tasks that receive production
traffic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from reconciler import errors
from reconciler.rollout.actions import (
    CreateTaskSet,
    DeleteTaskSet,
    EngineAction,
    RolloutAction,
    RunTask,
    RunTests,
    ScaleTaskSet,
    SetPrimary,
    SetWeights,
    SuspendScaling,
    UpdateHealthCheck,
    UpdateService,
    WriteState,
)
from reconciler.rollout.state import ObservedService, Scaling, TaskSet


def after(decision: RolloutAction, seen: ObservedService, now: datetime) -> ObservedService:
    """The observed state after `decision`; tasks take time to start and to stop.

    Raises `errors.StalePlan`.
    """
    match decision:
        case WriteState():
            return replace(seen, marks=decision.on(seen.marks))
        case SuspendScaling(suspend):
            return replace(seen, scaling=Scaling.SUSPENDED if suspend else Scaling.ACTIVE)
        case UpdateHealthCheck(slot):
            return replace(seen, tuned=(True, seen.tuned[1]) if slot == 0 else (seen.tuned[0], True))
        case CreateTaskSet(release, slot, scale, salt):
            identifier = f"{release}-{salt}-{slot}"
            if any(one.id == identifier for one in seen.sets):
                return seen
            made = TaskSet(identifier, release, slot, now, scale=scale, healthy=(), task_definition=f"{release}:1")
            return replace(seen, sets=(*seen.sets, made))
        case ScaleTaskSet(identifier, scale):
            return _each(seen, lambda one: _resized(one, scale) if one.id == identifier else one)
        case SetWeights(listener, weights, was):
            now_is = seen.production if listener == "production" else seen.test
            if now_is != was:
                raise errors.StalePlan(f"the {listener} listener has changed since it was read")
            bare = tuple(one for one in seen.bare if one != listener)
            if listener == "production":
                return replace(seen, production=weights, bare=bare)
            return replace(seen, test=weights, bare=bare)
        case SetPrimary(identifier):
            return _each(seen, lambda one: replace(one, primary=one.id == identifier))
        case DeleteTaskSet(identifier, slot):
            if seen.production is None or seen.production[slot]:
                raise errors.StalePlan("the task set receives production traffic")
            return _each(seen, lambda one: _stopped(one) if one.id == identifier else one)
        case UpdateService(definition):
            return replace(_declared(seen, definition or seen.definition, now), differs=())
        case RunTests() | RunTask():
            return seen
        case EngineAction():
            return decision.after(seen, now)


def _declared(seen: ObservedService, definition: str, now: datetime) -> ObservedService:
    """ECS starts a deployment, and the running one is drained."""
    if any(one.primary and one.task_definition == definition for one in seen.sets) and not seen.differs:
        return seen
    release = seen.wanted if definition == seen.definition else definition
    made = TaskSet(
        f"{definition} {now.timestamp():.0f}",
        release,
        0,
        now,
        primary=True,
        task_definition=definition,
        state="IN_PROGRESS",
    )
    return replace(seen, sets=(*(replace(one, primary=False) for one in seen.sets), made))


def _each(seen: ObservedService, change: Callable[[TaskSet], TaskSet]) -> ObservedService:
    return replace(seen, sets=tuple(change(one) for one in seen.sets))


def _resized(one: TaskSet, scale: int) -> TaskSet:
    if scale:
        return replace(one, scale=scale, steady=False)
    return replace(one, scale=0, running=0, pending=0, steady=True, healthy=())


def _stopped(one: TaskSet) -> TaskSet:
    return replace(one, draining=True, primary=False, steady=False, running=0, healthy=())
