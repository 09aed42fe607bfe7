"""Task stops: why tasks of a stack have stopped, and their last log lines, which ECS forgets within the hour.

Stops that are alike are one entry with a count, so that a service that crashes over and over takes no more room than
one that crashed once. Values that look like secrets are masked before they get here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from reconciler.store.base import Documents
from reconciler.store.journal import Journal

KEPT: Final = timedelta(days=30)
SUCCEEDED: Final = "succeeded"
MOST: Final = 200
"""Kinds of stops; of the service that has the most of them, the oldest goes first."""


@dataclass(frozen=True, slots=True)
class TaskStop:
    """Stops that are alike. `alike` is what they have in common, without ids and times.

    `address` is the service, the task or the schedule. `at`, `task` and `log` are the newest one's, `since` is when the
    oldest one stopped. `cause` is the diagnosis as text, `reason` ECS's own.
    """

    address: str
    alike: str
    at: datetime
    since: datetime
    task: str
    count: int = 1
    revision: str = ""
    cause: str = ""
    stop_code: str = ""
    reason: str = ""
    container: str = ""
    exit_code: int | None = None
    log: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether it is a run that was meant to end, and ended well."""
        return self.cause == SUCCEEDED

    def is_newer(self, other: TaskStop) -> bool:
        return (self.at, self.task) > (other.at, other.task)


TaskStops = Journal[TaskStop]


def task_stops(store: Documents) -> TaskStops:
    return Journal(
        store.document("stops"), "task stops", write=document_of, read=stop_of, merged=merged, shorter=shorter
    )


def merged(known: Sequence[TaskStop], new: Iterable[TaskStop]) -> Sequence[TaskStop]:
    """By time. A stop that is not newer than what is counted already was counted by another process."""
    every = {(stop.address, stop.alike): stop for stop in known}
    for stop in sorted(new, key=lambda one: (one.at, one.task)):
        before = every.get((stop.address, stop.alike))
        if before is None:
            every[stop.address, stop.alike] = stop
        elif stop.is_newer(before):
            count = before.count + stop.count
            every[stop.address, stop.alike] = replace(
                stop, since=before.since, count=count, cause=stop.cause or before.cause, log=stop.log or before.log
            )
    found = sorted(every.values(), key=lambda stop: (stop.at, stop.task))
    found = [stop for stop in found if found[-1].at - stop.at <= KEPT]
    while len(found) > MOST:
        (most, _), *_ = Counter(stop.address for stop in found).most_common(1)
        found.remove(next(stop for stop in found if stop.address == most))
    return found


def shorter(stops: Sequence[TaskStop]) -> Sequence[TaskStop]:
    """Without the log lines of the oldest half of those that have any; then without the oldest tenth."""
    logged = [stop for stop in stops if stop.log]
    if not logged:
        return stops[max(1, len(stops) // 10) :]
    going = set(map(id, logged[: max(1, len(logged) // 2)]))
    return [replace(stop, log=()) if id(stop) in going else stop for stop in stops]


def document_of(stop: TaskStop) -> dict[str, Any]:
    document = {name: getattr(stop, name) for name in _TEXTS}
    document |= {"at": stop.at.isoformat(), "since": stop.since.isoformat(), "count": stop.count}
    document |= {"exit_code": stop.exit_code, "log": list(stop.log)}
    return {name: value for name, value in document.items() if value not in ("", None, [])}


def stop_of(document: dict[str, Any]) -> TaskStop:
    at, since = (datetime.fromisoformat(document[name]).astimezone(UTC) for name in ("at", "since"))
    code = document.get("exit_code")
    return TaskStop(
        at=at,
        since=since,
        count=int(document["count"]),
        exit_code=code if isinstance(code, int) else None,
        log=tuple(map(str, document.get("log", ()))),
        **{name: str(document.get(name, "")) for name in _TEXTS},
    )


def stop_text(stop: TaskStop) -> str:
    """`3 tasks stopped since 05 Jan 11:02 UTC (web:7, app exit 1): the process crashed`"""
    whose = [stop.revision, f"{stop.container} exit {stop.exit_code}" if stop.exit_code is not None else ""]
    of = ", ".join(filter(None, whose))
    since = f" since {stop.since:%d %b %H:%M} UTC" if stop.count > 1 else ""
    if stop.succeeded:
        return f"{'the run' if stop.count == 1 else f'{stop.count} runs'}{since} of {stop.revision} succeeded"
    what = f"task {stop.task[:8]} stopped" if stop.count == 1 else f"{stop.count} tasks stopped{since}"
    return f"{what}{f' ({of})' if of else ''}: {stop.cause or stop.reason or 'ECS gave no reason'}"


_TEXTS: Final = ("address", "alike", "task", "revision", "cause", "stop_code", "reason", "container")
