"""What ECS does by itself, in a simulation."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from reconciler.rollout.engines.ecs_native.facts import (
    BAKE_TIME,
    CLEAN_UP,
    MINUTE,
    WITH_TEST_TRAFFIC,
    Deployment,
    Hook,
    HookAction,
    NativeService,
    Status,
)
from reconciler.rollout.state import WHOLE, TaskSet, all_on, shared
from reconciler.rollout.strategy import Strategy

ROLLBACK_TIME: Final = timedelta(seconds=30)
STAGES_TO_HOOKS: Final = 4
"""Before and after SCALE_UP: the start, PRE_SCALE_UP, POST_SCALE_UP and TEST_TRAFFIC_SHIFT."""
STAGES_TO_BAKE: Final = 2
"""From all of production: the last PRODUCTION_TRAFFIC_SHIFT and POST_PRODUCTION_TRAFFIC_SHIFT."""


def goes_on(seen: NativeService, policy: Strategy, now: datetime) -> NativeService:
    """A deployment waits at its hooks once green is steady, shifts traffic in its steps, and removes blue at last."""
    if not seen.sets and seen.marks.live is None:  # ECS starts the first version with the service
        first = TaskSet("first", seen.wanted, 0, now, healthy=(), task_definition=seen.definition)
        return replace(seen, sets=(first,))
    if not any(one.primary for one in seen.sets):
        live = None if seen.marks.live is None else seen.marks.live.release
        seen = replace(seen, sets=tuple(replace(one, primary=one.release == live) for one in seen.sets))
    active = seen.active
    if active is None:
        return seen
    if active.going_back:
        return _rolled_back(seen, active, now)
    green = seen.target
    if green is None:
        return seen
    stage_lasts = policy.durations.stage
    match active.stage:
        case "SCALE_UP" if green.steady and now >= green.born + policy.durations.up + STAGES_TO_HOOKS * stage_lasts:
            hooks = tuple(
                Hook(f"hook-{number}", one.then, now + one.minutes * MINUTE)
                for number, one in enumerate(active.declared, start=1)
            )
            reached = replace(active, stage=WITH_TEST_TRAFFIC, hooks=hooks, shares=policy.shares, updated=now)
            return replace(seen, test=shared(green.slot, WHOLE), deployment=reached)
        case "SCALE_UP":
            return replace(seen, sets=tuple(replace(one, steady=False) if one is green else one for one in seen.sets))
        case stage if stage == WITH_TEST_TRAFFIC:
            return _at_the_hooks(seen, active, policy, now)
        case "PRE_PRODUCTION_TRAFFIC_SHIFT" if now - (active.updated or now) >= stage_lasts:
            return replace(seen, deployment=replace(active, stage="PRODUCTION_TRAFFIC_SHIFT"), shifting_since=now)
        case "PRODUCTION_TRAFFIC_SHIFT":
            return _shifting(seen, active, green, policy, now)
        case stage if stage == BAKE_TIME:
            return _baking(seen, active, policy, now)
        case stage if stage == CLEAN_UP and len(seen.alive) == 1 and len(seen.sets) == 1:
            return replace(seen, deployment=replace(active, status=Status.SUCCESSFUL, finished=now))
    return seen


def _at_the_hooks(seen: NativeService, active: Deployment, policy: Strategy, now: datetime) -> NativeService:
    overdue = [one for one in active.hooks if one.waits and now >= one.expires]
    if any(one.then is HookAction.ROLLBACK for one in overdue):
        why = "a lifecycle hook timed out"
        return replace(seen, deployment=replace(active, status=Status.ROLLBACK_IN_PROGRESS, finished=now, why=why))
    hooks = tuple(replace(one, waits=False, passed=True) if one in overdue else one for one in active.hooks)
    moved = replace(active, hooks=hooks)
    if any(one.waits for one in hooks) or now - (active.updated or now) < policy.durations.stage:
        return replace(seen, deployment=moved)
    return replace(seen, deployment=replace(moved, stage="PRE_PRODUCTION_TRAFFIC_SHIFT", updated=now))


def _shifting(
    seen: NativeService, active: Deployment, green: TaskSet, policy: Strategy, now: datetime
) -> NativeService:
    since, weight, elapsed = seen.shifting_since or now, WHOLE, timedelta()
    for share in active.shares:
        elapsed += share.pause + policy.durations.stage
        if now - since < elapsed:
            weight = share.weight
            break
    seen = replace(seen, production=shared(green.slot, weight))
    if weight < WHOLE:
        return seen
    sets = tuple(replace(one, primary=one.id == green.id) for one in seen.sets)
    return replace(seen, sets=sets, shifting_since=now, deployment=replace(active, stage=BAKE_TIME, updated=now))


def _baking(seen: NativeService, active: Deployment, policy: Strategy, now: datetime) -> NativeService:
    bakes = policy.verify_for + policy.teardown_after
    if now - (seen.shifting_since or now) < STAGES_TO_BAKE * policy.durations.stage + bakes:
        return seen
    sets = tuple(
        one if one.id == active.target else replace(one, draining=True, running=0, healthy=()) for one in seen.sets
    )
    return replace(seen, sets=sets, deployment=replace(active, stage=CLEAN_UP))


def _rolled_back(seen: NativeService, active: Deployment, now: datetime) -> NativeService:
    if now - (active.finished or now) < ROLLBACK_TIME:
        return seen
    sets = tuple(
        replace(one, draining=True, running=0, healthy=()) if one.id == active.target else one for one in seen.sets
    )
    blue = next((one for one in sets if not one.draining), None)
    back = seen.production if blue is None else all_on(blue.slot)
    done = replace(active, status=Status.ROLLBACK_SUCCESSFUL)
    return replace(seen, sets=sets, production=back, test=back, deployment=done)
