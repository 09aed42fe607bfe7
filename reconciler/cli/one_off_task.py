"""One-off task of a service: started once, followed to its end, with its logs and its exit code.

The client token is made before the first call and sent with every repetition of it, so that a lost answer starts no
second task. What interrupts the wait stops the task: nobody would know of it any more.
"""

from __future__ import annotations

import os
import sys
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from reconciler import errors
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo
from reconciler.cli.session import Stack

if TYPE_CHECKING:
    from reconciler.model.resource import Address, Calls
    from reconciler.queries.logs import LogTail
    from reconciler.queries.placement import Placement

POLL_SECONDS: Final = 1.0
TRIES: Final = 3
QUIET: Final = 2
"""Reads in a row without a new line after the task has stopped, until its logs count as complete."""

PASSING: Final = (errors.Ambiguous, errors.Throttled)


@dataclass(frozen=True, slots=True)
class Command:
    """What runs in `container`, and how it differs from the service's tasks. `cpu` and `memory` are the task's."""

    container: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    cpu: int | None = None
    memory: int | None = None
    exec: bool = False

    def overrides(self) -> dict[str, Any] | None:
        """None where the task runs as it is declared."""
        container: dict[str, Any] = {"name": self.container}
        if self.arguments:
            container["command"] = list(self.arguments)
        if self.environment:
            container["environment"] = [{"name": name, "value": text} for name, text in self.environment.items()]
        size = {"cpu": self.cpu, "memory": self.memory}
        whole: dict[str, Any] = {name: str(value) for name, value in size.items() if value is not None}
        if len(container) > 1:
            whole["containerOverrides"] = [container]
        return whole or None


@dataclass(frozen=True, slots=True)
class OneOffTask:
    """A task that was started for a person."""

    stack: Stack
    cluster: str
    arn: str
    container: str

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    def described(self) -> dict[str, Any] | None:
        """None while ECS does not show it. Raises `errors.AwsError`."""
        from reconciler.resources import task as tasks

        found = self.stack.aws.run(tasks.described(self.cluster, [self.id]))
        return found[0] if found else None

    def stop(self, reason: str) -> None:
        self.stack.aws.mine.add(self.arn)
        self.stack.aws.run(_stop(self.cluster, self.arn, reason))


def started(stack: Stack, address: Address, cluster: str, placed: Placement, command: Command) -> OneOffTask:
    """Start it. Raises `errors.AwsError` with ECS's reason if nothing was started."""
    from reconciler.model import ownership
    from reconciler.model.resource import Call
    from reconciler.resources import task as tasks

    place = stack.target.place
    token, by = uuid.uuid4().hex, tasks.started_by(place.stack, address)
    declared = stack.target.wanted[address].tags
    own = (ownership.STACK, ownership.ADDRESS)
    tags = {key: text for key, text in declared.items() if not key.startswith(ownership.PREFIX) or key in own}
    members = {**placed.members, "overrides": command.overrides(), "enableExecuteCommand": command.exec or None}
    call = Call(
        "ecs",
        "RunTask",
        {
            "cluster": cluster,
            "taskDefinition": placed.definition,
            "count": 1,
            "startedBy": by,
            "clientToken": token,
            "tags": [{"key": key, "value": text} for key, text in sorted({**tags, tasks.TOKEN: token}.items())],
            **{name: value for name, value in members.items() if value is not None},
        },
    )
    for tries_left in reversed(range(TRIES)):
        try:
            arns, _ = stack.aws.run(tasks.start(call, address, place.stack), creating=("RunTask",))
            return OneOffTask(stack, cluster, arns[0], command.container)
        except errors.Ambiguous:
            if not tries_left:
                raise
            stack.aws.clock.wait(threading.Event(), POLL_SECONDS * stack.aws.clock.speed)
    raise AssertionError("the last try returns or raises")


def follow(task: OneOffTask, stop: threading.Event, timeout: float | None) -> int:
    """Print its logs until it has stopped; the exit code of its container.

    Raises `errors.ReconcilerError` if the container has none, and once the `timeout` in seconds is over.
    """
    clock = task.stack.aws.clock
    printer, shown, stopping = _Logs(task), "", ""
    end = None if timeout is None else clock.monotonic() + timeout * clock.speed
    while True:
        item = described(task)
        status = "" if item is None else item["lastStatus"]
        if status != shown:
            shown = status
            echo(f"task {task.id[:8]}: {status.lower()}", err=True)
        printer.poll()
        over = item is not None and status == "STOPPED"
        if item is not None and over:
            printer.finish()
            if stopping:
                raise errors.ReconcilerError(stopping)
            return _exit_code(task, item)
        if stop.is_set():
            return Exit.INTERRUPTED
        if not stopping and end is not None and clock.monotonic() >= end:
            stopping = f"task {task.id} did not end within the timeout, and was stopped"
            task.stop("the timeout of reconciler run-task")
        elif not stopping and item is not None and _has_ended(task, item) and item["desiredStatus"] == "RUNNING":
            task.stop("the command of reconciler run-task has ended")  # other containers go on
        clock.wait(stop, POLL_SECONDS * clock.speed)


def described(task: OneOffTask) -> dict[str, Any] | None:
    """The task; None while ECS does not show it, or could not be asked."""
    try:
        return task.described()
    except PASSING:
        return None


def container_of(task: OneOffTask, item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The container that the command runs in; empty while ECS does not show it."""
    found = (one for one in item.get("containers") or () if one.get("name") == task.container)
    return next(found, {})


def _has_ended(task: OneOffTask, item: Mapping[str, Any]) -> bool:
    return container_of(task, item).get("exitCode") is not None


def _exit_code(task: OneOffTask, item: Mapping[str, Any]) -> int:
    found = container_of(task, item)
    code: int | None = found.get("exitCode")
    if code is None:
        reason = found.get("reason") or item.get("stoppedReason") or "no reason given"
        raise errors.ReconcilerError(f"task {task.id} has no exit code: {reason}")
    return code


def _stop(cluster: str, arn: str, reason: str) -> Calls[None]:
    from reconciler.model.resource import ServiceApi

    yield ServiceApi("ecs").stop_task(cluster=cluster, task=arn, reason=reason)


class _Logs:
    """Prints what the container writes. Where the logs cannot be read, or nobody reads ours, the task goes on."""

    def __init__(self, task: OneOffTask) -> None:
        self.task = task
        self.tail: LogTail | None = None
        self.streams: Sequence[Any] = ()
        self.silent = False

    def poll(self) -> int:
        """The number of lines that were new."""
        from reconciler.diagnosis import observations
        from reconciler.queries import logs

        if self.silent:
            return 0
        aws = self.task.stack.aws
        try:
            if self.tail is None:
                found = aws.run(observations.described(self.task.cluster, [self.task.id]))
                if not found:
                    return 0
                sources = aws.run(logs.log_sources(found, self.task.container))
                self.tail, self.streams = logs.LogTail(aws), sources.streams
                if not sources.streams:
                    echo(f"(the logs of container {self.task.container} cannot be read here)", err=True)
            lines = self.tail.poll(self.streams).lines
        except PASSING:
            return 0
        except errors.AwsError as error:
            echo(f"(the logs cannot be read: {error})", err=True)
            self.silent = True
            return 0
        try:
            for line in lines:
                echo(line.text)
            sys.stdout.flush()
        except BrokenPipeError:
            self.silent = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return len(lines)

    def finish(self) -> None:
        """The last lines, which CloudWatch Logs shows a moment later."""
        quiet, clock = 0, self.task.stack.aws.clock
        while quiet < QUIET and not self.silent and self.streams:
            quiet = 0 if self.poll() else quiet + 1
            clock.wait(threading.Event(), POLL_SECONDS * clock.speed)
