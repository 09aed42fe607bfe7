"""Compilation of a Task: run once for each content, or on a schedule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model.resource import Address, Desired, Keep, Ref
from reconciler.resources.schedule import ScheduleSpec
from reconciler.resources.task import TaskSpec
from reconciler.spec import names
from reconciler.spec.compile import kept, role
from reconciler.spec.compile.cluster import capacity, cluster_link
from reconciler.spec.compile.context import Context, unstated
from reconciler.spec.compile.workload import compile_workload, placement, task_definition
from reconciler.spec.documents import Task

SCHEDULER = "scheduler.amazonaws.com"


def compile_task(context: Context, task: Task) -> Iterator[Desired[Any]]:
    yield from compile_workload(context, task)
    common = {
        "cluster": cluster_link(task.cluster),
        "task_definition": Ref(Address("task-definition", task.name)),
        "network": placement(context, task),
        "platform_version": None if task.platform_version == "LATEST" else task.platform_version,
        "count": task.count,
        **capacity(context, task),
    }
    if task.run.once:
        yield context.desired(task, Address("task", task.name), TaskSpec(**common))
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
            **common,
        ),
        "run",
        kept=unstated(task.run, time_zone="time_zone")
        | unstated(task, count="count")
        | {("role",): Keep.PRESENT}
        | kept.of_capacity(task)
        | kept.of_placement(task),
    )


def schedule_role(context: Context, task: Task) -> Desired[Any]:
    """What EventBridge Scheduler starts the task with: this family, in the name of its own roles."""
    spec = task_definition(context, task)
    run = role.allow(["ecs:RunTask"], [context.arn("ecs", f"task-definition/{task.name_in_aws}:*")])
    tag = role.allow(["ecs:TagResource"], [context.arn("ecs", "task/*")])
    roles = [one for one in (spec.execution_role, spec.task_role) if one]
    statements = [run, tag]
    if roles:
        statements.append({"Effect": "Allow", "Action": ["iam:PassRole"], "Resource": roles})
    return role.generated(context, task, names.schedule_role, SCHEDULER, {"start-task": statements})
