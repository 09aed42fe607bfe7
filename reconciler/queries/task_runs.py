"""Runs of tasks that belong to no service: of one-off, scheduled and pre-deployment tasks. Read only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler import errors
from reconciler.diagnosis import observations
from reconciler.diagnosis.observations import Task, culprit
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address, Calls, ServiceApi
from reconciler.queries.events import ServiceEvent, Source
from reconciler.rollout.describe import revision_of

ecs = ServiceApi("ecs")


@dataclass(frozen=True, slots=True)
class TaskSubject:
    """A Task of the specs. `address` is that of what runs it: `task/…`, `schedule/…`, or of its task definition where a
    rollout runs it. `target` is that of EventBridge Scheduler, for a scheduled one.
    """

    address: Address
    family: str
    cluster: str
    target: Mapping[str, Any]


def task_subject(world: ObservedState, address: Address, cluster: str = "") -> TaskSubject:
    """`cluster` is where it runs, if a rollout runs it.

    Raises `errors.AwsError` if it could not be read, `errors.ReconcilerError` if it was not deployed yet.
    """
    for kind in (address.kind, "task-definition"):
        if kind in world.unreadable:
            raise world.unreadable[kind]
    definition = Address("task-definition", address.name)
    families = [one.spec.family for one in world.found.get("task-definition", ()) if one.address == definition]
    own = next((one for one in world.found.get(address.kind, ()) if one.address == address), None)
    target: Mapping[str, Any] = {}
    if own is not None and address.kind == "schedule":
        target = (own.facts.get("settings") or {}).get("Target") or {}
        cluster = str(target.get("Arn", ""))
    elif own is not None and address.kind == "task":
        cluster = str(own.facts["cluster"])
    if not families or not cluster:
        raise errors.ReconcilerError(f"{address} has not been deployed, or has not run yet")
    return TaskSubject(address, families[0], cluster, target)


def runs(subject: TaskSubject, *statuses: str) -> Calls[tuple[Task, ...]]:
    """Its tasks that ECS knows, newest first: those that run, and those that stopped within the hour."""
    arns: list[str] = []
    for status in statuses or ("RUNNING", "STOPPED"):
        answer = yield ecs.list_tasks(cluster=subject.cluster, family=subject.family, desiredStatus=status)
        arns += answer.get("taskArns") or ()
    if not arns:
        return ()
    return (yield from observations.described(subject.cluster, arns[: observations.AT_ONCE]))


def of_run(task: Task) -> ServiceEvent:
    """The last that is known of a run."""
    text, ended = f"task {task.id[:8]} ({revision_of(task.definition)}) ", culprit(task)
    details: dict[str, Any] = {"task": task.id, "revision": revision_of(task.definition)}
    if not task.stopped:
        text += task.status.lower()
    elif task.containers and all(one.exit_code == 0 for one in task.containers):
        text += "succeeded"
    else:
        code = "" if ended is None or ended.exit_code is None else f"{ended.name} exit {ended.exit_code}"
        text += f"stopped: {', '.join(filter(None, (code, task.reason))) or 'ECS gave no reason'}"
        details |= {"stop_code": task.stop_code, "reason": task.reason}
        details |= {} if ended is None else {"container": ended.name, "exit_code": ended.exit_code}
    return ServiceEvent(task.at, Source.TASK, text, f"run {task.id} {task.status}", details)
