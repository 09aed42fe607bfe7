"""Checks of task definitions: Fargate sizes, containers that fit, and their start order."""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from reconciler.model.members import MOST_STATED
from reconciler.resources import _containers as _containers_api
from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note, nearest
from reconciler.spec.documents import Service, Task
from reconciler.spec.messages import joined, shown
from reconciler.spec.specs import Specs

MEMORY = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}
"""Task sizes of Fargate: CPU units → MiB of memory (ECS Developer Guide, Task size)."""
MOST_CONTAINERS = 10
OPTIONAL = frozenset(_containers_api.OPTIONAL.values())
MOST_FIELDS = MOST_STATED - 2 - MOST_CONTAINERS
"""Fields of all containers that set members; those of the task are two, and its `logs` are one of each container.
The protocol of a port in Service Connect is one, too."""
LARGEST_DEFINITION = 64 * 1024


def check(specs: Specs) -> Iterator[Diagnostic]:
    for workload in specs.workloads:
        yield from _size(specs, workload)
        yield from _reservations(specs, workload)
        yield from _containers(specs, workload)
        yield from _ports(specs, workload)
        yield from _order(specs, workload)
        for name in workload.task.containers:
            yield from _container(specs, workload, name)


def _size(specs: Specs, workload: Service | Task) -> Iterator[Diagnostic]:
    task = workload.task
    missing = [field for field in ("cpu", "memory") if getattr(task, field) is None]
    if queries.on_ec2(specs, workload):
        yield from _reserved(specs, workload)
    elif missing:
        message = f"a task on Fargate needs {joined(map(shown, missing), 'and')}"
        yield Diagnostic("E5030", message, specs.where(workload, "task", key=True))
    else:
        yield from _of_fargate(specs, workload)
    for field, unit, whole in (("cpu", "CPU units", task.cpu), ("memory", "MiB", task.memory)):
        total = sum(getattr(container, field) or 0 for container in task.containers.values())
        if whole is not None and total > whole:
            message = f"the containers reserve {total} {unit} in total, but the task has {whole}"
            last = [name for name, container in task.containers.items() if getattr(container, field)][-1]
            note = Note("the size of the task", specs.where(workload, "task", field))
            yield Diagnostic("E5002", message, specs.where(workload, "task", "containers", last, field), notes=(note,))


def _reserved(specs: Specs, workload: Service | Task) -> Iterator[Diagnostic]:
    """On an instance, either the task or each of its containers says how much memory it needs."""
    for name, container in workload.task.containers.items() if workload.task.memory is None else ():
        if container.memory is None and container.memory_reservation is None:
            message = f"{shown(name)} needs 'memory' or 'memory_reservation', because the task has no memory"
            yield Diagnostic("E5030", message, specs.where(workload, "task", "containers", name, key=True))


def _of_fargate(specs: Specs, workload: Service | Task) -> Iterator[Diagnostic]:
    task = workload.task
    allowed = MEMORY.get(task.cpu or 0)
    if allowed is None:
        message = f"cpu: Fargate offers {joined(map(str, MEMORY))}, not {task.cpu}"
        yield Diagnostic("E5001", message, specs.where(workload, "task", "cpu"))
    elif task.memory not in allowed:
        steps = list(allowed)
        sold = (
            joined(map(str, steps))
            if len(steps) < 4
            else f"{steps[0]} to {steps[-1]} in steps of {steps[1] - steps[0]}"
        )
        message = f"memory: with cpu {task.cpu} Fargate offers {sold}, not {task.memory}"
        yield Diagnostic("E5001", message, specs.where(workload, "task", "memory"))


def _reservations(specs: Specs, workload: Service | Task) -> Iterator[Diagnostic]:
    """What is reserved is less than what a container may use, and all of it together is there."""
    task, reserved = workload.task, 0
    for name, container in task.containers.items():
        wanted, most = container.memory_reservation, container.memory or task.memory
        reserved += wanted or container.memory or 0
        if wanted is None or most is None or (wanted <= most and reserved <= (task.memory or reserved)):
            continue
        place = specs.where(workload, "task", "containers", name, "memory_reservation")
        if wanted > most:
            message = f"memory_reservation: {wanted} MiB are more than the {most} MiB that the container may use"
        else:
            message = f"the containers reserve {reserved} MiB in total, but the task has {task.memory}"
        yield Diagnostic("E5002", message, place)


def _containers(specs: Specs, workload: Service | Task) -> Iterator[Diagnostic]:
    containers = workload.task.containers
    place = specs.where(workload, "task", "containers", key=True)
    if not containers:
        yield Diagnostic("E5003", "a task needs at least one container", place)
    elif len(containers) > MOST_CONTAINERS:
        yield Diagnostic("E5003", f"{len(containers)} containers; ECS allows {MOST_CONTAINERS}", place)
    elif not any(container.essential for container in containers.values()):
        yield Diagnostic("E5004", "a task needs at least one essential container", place)
    size = len(workload.task.model_dump_json(exclude_defaults=True).encode())
    if size > LARGEST_DEFINITION:
        yield Diagnostic("E5003", f"the task definition has {size:,} bytes; AWS allows {LARGEST_DEFINITION:,}", place)
    fields = sum(len(container.model_fields_set & OPTIONAL) for container in containers.values())
    if isinstance(workload, Service) and workload.service_connect is not None:
        fields += sum(one.protocol != "tcp" for one in workload.service_connect.services)
    if fields > MOST_FIELDS:
        named = joined(sorted(OPTIONAL)[:3], "and")
        message = f"the containers have {fields} fields such as {named}; {MOST_FIELDS} can be told apart in a tag"
        yield Diagnostic("E5003", message, place)


def _ports(specs: Specs, workload: Service | Task) -> Iterator[Diagnostic]:
    """Two containers must not use one port, because the containers of a task share their network address."""
    taken: dict[tuple[int, str], str] = {}
    for name, container in workload.task.containers.items():
        for index, port in enumerate(container.all_ports):
            path = ("port",) if container.port is not None else ("ports", index)
            first = taken.setdefault((port.port, port.protocol), name)
            if first != name or (port.port, port.protocol) in [
                (p.port, p.protocol) for p in container.all_ports[:index]
            ]:
                message = f"port {port.port} is already used by container {shown(first)}; containers share one address"
                yield Diagnostic("E5008", message, specs.where(workload, "task", "containers", name, *path))


def _order(specs: Specs, workload: Service | Task) -> Iterator[Diagnostic]:
    containers = workload.task.containers
    for name, container in containers.items():
        for other, condition in container.depends_on.items():
            place = specs.where(workload, "task", "containers", name, "depends_on", other, key=True)
            if other not in containers:
                meant = nearest(other, containers)
                hint = f"did you mean '{meant}'?" if meant else ""
                yield Diagnostic("E2002", f"the task has no container {shown(other)}", place, hint=hint)
            elif condition == "HEALTHY" and containers[other].health_check is None:
                message = f"{shown(name)} waits for {shown(other)} to be healthy, but that has no health_check"
                yield Diagnostic("E5007", message, place)
            elif condition in ("COMPLETE", "SUCCESS") and containers[other].essential:
                message = f"{shown(name)} waits for {shown(other)} to end, but that is essential and ends the task"
                yield Diagnostic("E5007", message, place, hint=f"set essential: false on {other}")
    try:
        TopologicalSorter({name: container.depends_on.keys() for name, container in containers.items()}).prepare()
    except CycleError as error:
        circle = error.args[1]
        message = f"circular dependency of containers: {' → '.join(shown(name)[1:-1] for name in circle)}"
        place = specs.where(workload, "task", "containers", circle[1], "depends_on", circle[0], key=True)
        yield Diagnostic("E5006", message, place)


def _container(specs: Specs, workload: Service | Task, name: str) -> Iterator[Diagnostic]:
    container = workload.task.containers[name]
    base = ("task", "containers", name)
    for variable in container.secrets.keys() & container.environment.keys():
        note = Note("the plain value", specs.where(workload, *base, "environment", variable, key=True))
        place = specs.where(workload, *base, "secrets", variable, key=True)
        yield Diagnostic("E5014", f"{shown(variable)} is both in environment and in secrets", place, notes=(note,))
    if container.health_check is not None:
        first, *rest = container.health_check.command
        place = specs.where(workload, *base, "health_check", "command", 0)
        if first not in ("CMD", "CMD-SHELL", "NONE"):
            message = f"command: begins with CMD or CMD-SHELL, not {shown(first)}"
            yield Diagnostic("E5012", message, place)
        elif first == "NONE" or not rest:
            yield Diagnostic("E5012", "command: contains no command to run", place)
        elif first == "CMD-SHELL" and len(rest) > 1:
            message = "command: CMD-SHELL takes a single line; the rest would be ignored"
            yield Diagnostic(
                "E5012", message, specs.where(workload, *base, "health_check", "command", 2), hint="use CMD"
            )
    for limit, values in container.ulimits.items():
        if values.soft > values.hard:
            place = specs.where(workload, *base, "ulimits", limit, "soft")
            yield Diagnostic("E5013", f"soft: {values.soft} is above the hard limit, {values.hard}", place)
