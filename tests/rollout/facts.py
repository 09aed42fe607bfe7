"""Facts to step from: a service with two sides, said in few words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.rollout.actions import RolloutAction, WriteState
from reconciler.rollout.blue_green import machine
from reconciler.rollout.engine import RolloutStep
from reconciler.rollout.requests import Request, RequestVerb
from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.stored_state import Deadline, DeadlineKind, StoredState, deadline
from reconciler.rollout.strategy import Promotion, Share, SmokeTest, Strategy

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)  # a Monday
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
GOOD_LOOKS, BAD_LOOKS = 3, -3

CAREFUL = Strategy(
    tests=(SmokeTest("/", body="Hello"),),
    promotion=Promotion.TIMED,
    promote_after=2 * HOUR,
    drain=timedelta(seconds=30),
)
CANARY = Strategy(shares=(Share(10, 5 * MINUTE), Share(50, 10 * MINUTE)), drain=timedelta(seconds=30))


def side(release: str, slot: int, *, age: int = 1, desired: int = 2, **fields: Any) -> TaskSet:
    """A task set that is well; `age` in hours."""
    usual: dict[str, Any] = {
        "running": desired,
        "steady": True,
        "healthy": (("a", desired - desired // 2), ("c", desired // 2)) if desired > 1 else (("a", desired),),
        "task_definition": f"web:{ord(release[0].upper()) - 64}",
    }
    return TaskSet(f"ecs-svc/{release}", release, slot, NOW - age * HOUR, **(usual | fields))


BLUE = side("a", 0, age=48, primary=True)
GREEN = side("b", 1)


def ill(one: TaskSet) -> TaskSet:
    """Its tasks run, and their targets fail."""
    return replace(one, healthy=(), failing=one.running, steady=False)


def seen(*sets: TaskSet, wanted: str = "b", desired: int = 2, **fields: Any) -> ObservedService:
    return ObservedService(wanted, desired, sets, **fields)


def due(stage: DeadlineKind, wait: timedelta = HOUR, *, release: str = "b", weight: int = 0) -> Deadline:
    return deadline(release, stage, NOW, wait, weight=weight)


def marked(deadline: Deadline | None = None, **fields: Any) -> StoredState:
    return StoredState(deadline=deadline, **fields)


def said(verb: RequestVerb, release: str = "b", **fields: Any) -> Request:
    usual: dict[str, Any] = {"id": "1", "at": NOW - MINUTE, "by": "ana"}
    return Request(verb, release, **(usual | fields))


def step(facts: ObservedService, policy: Strategy = CAREFUL, now: datetime = NOW) -> RolloutStep:
    return machine.step(policy, facts, now)


def kinds(found: RolloutStep) -> list[str]:
    return [type(one).__name__ for one in found.decisions]


def written(found: RolloutStep) -> StoredState:
    """What the step remembers; fails if it remembers nothing."""
    (mark,) = [one for one in found.decisions if isinstance(one, WriteState)]
    return mark.after


def only(found: RolloutStep) -> RolloutAction:
    (decision,) = found.decisions
    return decision
