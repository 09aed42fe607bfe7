"""Autoscaling of a service: by load, by any metric, and by the time of the week."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from reconciler.model import duration
from reconciler.spec.documents.base import Block, Members
from reconciler.spec.documents.values import Clock, Duration, Flag, Number, Whole, Words, lasting, matching, problem
from reconciler.spec.documents.week import DAYS, Days, TimeZone

Label = Annotated[str, *matching(r"[a-z][a-z0-9-]*", 64, "lower-case letters, digits and '-' only")]


class Metric(Block):
    """A CloudWatch metric, whose average for each task, or whose value, is to be kept at a target."""

    namespace: Words
    """CloudWatch namespace of the metric, such as AWS/SQS."""
    name: Words
    """Name of the metric."""
    dimensions: dict[Words, Words] = Field(default_factory=dict)
    """Dimensions of the metric: all that it has."""
    statistic: Literal["Average", "Minimum", "Maximum", "Sum", "SampleCount"] = "Average"
    """How values within a minute are combined."""
    target: Annotated[Number, Field(ge=0.000001)]
    """Value that is to be kept."""
    per_task: Flag = False
    """Divides the metric by the number of running tasks, for what grows with the work, such as messages in a queue."""


class Backlog(Block):
    """Messages of an SQS queue that wait for each task."""

    queue: Annotated[str, *matching(r"[A-Za-z0-9_-]+(?:\.fifo)?", 80, "the name of a queue")]
    """Name of a queue in the stack's account and region."""
    per_task: Annotated[Whole, Field(ge=1)]
    """Messages that one task may find waiting: the time that they may wait, divided by the time that one takes."""


class Period(Block):
    """Times of the week with other limits, such as nights and weekends."""

    days: Days = DAYS
    """Days on which it begins."""
    start: Clock = Field(alias="from")
    """Time of day at which it begins."""
    end: Clock = Field(alias="to")
    """If it is not after `from`, it is on the next day."""
    time_zone: TimeZone = "UTC"
    """The time zone of both times, such as Asia/Tokyo."""
    min: Annotated[Whole, Field(ge=0, le=5000)]
    """Smallest number of tasks in it."""
    max: Annotated[Whole, Field(ge=0, le=5000)]
    """Largest number of tasks in it."""


class Scaling(Block):
    """Autoscaling by load. The desired count then belongs to the autoscaler."""

    api = "_scaling_fields"

    min: Annotated[Whole, Field(ge=0, le=5000)]
    """Smallest number of tasks."""
    max: Annotated[Whole, Field(ge=1, le=5000)]
    """Largest number of tasks."""
    cpu: Annotated[Whole, Field(ge=1, le=100)] | None = None
    """Target average in percent."""
    memory: Annotated[Whole, Field(ge=1, le=100)] | None = None
    """Target average in percent."""
    requests: Annotated[Whole, Field(ge=1)] | None = None
    """Target requests per task and minute; not with two target groups."""
    backlog: Backlog | None = None
    """Messages in a queue for each task."""
    metrics: dict[Label, Metric] = Field(default_factory=dict)
    """Further metrics by a name of your choice. The one that asks for the most tasks decides."""
    periods: dict[Label, Period] = Field(default_factory=dict)
    """Other limits at some times of the week; `min` and `max` apply for the rest."""
    scale_in_cooldown: Annotated[Duration, lasting("0s", "1h")] = duration.parse("300s")
    """Time after tasks were stopped in which no others are."""
    scale_out_cooldown: Annotated[Duration, lasting("0s", "1h")] = duration.parse("300s")
    """Time after more tasks were started in which this is counted in before still more are."""
    aws: Members = Field(default_factory=dict)
    """Further members of PutScalingPolicy for each of its policies, by the names of Application Auto Scaling."""

    @property
    def by_something(self) -> bool:
        """Whether a metric or the time of the week changes the number of tasks."""
        load = (self.cpu, self.memory, self.requests, self.backlog)
        return any(one is not None for one in load) or bool(self.metrics or self.periods)

    @model_validator(mode="after")
    def _names_of_their_own(self) -> Scaling:
        for name in self.metrics.keys() & {"cpu", "memory", "requests", "backlog"}:
            raise problem("E1112", f"{name} is a field of its own", at=("metrics", name))
        return self
