"""Checks of volumes: mounts of volumes that exist, and volumes that the workload can have."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.rollout.engine import Controller, engines
from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import Service, Task
from reconciler.spec.messages import shown
from reconciler.spec.node import Position
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    for workload in specs.workloads:
        for name in workload.task.containers:
            yield from _paths(specs, workload, name)
        yield from _managed(specs, workload)


def _paths(specs: Specs, workload: Service | Task, name: str) -> Iterator[Diagnostic]:
    """Two volumes at one path of a container hide each other."""
    container = workload.task.containers[name]
    taken: dict[str, Position] = {}
    paths = {"mounts": [one.path for one in container.mounts], "tmpfs": [one.path for one in container.tmpfs]}
    for field, entries in paths.items():
        for index, path in enumerate(entries):
            place = specs.where(workload, "task", "containers", name, field, index, "path")
            first = taken.setdefault(path.rstrip("/"), place)
            if first is not place:
                note = Note("the other one", first)
                yield Diagnostic("E1113", f"path: {shown(path)} is mounted twice", place, notes=(note,))


def _managed(specs: Specs, workload: Service | Task) -> Iterator[Diagnostic]:
    """Volumes of EBS are configured when a service is deployed, and not in its task definition."""
    managed = [name for name, volume in workload.task.volumes.items() if volume.ebs is not None]
    for name in managed[1:]:
        place = specs.where(workload, "task", "volumes", name, "ebs", key=True)
        note = Note("the other one", specs.where(workload, "task", "volumes", managed[0], key=True))
        yield Diagnostic("E5029", "a task has one volume of EBS at most", place, notes=(note,))
    for name in managed[:1]:
        place = specs.where(workload, "task", "volumes", name, "ebs", key=True)
        if isinstance(workload, Task):
            message = "a Task has no volumes of EBS: EventBridge Scheduler starts tasks without them"
            yield Diagnostic("E5029", message, place, hint="use a volume of EFS")
        elif (why := _engine_without(specs, workload)) is not None:
            yield Diagnostic("E5029", f"only services that ECS deploys have volumes of EBS, and {why}", place)


def _engine_without(specs: Specs, service: Service) -> str | None:
    strategy = queries.strategy(specs, service)
    if strategy is None or engines()[strategy.driver].controller is Controller.ECS:
        return None
    return f"{service.name} is deployed by the engine {strategy.driver}"
