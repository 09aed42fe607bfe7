"""Task document: work that runs once, on a schedule, or before each release of a service."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from reconciler.model import duration
from reconciler.spec.documents.base import Block, Document, Members
from reconciler.spec.documents.cluster import CapacityShares, EcsName
from reconciler.spec.documents.references import ClusterReference
from reconciler.spec.documents.service import PlatformVersion
from reconciler.spec.documents.task_definition import Placement, TaskDefinition
from reconciler.spec.documents.values import Duration, Flag, Reference, Whole, lasting, matching, problem
from reconciler.spec.documents.week import TimeZone
from reconciler.spec.messages import shown

_FIELD = r"[0-9A-Z*/,#-]+"
_DAYS = rf"(?:\? {_FIELD} {_FIELD}|{_FIELD} {_FIELD} \?)"
"""Day, month, weekday. Source: EventBridge Scheduler, cron-based schedules: a day in one field is `?` in the other."""
_CRON = rf"cron\({_FIELD} {_FIELD} {_DAYS} {_FIELD}\)"
_RATE = r"rate\((?:1 (?:minute|hour|day)|[1-9]\d* (?:minutes|hours|days))\)"
_AT = r"at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)"
SCHEDULE = f"{_CRON}|{_RATE}|{_AT}"
Schedule = Annotated[
    str,
    *matching(
        SCHEDULE,
        256,
        "cron(minute hour day month weekday year) with ? as day or weekday, rate(5 minutes) or at(2026-01-31T03:00:00)",
    ),
]


_QUEUE = r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,80}"


class Retry(Block):
    """How long EventBridge Scheduler goes on trying to start a task that could not be started.

    A task that was started and fails is not started again.
    """

    attempts: Annotated[Whole, Field(ge=0, le=185)] = 185
    """Number of further attempts after the first."""
    max_age: Annotated[Duration, lasting("1m", "24h")] = duration.parse("24h")
    """How late a start may be."""


class Run(Block):
    """When a task runs: `once` for each content of the document, or on a schedule."""

    short_form = {"const": "once"}
    api = "schedule"

    schedule: Schedule | None = None
    """When it runs: `cron(0 3 * * ? *)`, `rate(1 hour)` or `at(2026-01-31T03:00:00)`."""
    time_zone: TimeZone = "UTC"
    """The time zone of the schedule, by its name, such as Asia/Tokyo."""
    retry: Retry = Field(default_factory=Retry)
    """How long starting a task is tried again."""
    dead_letter_queue: Annotated[str, *matching(_QUEUE, 256, "the name or ARN of an SQS standard queue")] | None = None
    """Where starts go that never succeeded: the name or the ARN of an SQS standard queue. By its name, it is in the
    account and region of the stack."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateSchedule, by EventBridge Scheduler's names, such as `FlexibleTimeWindow`."""

    @model_validator(mode="before")
    @classmethod
    def _once(cls, value: Any) -> Any:
        if value == "once":
            return {}
        if isinstance(value, str):
            hint = (
                f'write {{schedule: "{value}"}}'
                if value.startswith(("cron(", "rate(", "at(")) and len(value) < 100
                else ""
            )
            raise problem("E1107", f"expected once or {{schedule: …}}, found {shown(value)}", hint=hint)
        if isinstance(value, dict) and "schedule" not in value:
            raise problem("E1103", "a run is once, or needs 'schedule'")
        return value

    @property
    def once(self) -> bool:
        return self.schedule is None


class Task(Document):
    """A standalone task under a cluster."""

    api = "task"

    kind: Literal["Task"] = "Task"
    name: EcsName
    aws_name: EcsName | None = None
    """Its name in AWS, and the one that derived names begin with. Default: the document's name, with the Stack's prefix
    and suffix."""
    cluster: ClusterReference
    """The Cluster that it runs in, by name, or by ARN if it is outside of the specs."""
    run: Run | None = None
    """`once`, or {schedule: "cron(0 3 * * ? *)", time_zone: Asia/Tokyo}."""
    before: Reference | None = None
    """Instead of `run`: a service. The task runs before each of its releases, which starts only once the task has
    ended with exit code 0.
    """
    count: Annotated[Whole, Field(ge=1, le=10)] = 1
    """Number of tasks per run."""
    task: TaskDefinition
    """Its task definition."""
    placement: Placement
    """Where it runs."""
    exec: Flag = False
    """Gives its role the permissions of ECS Exec."""
    launch: Literal["FARGATE", "EC2"] | None = None
    """The launch type. `EC2`: instances that have joined the cluster, without a capacity provider. Default: that of
    `capacity_providers`, or of the cluster."""
    capacity_providers: CapacityShares = ()
    """Instead of `launch`. Default: the cluster's default strategy, or FARGATE if it has none."""
    platform_version: PlatformVersion = "LATEST"
    """Version of the Fargate platform."""
    aws: Members = Field(default_factory=dict)
    """Further members of RunTask, by ECS's names, such as `overrides`. Not for a schedule, which has its own."""

    @model_validator(mode="after")
    def _one_way_to_run(self) -> Task:
        if self.run is None and self.before is None:
            raise problem("E1103", "a task needs 'run' or 'before'")
        if self.run is not None and self.before is not None:
            raise problem("E1112", "a task has either 'run' or 'before', not both", at=("before",))
        if self.before is not None and self.count > 1:
            raise problem("E1112", "a task with 'before' is a single task, without 'count'", at=("count",))
        if self.aws and self.run is not None and not self.run.once:
            message = "a scheduled task is started by EventBridge Scheduler, and not by RunTask"
            raise problem("E1112", message, hint="write it as run.aws, by the scheduler's names", at=("aws",))
        return self

    @model_validator(mode="after")
    def _one_way_to_launch(self) -> Task:
        if self.launch is not None and self.capacity_providers:
            raise problem("E1112", "a task has either 'launch' or 'capacity_providers', not both", at=("launch",))
        return self
