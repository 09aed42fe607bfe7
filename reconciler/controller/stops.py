"""Stop recorder: keeps why tasks have stopped by themselves, which ECS forgets within the hour.

A pass reads nothing for it where nothing has stopped (controller/stop_clues.py). Where something may have, the stopped
tasks are read, a minute apart at most, and of what is not known yet the last log lines. Recording is best effort: what
cannot be read or kept is tried again, for as long as ECS shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from reconciler import errors, events
from reconciler.aws.client import AwsClient
from reconciler.controller import stop_clues
from reconciler.controller.events import EventRecorder
from reconciler.controller.stop_clues import Sighting
from reconciler.diagnosis import classify, observations
from reconciler.diagnosis.evidence import Question, diagnose
from reconciler.diagnosis.observations import Task, culprit, normalised, plain
from reconciler.diagnosis.report import Story
from reconciler.log import log
from reconciler.model import ownership
from reconciler.model.resource import Address, Calls, Observed, ResourceHealth, ServiceApi
from reconciler.model.resource_type import Depth
from reconciler.model.schedules import next_time
from reconciler.model.secrecy import masked
from reconciler.reconcile.result import PassResult
from reconciler.resources import task as one_off
from reconciler.rollout.describe import revision_of
from reconciler.store.task_stops import SUCCEEDED, TaskStop, TaskStops, stop_text

ecs = ServiceApi("ecs")

RUNS_EVERY: Final = timedelta(minutes=30)
"""Time between two looks at the runs of scheduled tasks: ECS forgets a stopped task after an hour."""
APART: Final = timedelta(minutes=1)
"""Time between two looks at the stopped tasks of one service."""
AT_ONCE: Final = 5
"""Services that are looked at in one pass; the others follow in the next."""
MOST_DIAGNOSED: Final = 3
"""Kinds of stops in one look whose log is read; three calls each."""
FRESH: Final = timedelta(minutes=10)
"""Time for which the log of a kind of stop is not read again."""
NEVER: Final = datetime.min.replace(tzinfo=UTC)
ROUTINE: Final = frozenset({"scaled-in", "killed-at-stop", "stop-failed"})
"""Causes of stops that were meant."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose tasks are looked at, and how they are found. `ends`: its tasks are meant to end, with exit code 0."""

    address: Address
    cluster: str
    service: str = ""
    family: str = ""
    task: str = ""
    ends: bool = False

    def tasks(self) -> Calls[tuple[Task, ...]]:
        """Those that have stopped, newest first: one page of them, however many there are."""
        arns = [self.task] if self.task else []
        if self.service or self.family:
            whose = {"serviceName": self.service} if self.service else {"family": self.family}
            most = observations.AT_ONCE
            answer = yield ecs.list_tasks(cluster=self.cluster, desiredStatus="STOPPED", maxResults=most, **whose)
            arns = list(answer.get("taskArns") or ())[:most]
        return (yield from observations.described(self.cluster, arns)) if arns else ()


@dataclass(slots=True)
class StopRecorder:
    """`on_pass` receives each pass, and reads what it leads to.

    `_asked` is when whose tasks were asked for last, `_looked` when they were read. `_waiting` are the tasks that have
    ended and are not kept yet, by id, and `_ended` those that are.
    """

    aws: AwsClient
    recorder: EventRecorder
    stops: TaskStops
    _seen: dict[Address, Sighting] = field(init=False, default_factory=dict)
    _asked: dict[Address, datetime] = field(init=False, default_factory=dict)
    _looked: dict[Address, datetime] = field(init=False, default_factory=dict)
    _waiting: dict[str, Subject] = field(init=False, default_factory=dict)
    _ended: set[str] = field(init=False, default_factory=set)
    _runs_at: datetime = field(init=False, default=NEVER)

    def on_pass(self, result: PassResult) -> None:
        now, stack = self.aws.clock.now(), result.plan.stack
        subjects = [*self._tasks(result), *self._services(result, stack, now)]
        if result.depth >= Depth.MEDIUM and (result.depth is Depth.FULL or now - self._runs_at >= RUNS_EVERY):
            self._runs_at = now
            subjects += self._scheduled(result, now)
        if not subjects:
            return
        try:
            known = {(stop.address, stop.alike): stop for stop in self.stops.read()}
            for subject in sorted(subjects, key=self._turn)[:AT_ONCE]:
                self._try(subject, known, now)
        except errors.LeaseLost:
            raise
        except errors.ReconcilerError as error:
            log.warning(events.STOPS_FAILED, because=str(error))

    def _turn(self, subject: Subject) -> datetime:
        """Whoever was never asked about comes first, and what cannot be read keeps nothing else waiting."""
        return self._asked.get(subject.address, NEVER)

    def _try(self, subject: Subject, known: dict[tuple[str, str], TaskStop], now: datetime) -> None:
        """Raises what the store raises; what AWS does not show is logged."""
        self._asked[subject.address] = now
        try:
            self._look(subject, known, now)
        except errors.AwsError as error:
            log.warning(events.STOPS_FAILED, address=str(subject.address), because=str(error))

    def _services(self, result: PassResult, stack: str, now: datetime) -> Iterator[Subject]:
        for service in result.world.found.get("service", ()):
            item = service.facts.get("item")
            if item is None or service.facts.get("deleting") or ownership.owner(service.tags) != stack:
                continue
            seen = self._seen[service.address] = stop_clues.sight(item, self._seen.get(service.address), now)
            if seen.suspicious and self._due(service.address, now):
                name = service.id.rpartition("/")[2]
                yield Subject(service.address, str(service.facts["cluster"]), service=name)

    def _due(self, address: Address, now: datetime) -> bool:
        before = self._looked.get(address)
        return before is None or not timedelta() <= now - before < APART

    def _tasks(self, result: PassResult) -> Iterator[Subject]:
        """One-off tasks whose outcome has just been read, or was and is not kept yet."""
        for one in result.world.found.get("task", ()):
            facts = one.facts
            fresh = one.health is ResourceHealth.DEGRADED and one_off.OUTCOME not in one.tags
            if fresh and facts.get("task") and facts["task"] not in self._ended:
                id = str(facts["task"])
                self._waiting[id] = Subject(one.address, str(facts["cluster"]), task=id, ends=True)
        yield from self._waiting.values()

    def _scheduled(self, result: PassResult, now: datetime) -> Iterator[Subject]:
        """Scheduled tasks that had a run since they were looked at last."""
        for one in result.world.found.get("schedule", ()):
            target = (one.facts.get("settings") or {}).get("Target") or {}
            definition = (target.get("EcsParameters") or {}).get("TaskDefinitionArn", "")
            family = revision_of(definition).partition(":")[0]
            if family and _has_run(one, self._looked.get(one.address, now - stop_clues.REMEMBERED), now):
                yield Subject(one.address, str(target.get("Arn", "")), family=family, ends=True)

    def _look(self, subject: Subject, known: dict[tuple[str, str], TaskStop], now: datetime) -> None:
        """Raises `errors.AwsError`, and what the store raises; then it is looked at again."""
        tasks = self.aws.run(subject.tasks())
        self._looked[subject.address] = now
        new = self._new(subject, tasks, known)
        if new:
            self.stops.add(new)
        for stop in new:
            before = known.get((stop.address, stop.alike))
            if before is None and not stop.succeeded:
                details = {"count": stop.count, "cause": stop.cause, "exit_code": stop.exit_code}
                self.recorder.emit(events.TASK_STOPPED, stop.address, stop_text(stop), details)
        if subject.task:
            self._ended.add(subject.task)
            self._waiting.pop(subject.task, None)
        if all(task.stopped for task in tasks) and subject.address in self._seen:  # others are about to have a reason
            self._seen[subject.address] = self._seen[subject.address].looked()

    def _new(self, subject: Subject, tasks: Iterable[Task], known: dict[tuple[str, str], TaskStop]) -> list[TaskStop]:
        """What is not kept yet, with stops that are alike as one."""
        folds: dict[str, list[Task]] = {}
        for task in tasks:
            before = known.get((str(subject.address), alike := _alike(subject, task)))
            counted = before is not None and (task.at, task.id) <= (before.at, before.task)
            if task.stopped and not counted and not _routine(subject, task):
                folds.setdefault(alike, []).append(task)
        diagnosed, found = 0, []
        for kind, several in folds.items():
            newest, before = several[0], known.get((str(subject.address), kind))
            text, lines = (before.cause, before.log) if before is not None else ("", ())
            stale = before is None or not before.log or newest.at - before.at > FRESH
            if _succeeded(subject, newest):
                text = SUCCEEDED
            elif stale and diagnosed < MOST_DIAGNOSED:
                diagnosed += 1
                text, lines = self.aws.run(_why(subject, newest.id))
            found.append(_stop(subject, kind, several, text, lines))
        return found


def _has_run(schedule: Observed[Any], since: datetime, now: datetime) -> bool:
    spec = schedule.spec
    due = next_time(spec.expression, spec.time_zone or "UTC", since)
    return spec.enabled is not False and (due is None or due <= now)


def _succeeded(subject: Subject, task: Task) -> bool:
    return subject.ends and bool(task.containers) and all(one.exit_code == 0 for one in task.containers)


def _routine(subject: Subject, task: Task) -> bool:
    hit = classify.find_in_task(task)
    return not subject.ends and hit is not None and hit.cause.id in ROUTINE


def _alike(subject: Subject, task: Task) -> str:
    if _succeeded(subject, task):
        return f"{revision_of(task.definition)} {SUCCEEDED}"
    ended = culprit(task)
    parts = [revision_of(task.definition), task.stop_code, normalised(plain(task.reason))]
    parts += ["", ""] if ended is None else [ended.name, str(ended.exit_code), normalised(plain(ended.reason))]
    return masked(" · ".join(parts))[:WIDTH]


WIDTH: Final = 500


def _why(subject: Subject, id: str) -> Calls[tuple[str, tuple[str, ...]]]:
    """The cause and the last log lines, without secrets."""
    story = Story(str(subject.address), "", "")
    found = yield from diagnose(Question(subject.cluster, task_ids=(id,)), story)
    return masked(plain(found.finding.text)), tuple(masked(line) for line in found.log)


def _stop(subject: Subject, kind: str, several: list[Task], cause: str, lines: tuple[str, ...]) -> TaskStop:
    """`several` are alike, newest first."""
    newest = several[0]
    ended = culprit(newest)
    said = " · ".join(filter(None, (newest.reason, "" if ended is None else ended.reason)))
    return TaskStop(
        str(subject.address),
        kind,
        newest.at,
        min(task.at for task in several),
        newest.id,
        len(several),
        revision_of(newest.definition),
        cause,
        newest.stop_code,
        masked(plain(said)),
        "" if ended is None else ended.name,
        None if ended is None else ended.exit_code,
        lines,
    )
