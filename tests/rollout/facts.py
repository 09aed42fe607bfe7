"""Facts to step from: a service with two sides, said in few words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.rollout.actions import Decision, Mark
from reconciler.rollout.blue_green import machine
from reconciler.rollout.engine import Step
from reconciler.rollout.requests import Intent, Verb
from reconciler.rollout.state import Seen, TaskSet
from reconciler.rollout.stored_state import Deadline, Marks, Stage, deadline
from reconciler.rollout.strategy import Policy, Promotion, Share, SmokeTest

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)  # a Monday
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
GOOD_LOOKS, BAD_LOOKS = 3, -3

CAREFUL = Policy(
    tests=(SmokeTest("/", body="Hello"),),
    promotion=Promotion.TIMED,
    promote_after=2 * HOUR,
    drain=timedelta(seconds=30),
)
CANARY = Policy(shares=(Share(10, 5 * MINUTE), Share(50, 10 * MINUTE)), drain=timedelta(seconds=30))


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
    return replace(one, healthy=(), steady=False)


def seen(*sets: TaskSet, wanted: str = "b", desired: int = 2, **fields: Any) -> Seen:
    return Seen(wanted, desired, sets, **fields)


def due(stage: Stage, wait: timedelta = HOUR, *, release: str = "b", weight: int = 0) -> Deadline:
    return deadline(release, stage, NOW, wait, weight=weight)


def marked(deadline: Deadline | None = None, **fields: Any) -> Marks:
    return Marks(deadline=deadline, **fields)


def said(verb: Verb, release: str = "b", **fields: Any) -> Intent:
    usual: dict[str, Any] = {"id": "1", "at": NOW - MINUTE, "by": "ana"}
    return Intent(verb, release, **(usual | fields))


def step(facts: Seen, policy: Policy = CAREFUL, now: datetime = NOW) -> Step:
    return machine.step(policy, facts, now)


def kinds(found: Step) -> list[str]:
    return [type(one).__name__ for one in found.decisions]


def written(found: Step) -> Marks:
    """What the step remembers; fails if it remembers nothing."""
    (mark,) = [one for one in found.decisions if isinstance(one, Mark)]
    return mark.after


def only(found: Step) -> Decision:
    (decision,) = found.decisions
    return decision
