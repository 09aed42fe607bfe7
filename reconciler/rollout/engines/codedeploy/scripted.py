"""What CodeDeploy does by itself, in a simulation."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.rollout.engines.codedeploy.facts import DeployedService, Deployment, Stage, Status
from reconciler.rollout.state import WHOLE, TaskSet, shared
from reconciler.rollout.strategy import Strategy

ROLLBACK_TIME = timedelta(seconds=30)
STAGES_TO_READY = 5
"""Before and after Install: the start, BeforeInstall, AfterInstall, AllowTestTraffic and AfterAllowTestTraffic."""


def goes_on(seen: DeployedService, policy: Strategy, now: datetime) -> DeployedService:
    """A deployment becomes ready once green is steady, and shifts traffic in the steps of the strategy."""
    if not seen.sets and seen.marks.live is None:  # ECS starts the first version with the service
        first = TaskSet("first", seen.wanted, 0, now, healthy=(), task_definition=seen.definition)
        return replace(seen, sets=(first,))
    if not any(one.primary for one in seen.sets):
        live = None if seen.marks.live is None else seen.marks.live.release
        seen = replace(seen, sets=tuple(replace(one, primary=one.release == live) for one in seen.sets))
    if seen.active is not None and seen.active.rolls_back:
        return _rolled_back(seen, seen.active, now)
    active = seen.active
    green = None if active is None else seen.created_by(active.id)
    if active is None or green is None:
        return seen
    if active.stage is Stage.INSTALLING:
        if not green.steady or now < green.born + policy.durations.up + STAGES_TO_READY * policy.durations.stage:
            return replace(seen, sets=tuple(replace(one, steady=False) if one is green else one for one in seen.sets))
        test = shared(green.slot, WHOLE)
        return _with(replace(seen, test=test), replace(active, status=Status.READY, stage=Stage.TESTABLE, ready_at=now))
    if active.stage is not Stage.SHIFTING:
        return seen
    since = active.ready_at or now
    if active.status is Status.IN_PROGRESS and not active.why:
        active, since = replace(active, ready_at=now, why="shifting"), now
    if now - since < policy.durations.stage:  # BeforeAllowTraffic
        return _with(seen, active)
    weight, elapsed = WHOLE, policy.durations.stage
    for share in policy.shares:
        elapsed += share.pause
        if now - since < elapsed:
            weight = share.weight
            break
    seen = replace(seen, production=shared(green.slot, weight))
    if weight < WHOLE:
        return _with(seen, active)
    sets = tuple(replace(one, primary=one.id == green.id) for one in seen.sets)
    return _with(replace(seen, sets=sets), replace(active, stage=Stage.KEEPING, why=""))


def _rolled_back(seen: DeployedService, active: Deployment, now: datetime) -> DeployedService:
    if now - active.born < ROLLBACK_TIME:
        return seen
    green = seen.created_by(active.rolls_back)
    sets = (replace(one, draining=True, running=0, healthy=()) if one is green else one for one in seen.sets)
    return replace(seen, sets=tuple(sets), active=None)


def _with(seen: DeployedService, active: Deployment) -> DeployedService:
    return replace(seen, active=active, ours=active)
