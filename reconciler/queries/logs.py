"""Logs of a service: from a version to its tasks, from tasks to their log streams, and from streams to lines.

Each container of a task has its own stream, `prefix/container/task`. A missing stream is a container that has written
nothing. Only log lines are taken from the responses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.diagnosis import observations
from reconciler.diagnosis.observations import Task
from reconciler.model.resource import Calls, ServiceApi
from reconciler.queries.versions import ServiceState
from reconciler.resources.task_definition import TaskDefinitionSpec, read_spec
from reconciler.rollout.describe import revision_of

ecs = ServiceApi("ecs")
logs = ServiceApi("logs")

MOST_TASKS: Final = 20
"""Maximum number of tasks to read; CloudWatch Logs allows an account 25 stream reads a second."""

PAGES: Final = 20
"""Pages to read of one stream at a time; a page is a megabyte or ten thousand lines."""

WIDTH: Final = 8
POLL_SECONDS: Final = 2.0
REFRESH_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class LogStream:
    """Log stream of one container of a task."""

    task: str
    container: str
    revision: str
    group: str
    stream: str


@dataclass(frozen=True, slots=True)
class Line:
    at: datetime
    stream: LogStream
    text: str


@dataclass(frozen=True, slots=True)
class LogSources:
    """The streams to read.

    `left_out` counts tasks beyond the limit. `without_log` are containers whose log driver is not readable here.
    """

    tasks: tuple[Task, ...] = ()
    streams: tuple[LogStream, ...] = ()
    containers: tuple[str, ...] = ()
    without_log: tuple[str, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class LogBatch:
    """New lines. Older lines of the streams in `cut` are left out."""

    lines: tuple[Line, ...] = ()
    cut: tuple[LogStream, ...] = ()


# -- tasks


def current(found: ServiceState) -> Calls[tuple[Task, ...]]:
    """The tasks of the version in production, newest first; all running tasks if no version is."""
    versions = found.in_production or found.runs
    if not versions:
        return ()
    return (yield from observations.tasks_of(found.cluster, found.name, (one.id for one in versions), "RUNNING"))


def stopped(found: ServiceState) -> Calls[tuple[Task, ...]]:
    """The stopped tasks of the newest version, newest first."""
    tasks = yield from observations.tasks_of(found.cluster, found.name)
    return newest_version(tasks, frozenset(one.id for one in found.in_production))


def newest_version(tasks: Iterable[Task], live: frozenset[str]) -> tuple[Task, ...]:
    """Of stopped tasks, those of the version that stopped last; of a live version only if there is no other."""
    several = tuple(tasks)
    gone = [one for one in several if one.started_by not in live] or list(several)
    return tuple(one for one in gone if one.started_by == gone[0].started_by)


def log_sources(tasks: tuple[Task, ...], container: str | None = None) -> Calls[LogSources]:
    """The log streams of the tasks according to their task definitions; of one container, if it is named."""
    few = tasks[:MOST_TASKS]
    definitions: dict[str, TaskDefinitionSpec] = {}
    for arn in dict.fromkeys(task.definition for task in few):
        definitions[arn] = read_spec((yield ecs.describe_task_definition(taskDefinition=arn)))
    return assigned(few, definitions, container, left_out=len(tasks) - len(few))


def assigned(
    tasks: tuple[Task, ...], definitions: Mapping[str, TaskDefinitionSpec], container: str | None, *, left_out: int = 0
) -> LogSources:
    """Pure."""
    names = tuple(sorted({name for spec in definitions.values() for name in spec.containers}))
    streams, without_log = [], set()
    for task in tasks:
        for name, definition in definitions[task.definition].containers.items():
            if container not in (None, name):
                continue
            if not (definition.log_group and definition.log_stream_prefix):
                without_log.add(name)
                continue
            stream = f"{definition.log_stream_prefix}/{name}/{task.id}"
            streams.append(LogStream(task.id, name, revision_of(task.definition), str(definition.log_group), stream))
    return LogSources(tasks, tuple(streams), names, tuple(sorted(without_log)), left_out)


# -- lines


@dataclass(slots=True)
class LogTail:
    """Reads several streams, and continues where it stopped."""

    aws: AwsClient
    since: datetime | None = None
    positions: dict[LogStream, str] = field(default_factory=dict)

    def poll(self, streams: Iterable[LogStream]) -> LogBatch:
        """New lines in order of time. Raises `errors.AwsError`."""
        streams = tuple(streams)
        if not streams:
            return LogBatch()
        with ThreadPoolExecutor(max_workers=WIDTH, thread_name_prefix="logs") as pool:
            answers = tuple(pool.map(self._one, streams))
        lines: list[Line] = []
        for stream, (new_lines, position, _) in zip(streams, answers, strict=True):
            lines += new_lines
            if position:
                self.positions[stream] = position
        return LogBatch(
            tuple(sorted(lines, key=lambda one: one.at)),
            cut=tuple(stream for stream, (_, _, cut) in zip(streams, answers, strict=True) if cut),
        )

    def _one(self, stream: LogStream) -> tuple[list[Line], str, bool]:
        return self.aws.run(_read_stream(stream, self.since, self.positions.get(stream)))


def _read_stream(
    stream: LogStream, since: datetime | None, position: str | None
) -> Calls[tuple[list[Line], str, bool]]:
    """The lines, oldest first, the position to continue from, and whether older lines are left out.

    Starts at `position`; without one, reads backwards from the end. A page may be empty although there are more: the
    end is where the token stays the same. Source: CloudWatch Logs API reference, GetLogEvents.
    """
    name = {"logGroupName": stream.group, "logStreamName": stream.stream}
    start = None if since is None else int(since.timestamp() * 1000)
    token, forward, onward = position, position is not None, ""
    pages: list[list[Line]] = []
    for _ in range(PAGES):
        try:
            answer = yield logs.get_log_events(**name, startTime=start, nextToken=token, startFromHead=forward)
        except errors.Gone:
            return [], "", False
        pages.append([_line(stream, event) for event in answer.get("events") or ()])
        if forward or not onward:
            onward = answer.get("nextForwardToken", "")
        following = answer.get("nextForwardToken" if forward else "nextBackwardToken")
        if following is None or following == token:
            cut = False
            break
        token = following
    else:
        cut = not forward
    ordered = pages if forward else pages[::-1]
    lines = [line for page in ordered for line in page]
    if position is None and not lines:
        onward = ""  # a stream without lines has no place to go on from: its first line may be passed over
    return lines, onward, cut


def _line(stream: LogStream, event: Mapping[str, Any]) -> Line:
    return Line(datetime.fromtimestamp(event["timestamp"] / 1000, UTC), stream, str(event.get("message", "")))


def following(
    aws: AwsClient, tail: LogTail, sources: Callable[[], LogSources], stop: threading.Event
) -> Iterator[tuple[Line, ...]]:
    """Yields lines until `stop`; new tasks are read from their first line on."""
    speed = aws.clock.speed  # CloudWatch is polled in real seconds, even if the clock is accelerated
    streams: tuple[LogStream, ...] = ()
    waited = REFRESH_SECONDS
    while True:
        if waited >= REFRESH_SECONDS:
            waited, streams = 0.0, sources().streams
        lines = tail.poll(streams).lines
        if lines:
            yield lines
        if aws.clock.wait(stop, POLL_SECONDS * speed):
            return
        waited += POLL_SECONDS
