"""Evidence of a failed rollout, read from AWS once, because ECS forgets stopped tasks within the hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from reconciler import errors
from reconciler.diagnosis import observations, root_cause
from reconciler.diagnosis.observations import Task, Unread
from reconciler.diagnosis.report import Diagnosis, Evidence, Known, KnownContainer, Story
from reconciler.model.resource import Calls, ServiceApi

T = TypeVar("T")

ecs = ServiceApi("ecs")
logs = ServiceApi("logs")

LOG_LINES: Final = 20


@dataclass(frozen=True, slots=True)
class Question:
    """What failed, and what is known of it already.

    `task_ids` are the tasks that are meant, where it is not a service that failed.
    `started_by` are the ids of the deployments or task sets (`ecs-svc/…`) whose tasks are meant; empty, all of the
    service's, or those of the revision `definition`. `events` are DescribeServices's own; those from before `since` are
    of earlier rollouts. `rollout` is the deployment's rolloutStateReason.
    """

    cluster: str
    service: str = ""
    started_by: frozenset[str] = frozenset()
    target_groups: tuple[str, ...] = ()
    events: Sequence[Mapping[str, Any]] = ()
    since: datetime | None = None
    rollout: str = ""
    known: Known = field(default_factory=Known)
    task_ids: tuple[str, ...] = ()
    definition: str = ""


def diagnose(question: Question, story: Story) -> Calls[Diagnosis]:
    """Why it failed, as far as AWS lets us know. Raises no `errors.AwsError`."""
    return root_cause.conclude((yield from gather(question)), story)


def gather(question: Question) -> Calls[Evidence]:
    """All the evidence there is; what could not be read stands in `unread`, with the reason."""
    unread: list[Unread] = []
    tasks = yield from _tried(_tasks(question), "stopped tasks", unread, ())
    known = question.known
    if tasks and not known.containers:
        known = yield from _tried(_defined(known, tasks[0]), "task definition", unread, known)
    targets: tuple[observations.Target, ...] = ()
    for group in question.target_groups:
        targets += yield from _tried(observations.targets_of(group), "target health", unread, ())
    evidence = Evidence(
        tasks=tasks,
        targets=targets,
        events=observations.events(question.events, question.since),
        rollout=question.rollout,
        known=known,
        unread=tuple(unread),
    )
    return (yield from _with_log(evidence))


def _tried(part: Calls[T], what: str, unread: list[Unread], otherwise: T) -> Calls[T]:
    try:
        return (yield from part)
    except errors.AwsError as refusal:
        unread.append(Unread(what, observations.plain(str(refusal))))
        return otherwise


def _tasks(question: Question) -> Calls[tuple[Task, ...]]:
    """The stopped tasks; if none stopped, those that run without getting healthy."""
    if question.task_ids:
        return (yield from observations.described(question.cluster, question.task_ids))
    for status in ("STOPPED", "RUNNING"):
        tasks = yield from observations.tasks_of(question.cluster, question.service, question.started_by, status)
        if found := tuple(one for one in tasks if question.definition in ("", one.definition)):
            return found
    return ()


def _defined(known: Known, task: Task) -> Calls[Known]:
    answer = yield ecs.describe_task_definition(taskDefinition=task.definition)
    definition = answer.get("taskDefinition") or {}
    containers = {}
    for item in definition.get("containerDefinitions") or ():
        log = item.get("logConfiguration") or {}
        options = (log.get("options") or {}) if log.get("logDriver") == "awslogs" else {}
        containers[item.get("name", "")] = KnownContainer(
            image=item.get("image", ""),
            essential=item.get("essential", True),
            log_group=options.get("awslogs-group", ""),
            log_prefix=options.get("awslogs-stream-prefix", ""),
        )
    return replace(known, containers=containers, role=known.role or definition.get("executionRoleArn", ""))


def _with_log(evidence: Evidence) -> Calls[Evidence]:
    """With the last lines of the container that ended the newest failing task, or why there are none."""
    who = root_cause.speaker(evidence.tasks, evidence.known.essential)
    if who is None:  # nothing ever ran
        return evidence
    task, name = who
    container = evidence.known.containers.get(name, KnownContainer())
    whose = f"{name} of {task.id[:4]}"
    if not (container.log_group and container.log_prefix):
        return _silent(evidence, f"{whose} has no known log group")
    try:
        answer = yield logs.get_log_events(
            logGroupName=container.log_group,
            logStreamName=f"{container.log_prefix}/{name}/{task.id}",
            limit=LOG_LINES,
            startFromHead=False,
        )
    except errors.Gone:
        return _silent(evidence, f"{whose} wrote nothing")
    except errors.AwsError as refusal:
        return _silent(evidence, str(refusal))
    lines = tuple(str(event.get("message", "")) for event in answer.get("events") or ())
    if not lines:
        return _silent(evidence, f"{whose} wrote nothing")
    return replace(evidence, log=lines, log_of=whose)


def _silent(evidence: Evidence, because: str) -> Evidence:
    return replace(evidence, unread=(*evidence.unread, Unread("last log", observations.plain(because))))
