"""Task scale-in protection: tasks that neither scaling in nor a deployment may stop, for up to 48 hours.

Applications protect their tasks themselves, and may extend it. ECS is asked only about tasks that should have stopped
and still run. Source: ECS developer guide, "Task scale-in protection".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.model.resource import Batch, Calls
from reconciler.rollout.describe import ecs
from reconciler.rollout.state import ObservedService, TaskSet

LOOK_AGAIN: Final = timedelta(minutes=1)
"""Time between observations while only protected tasks are waited for."""

AT_ONCE: Final = 100  # GetTaskProtection
NAMED: Final = 3


def read(
    cluster: str, sets: Iterable[TaskSet], keep: Mapping[str, int], known: Mapping[str, Sequence[str]] | None = None
) -> Calls[tuple[TaskSet, ...]]:
    """The task sets, with the protection of tasks that should stop. Makes no call if there are none.

    `keep`: how many tasks each set may run, by its id. `known`: the ARNs of its tasks that ECS has not stopped.
    """
    several = tuple(sets)
    over = [one for one in several if one.running > keep[one.id]]
    if over and known is None:
        answers = yield Batch.of(ecs.list_tasks(cluster=cluster, startedBy=one.id) for one in over)
        known = {one.id: answer["taskArns"] for one, answer in zip(over, answers, strict=True)}
    listed = {one.id: (known or {}).get(one.id, ()) for one in over}
    arns = [arn for one in over for arn in listed[one.id] if len(listed[one.id]) > keep[one.id]]
    if not arns:
        return several
    answers = yield Batch.of(
        ecs.get_task_protection(cluster=cluster, tasks=arns[start : start + AT_ONCE])
        for start in range(0, len(arns), AT_ONCE)
    )
    until = {item["taskArn"]: item["expirationDate"] for answer in answers for item in _protected(answer)}
    return tuple(
        replace(one, protected=tuple((_id(arn), until[arn]) for arn in listed.get(one.id, ()) if arn in until))
        for one in several
    )


def _protected(answer: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (item for item in answer["protectedTasks"] if item["protectionEnabled"])


def _id(arn: str) -> str:
    return arn.rpartition("/")[2]


def occupied(seen: ObservedService, slot: int) -> str:
    """Why tasks of a removed version are still in the slot's target group, where they receive requests; or ""."""
    return reason(one for one in seen.sets if one.slot == slot and one.draining)


def reason(sets: Iterable[TaskSet]) -> str:
    """`task 0a1b2c3d is protected from scale-in until Tue 06 Jan 14:05 UTC`, or ""."""
    tasks = sorted(task for one in sets for task in one.protected)
    if not tasks:
        return ""
    names = [id[:8] for id, _ in tasks[:NAMED]] + ([f"{len(tasks) - NAMED} more"] if len(tasks) > NAMED else [])
    *others, last = names
    listed = f"tasks {', '.join(others)} and {last} are" if others else f"task {last} is"
    latest: datetime = max(until for _, until in tasks)
    return f"{listed} protected from scale-in until {latest:%a %d %b %H:%M} UTC"
