"""Log lines of tasks: time, task and container."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reconciler import printable
from reconciler.cli.output.terminal import Look
from reconciler.diagnosis.observations import Task, culprit, plain
from reconciler.queries.logs import Line, LogSources
from reconciler.rollout.observe_task_sets import OUR_FAULT
from reconciler.store.task_stops import TaskStop, stop_text

COLORS = ("cyan", "green", "yellow", "magenta", "blue")
ID = 4
SHOWN = 5


def log_text(line: Line, look: Look, *, containers: Sequence[str]) -> str:
    """`01-05 09:00:12  9c1b  text`, in UTC, for each line of a message; with the container if tasks have several."""
    who = line.stream.task[:ID]
    if len(containers) > 1:
        who = f"{who} {line.stream.container.ljust(max(map(len, containers)))}"
    painted = look.paint(who, COLORS[int(line.stream.task[:ID], 36) % len(COLORS)] if who[:ID].isalnum() else "cyan")
    return "\n".join(f"{line.at:%m-%d %H:%M:%S}  {painted}  {text}" for text in printable.lines(line.text))


def log_document(line: Line) -> dict[str, Any]:
    return {
        "at": line.at.isoformat(timespec="milliseconds"),
        "task": line.stream.task,
        "container": line.stream.container,
        "revision": line.stream.revision,
        "message": printable.cleaned(line.text),
    }


def kept_text(stop: TaskStop, grep: str | None, look: Look) -> str:
    """Why a task stopped, and its last lines that contain `grep`, which were kept without their times."""
    head = look.paint(f"{stop.at:%m-%d %H:%M:%S}  {plain(stop_text(stop))}", "bold")
    lines = [line for line in stop.log if grep is None or grep in line]
    return "\n".join([head, *(f"  {text}" for line in lines for text in printable.lines(line))])


def kept_document(stop: TaskStop, grep: str | None) -> dict[str, Any]:
    return {
        "at": stop.at.isoformat(timespec="milliseconds"),
        "task": stop.task,
        "container": stop.container,
        "revision": stop.revision,
        "stopped": stopped_document(stop),
        "messages": [printable.cleaned(line) for line in stop.log if grep is None or grep in line],
    }


def stopped_document(stop: TaskStop) -> dict[str, Any]:
    """Why tasks have stopped by themselves; `at` is when the newest did."""
    return {
        "at": stop.at.isoformat(timespec="milliseconds"),
        "since": stop.since.isoformat(timespec="milliseconds"),
        "count": stop.count,
        "task": stop.task,
        "revision": stop.revision or None,
        "container": stop.container or None,
        "exit_code": stop.exit_code,
        "stop_code": stop.stop_code or None,
        "reason": stop.reason or None,
        "cause": stop.cause or None,
    }


def whose_text(sources: LogSources, *, previous: bool) -> str:
    """The tasks whose logs are shown: `9c1b, 77e0 of web:42, stopped: Essential container … (app exited with 1)`."""
    tasks = sources.tasks
    revisions = ", ".join(dict.fromkeys(task.definition.rpartition("/")[2] for task in tasks))
    ids = _few([task.id[:ID] for task in tasks])
    return f"{ids} of {revisions}{_reason(tasks) if previous else ''}"


def _reason(tasks: Sequence[Task]) -> str:
    """Stop reason of the newest task that exited by itself, or of the newest task."""
    by_itself = [task for task in tasks if task.stop_code in OUR_FAULT]
    task = (by_itself or list(tasks))[0]
    who = culprit(task)
    code = f" ({who.name} exited with {who.exit_code})" if who is not None and who.exit_code is not None else ""
    return f", stopped: {plain(task.reason)}{code}" if task.reason else ""


def notes(sources: LogSources) -> Iterable[str]:
    """Notes on logs that are not shown."""
    if sources.left_out:
        yield f"{sources.left_out} older tasks omitted"
    for name in sources.without_log:
        yield f"the logs of {name} cannot be shown: it does not use the awslogs driver with a stream prefix"


def _few(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return ", ".join(ids[:SHOWN]) + more
