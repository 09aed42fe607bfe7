"""A Task: run once for each content, or on a schedule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model.resource import Address, Desired, Ref
from reconciler.resources.task import TaskSpec
from reconciler.spec.compile.cluster import capacity, cluster_link
from reconciler.spec.compile.context import Context
from reconciler.spec.compile.workload import compile_workload, placement
from reconciler.spec.documents import Task


def compile_task(context: Context, task: Task) -> Iterator[Desired[Any]]:
    yield from compile_workload(context, task)
    if task.run.once:
        yield context.desired(
            task,
            Address("task", task.name),
            TaskSpec(
                cluster=cluster_link(task.cluster),
                task_definition=Ref(Address("task-definition", task.name)),
                network=placement(context, task),
                platform_version=None if task.platform_version == "LATEST" else task.platform_version,
                count=task.count,
                **capacity(context, task),
            ),
        )
