"""Functions that ECS calls in a deployment, by lifecycle hooks of the team: while one of them runs, ECS does not go on.

How long ECS waits for a function, and what it does then, are the hook's. Pure.
"""

from __future__ import annotations

from datetime import datetime

from reconciler.rollout.actions import stored
from reconciler.rollout.engine import Phase, RolloutStep
from reconciler.rollout.engines.ecs_native.facts import Deployment, NativeService
from reconciler.rollout.stored_state import DeadlineKind, deadline
from reconciler.rollout.strategy import Strategy


def more_time(policy: Strategy, seen: NativeService, now: datetime) -> RolloutStep | None:
    """A later deadline for green to become healthy while a function runs: at least half of the time is left once it
    has answered.
    """
    active, due = seen.active, seen.marks.deadline
    if active is None or active.going_back or not active.calling or seen.marks.suspended is not None:
        return None
    if due is None or due.stage is not DeadlineKind.UP or due.release != active.release or due.at is None:
        return None
    if due.at - now > policy.healthy_within / 2:
        return None
    later = deadline(due.release, due.stage, now, policy.healthy_within, weight=due.weight)
    phase = Phase.INITIAL_DEPLOYMENT if seen.marks.live is None else Phase.SCALING_UP
    decisions = stored(seen.marks, {"deadline": later}, seen.judges)
    return RolloutStep(phase, decisions, now, text(active), release=active.release, until=later.at)


def text(active: Deployment) -> str:
    return f"ECS waits for the Lambda function {', '.join(active.calling)}"
