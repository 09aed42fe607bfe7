"""Observations of failing tasks: the values that a diagnosis is made from, and the calls that read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from reconciler.model.resource import Calls, ServiceApi
from reconciler.printable import unseen

ecs = ServiceApi("ecs")
elbv2 = ServiceApi("elbv2")

AT_ONCE: Final = 100
"""Tasks that DescribeTasks takes in one call."""

LONGEST: Final = 400
SIGNALLED: Final = frozenset({137, 143})  # what stopping a task does to the containers that did nothing wrong
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a task, as it was last seen."""

    name: str
    image: str = ""
    exit_code: int | None = None
    reason: str = ""
    health: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """One task, as DescribeTasks answers it. `at` is when it stopped, or the latest that is known of it."""

    id: str
    status: str = "STOPPED"
    stop_code: str = ""
    reason: str = ""
    containers: tuple[Container, ...] = ()
    started_by: str = ""
    definition: str = ""
    address: str = ""
    started: bool = False
    at: datetime = EPOCH

    @property
    def stopped(self) -> bool:
        return self.status == "STOPPED"


@dataclass(frozen=True, slots=True)
class Target:
    """A target of a target group, and how the load balancer finds it."""

    id: str
    state: str
    reason: str = ""
    description: str = ""
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A service event."""

    message: str
    at: datetime = EPOCH


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that would have helped and could not be read, with the reason."""

    what: str
    because: str


# -- asking


def tasks_of(
    cluster: str, service: str, started_by: Iterable[str] = (), status: str = "STOPPED"
) -> Calls[tuple[Task, ...]]:
    """A service's tasks, newest first; of those deployments or task sets alone, where they are named.

    Two calls, one if there are none. ECS keeps stopped tasks for about an hour, and only some of them. `startedBy`
    cannot be asked for together with STOPPED, so that is sorted out here. Raises `errors.AwsError`.
    """
    answer = yield ecs.list_tasks(cluster=cluster, serviceName=service, desiredStatus=status)
    arns = list(answer.get("taskArns") or ())[:AT_ONCE]
    if not arns:
        return ()
    found = yield from described(cluster, arns)
    whose = frozenset(started_by)
    return tuple(one for one in found if not whose or one.started_by in whose)


def described(cluster: str, tasks: Sequence[str]) -> Calls[tuple[Task, ...]]:
    """Those of the tasks that ECS still knows, newest first. Raises `errors.AwsError`."""
    answer = yield ecs.describe_tasks(cluster=cluster, tasks=list(tasks))
    return tuple(sorted((task(item) for item in answer.get("tasks") or ()), key=_newest_first))


def targets_of(target_group: str) -> Calls[tuple[Target, ...]]:
    """The targets of a target group. Raises `errors.AwsError`."""
    answer = yield elbv2.describe_target_health(TargetGroupArn=target_group)
    return tuple(target(item) for item in answer.get("TargetHealthDescriptions") or ())


# -- reading


def task(item: Mapping[str, Any]) -> Task:
    """A task of DescribeTasks."""
    times = [item.get(name) for name in ("stoppedAt", "stoppingAt", "startedAt", "createdAt")]
    return Task(
        id=_last(_text(item.get("taskArn"))),
        status=_text(item.get("lastStatus")) or "STOPPED",
        stop_code=_text(item.get("stopCode")),
        reason=_text(item.get("stoppedReason")),
        containers=tuple(_container(one) for one in item.get("containers") or ()),
        started_by=_text(item.get("startedBy")),
        definition=_text(item.get("taskDefinitionArn")),
        address=_address(item),
        started=item.get("startedAt") is not None,
        at=next((_time(time) for time in times if isinstance(time, datetime)), EPOCH),
    )


def target(item: Mapping[str, Any]) -> Target:
    """A target of DescribeTargetHealth."""
    whom, health = item.get("Target") or {}, item.get("TargetHealth") or {}
    port = whom.get("Port")
    return Target(
        id=_text(whom.get("Id")),
        state=_text(health.get("State")),
        reason=_text(health.get("Reason")),
        description=_text(health.get("Description")),
        port=port if isinstance(port, int) else None,
    )


def events(items: Iterable[Mapping[str, Any]], since: datetime | None = None) -> tuple[Event, ...]:
    """Service events of DescribeServices, newest first; none from before `since`."""
    found = [Event(_text(item.get("message")), _time(item.get("createdAt"))) for item in items]
    kept = [event for event in found if since is None or event.at >= _time(since)]
    return tuple(sorted(kept, key=lambda event: -event.at.timestamp()))


def culprit(of: Task, essential: frozenset[str] | None = None) -> Container | None:
    """The container that ended the task, or keeps it from working; None if nothing tells.

    Of those that failed, one that says why comes first, then one that failed by itself, then one that is not healthy.
    `essential` are the containers whose end is the task's, where it is known; ECS's own sidecars are never named.
    """
    ours = [one for one in of.containers if not one.name.startswith(("aws-guardduty-agent", "ecs-service-connect"))]
    if essential is not None and of.stop_code != "TaskFailedToStart":  # there, what others depend on counts too
        ours = [one for one in ours if one.name in essential] or ours
    return min(ours, key=_innocence, default=None)


def plain(text: str, longest: int = LONGEST) -> str:
    """`text` on one line, without what could move a terminal's cursor; both ends kept, for AWS says why at the end."""
    bare = re.sub(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)", "", text)
    line = "".join(" " if unseen(char) else char for char in bare)
    line = " ".join(line.split())
    if len(line) <= longest:
        return line
    head = longest // 2 - 1
    return f"{line[:head]} … {line[head + 3 - longest :]}"


def normalised(text: str) -> str:
    """`text` without what differs from task to task, so that equal reasons are equal."""
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return " ".join(text.split())


_VARYING: Final[Sequence[tuple[re.Pattern[str], str]]] = (
    (re.compile(r"arn:aws[\w-]*:[^\s)',\"\]]+"), "<arn>"),
    (re.compile(r"\bsha256:[0-9a-f]+"), "<digest>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<address>"),
    (re.compile(r"\[[0-9a-f:]*:[0-9a-f:]*\](?::\d+)?"), "<address>"),
    (re.compile(r"\b(eni|i|sg|subnet|vpc|fs|fsap)-[0-9a-f]{8,}\b"), r"\1-<id>"),
    (re.compile(r"\becs-svc/\d+"), "<deployment>"),
    (re.compile(r"\b[0-9a-f]{32,}\b"), "<id>"),
    (re.compile(r"(?<=mount)\d+\b"), "<n>"),
    (re.compile(r"\b\d{6,}\b"), "<n>"),
    (re.compile(r"\b\d+ time\(s\)"), "<n> time(s)"),
)


def _innocence(one: Container) -> tuple[int, int]:
    failed = one.exit_code not in (None, 0)
    if one.reason:
        return (0, 0 if failed else 1)
    if failed:
        return (2 if one.exit_code in SIGNALLED else 1, 0)
    if one.health == "UNHEALTHY":
        return (3, 0)
    return (4, 0 if one.exit_code == 0 else 1)


def _container(item: Mapping[str, Any]) -> Container:
    code = item.get("exitCode")
    return Container(
        name=_text(item.get("name")),
        image=_text(item.get("image")),
        exit_code=code if isinstance(code, int) else None,
        reason=_text(item.get("reason")),
        health=_text(item.get("healthStatus")),
    )


def _address(item: Mapping[str, Any]) -> str:
    """The private address of the task's network interface, which is also the id of its target."""
    for attachment in item.get("attachments") or ():
        for detail in attachment.get("details") or ():
            if detail.get("name") == "privateIPv4Address":
                return _text(detail.get("value"))
    for container in item.get("containers") or ():
        for interface in container.get("networkInterfaces") or ():
            return _text(interface.get("privateIpv4Address"))
    return ""


def _newest_first(one: Task) -> tuple[float, str]:
    return (-one.at.timestamp(), one.id)


def _time(value: Any) -> datetime:
    if not isinstance(value, datetime):
        return EPOCH
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]
