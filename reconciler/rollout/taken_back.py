"""Versions that AWS has taken back: whether for want of capacity alone, and when they are started again.

It is asked after the fact, also by a process that was not there. ECS keeps stopped tasks for about an hour and the
last hundred events of a service (ECS developer guide, "Viewing stopped tasks" and "Viewing service event messages").
What neither says any more counts as the version's fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.model.resource import Calls
from reconciler.rollout import capacity
from reconciler.rollout.describe import ecs
from reconciler.rollout.observe_task_sets import described_tasks, failed_by_itself
from reconciler.rollout.release import RolloutTarget
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import Actor, Outcome

AGAIN_AFTER: Final = timedelta(minutes=10)
"""Time between two deployments of a version that AWS has taken back without a fault of it, such as for lack of
capacity."""


def lack(
    subject: RolloutTarget, reported: str, since: datetime, is_its_own: Callable[[Mapping[str, Any]], bool]
) -> Calls[str]:
    """The lack of capacity for which alone a version was taken back, or "": no task of it failed by itself.

    `reported` is what the events of the service say. `is_its_own` tells the stopped tasks of the version, as far as
    they were created after `since`.
    """
    name = subject.service.rpartition("/")[2]
    arns = (yield ecs.list_tasks(cluster=subject.cluster, serviceName=name, desiredStatus="STOPPED"))["taskArns"]
    described = yield from described_tasks(subject, arns)
    tasks = [task for task in described if task["createdAt"] >= since and is_its_own(task)]
    if any(failed_by_itself(task, dict(subject.roles)) for task in tasks):
        return ""
    stopped = (capacity.lack_in(task.get("stoppedReason", "")) for task in tasks)
    return reported or next((found for found in stopped if found), "")


def reported_between(events: Sequence[Mapping[str, Any]], since: datetime, until: datetime) -> str:
    """The lack of capacity that ECS reported last in that time, unless it was resolved in it, or "".

    ECS dates events to the second: at the end, it is the version before that has reached a steady state.
    """
    before = (one for one in events if since <= one["createdAt"] < until)
    at_once = (one for one in events if one["createdAt"] == until and capacity.lack_in(one["message"]))
    return capacity.reported((*at_once, *before), until)


def soon(seen: ObservedService, now: datetime, by: str) -> str:
    """Why the wanted version is not started at once: AWS has just taken it back, and it is not to blame."""
    ended = seen.marks.ended_of(seen.wanted)
    if ended is None or ended.outcome not in (Outcome.FAILED, Outcome.ROLLED_BACK) or ended.by is not Actor.ENGINE:
        return ""
    again = ended.at + AGAIN_AFTER
    if seen.marks.quarantined(seen.wanted) or now >= again:
        return ""
    return f"{by} took it back, and it is not to blame; it starts again at {again:%H:%M} UTC"
