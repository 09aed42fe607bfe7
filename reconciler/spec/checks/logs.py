"""Checks of logs: a router for FireLens, and a group for containers that name none."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Service, Task
from reconciler.spec.documents.logs import AWSLOGS, FIRELENS, GROUP
from reconciler.spec.messages import shown
from reconciler.spec.node import Position
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    for workload in specs.workloads:
        yield from _routers(specs, workload)
        yield from _groups(specs, workload)


def _routers(specs: Specs, workload: Service | Task) -> Iterator[Diagnostic]:
    containers = workload.task.containers
    routers = [name for name, container in containers.items() if container.firelens is not None]
    for name in routers[1:]:
        first = specs.where(workload, "task", "containers", routers[0], "firelens", key=True)
        place = specs.where(workload, "task", "containers", name, "firelens", key=True)
        message = "a task has one log router at most"
        yield Diagnostic("E5028", message, place, notes=(Note("the other one", first),))
    for place in () if routers else _routed(specs, workload):
        message = "no container of the task has 'firelens', so nothing takes these logs"
        yield Diagnostic("E5028", message, place, hint="add a container with firelens: {type: fluentbit}")
    for name in routers:
        logs = containers[name].logs
        if logs is not None and logs.driver == FIRELENS:
            place = specs.where(workload, "task", "containers", name, "logs", "driver")
            yield Diagnostic("E5028", f"{shown(name)} would route its own logs to itself", place)


def _routed(specs: Specs, workload: Service | Task) -> Iterator[Position]:
    """Where the driver of FireLens is named."""
    if workload.task.logs is not None and workload.task.logs.driver == FIRELENS:
        yield specs.where(workload, "task", "logs", "driver")
    for name, container in workload.task.containers.items():
        if container.logs is not None and container.logs.driver == FIRELENS:
            yield specs.where(workload, "task", "containers", name, "logs", "driver")


def _groups(specs: Specs, workload: Service | Task) -> Iterator[Diagnostic]:
    """A container's own logs go to the group of the task's, or to one that they name."""
    shared = workload.task.logs is not None and workload.task.logs.stored
    for name, container in workload.task.containers.items():
        logs = container.logs
        if logs is None or logs.driver != AWSLOGS or shared or GROUP in logs.options:
            continue
        place = specs.where(workload, "task", "containers", name, "logs", key=True)
        message = f"the logs of {shown(name)} need the option '{GROUP}', because the task has no log group"
        yield Diagnostic("E1103", message, place)
