"""Compilation of a Task: run once for each content, on a schedule, or before each release of a service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model.resource import Address, Desired, Keep, Ref
from reconciler.resources.schedule import ScheduleSpec
from reconciler.resources.task import RECORDED, TaskSpec
from reconciler.spec import members, names
from reconciler.spec.compile import kept, role
from reconciler.spec.compile.cluster import capacity, cluster_link
from reconciler.spec.compile.context import Context, unstated, whole_seconds
from reconciler.spec.compile.workload import chosen, compile_workload, placement, task_definition
from reconciler.spec.documents import Task
from reconciler.spec.documents.task import Run

SCHEDULER = "scheduler.amazonaws.com"


def compile_task(context: Context, task: Task) -> Iterator[Desired[Any]]:
    yield from compile_workload(context, task)
    if task.run is None:
        return  # the rollout of its service runs it
    if task.run.once:
        yield one_off(context, task)
        return
    starter = schedule_role(context, task)
    yield starter
    yield context.desired(
        task,
        Address("schedule", task.name),
        ScheduleSpec(
            name=task.name_in_aws,
            expression=task.run.schedule,
            time_zone=task.run.time_zone,
            role=Ref(starter.address),
            retry_attempts=task.run.retry.attempts,
            max_event_age=whole_seconds(task.run.retry.max_age),
            dead_letter_queue=_queue(context, task.run),
            aws=members.said(task.run),
            **_launch(context, task),
        ),
        "run",
        kept=unstated(task.run, time_zone="time_zone", dead_letter_queue="dead_letter_queue")
        | unstated(task.run.retry, attempts="retry_attempts", max_age="max_event_age")
        | unstated(task, count="count")
        | {("role",): Keep.PRESENT}
        | kept.of_capacity(task)
        | kept.of_placement(task),
    )


def one_off(context: Context, task: Task) -> Desired[Any]:
    """The task itself; what it needs has been compiled by `compile_task`."""
    spec = TaskSpec(**_launch(context, task), outcome=RECORDED, aws=members.said(task))
    return context.desired(task, Address("task", task.name), spec)


def _launch(context: Context, task: Task) -> dict[str, Any]:
    return {
        "cluster": cluster_link(task.cluster),
        "task_definition": Ref(Address("task-definition", task.name)),
        "network": placement(context, task),
        "platform_version": None if task.platform_version == "LATEST" else task.platform_version,
        "count": task.count,
        **_chosen(task),
        **capacity(context, task),
    }


def _chosen(task: Task) -> dict[str, Any]:
    found = chosen(task)
    return {
        "placement_strategy": found.get("placementStrategy"),
        "placement_constraints": found.get("placementConstraints"),
    }


def _queue(context: Context, run: Run) -> str:
    """The ARN of the dead-letter queue; none is written as empty, so that one which is left out goes."""
    named = run.dead_letter_queue or ""
    return named if named.startswith("arn:") or not named else context.arn("sqs", named)


def schedule_role(context: Context, task: Task) -> Desired[Any]:
    """What EventBridge Scheduler starts the task with: this family, in the name of its own roles."""
    spec = task_definition(context, task)
    run = role.allow(["ecs:RunTask"], [context.arn("ecs", f"task-definition/{task.name_in_aws}:*")])
    tag = role.allow(["ecs:TagResource"], [context.arn("ecs", "task/*")])
    group = context.arn("scheduler", f"schedule-group/{task.name_in_aws}")
    roles = [one for one in (spec.execution_role, spec.task_role) if one]
    statements = [run, tag]
    if task.run is not None and (queue := _queue(context, task.run)):
        statements.append(role.allow(["sqs:SendMessage"], [queue]))
    if roles:
        statements.append({"Effect": "Allow", "Action": ["iam:PassRole"], "Resource": roles})
    return role.generated(context, task, names.schedule_role, SCHEDULER, group, {"start-task": statements})
