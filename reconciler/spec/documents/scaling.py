"""Autoscaling of a service: by load, by any metric, and by the time of the week."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from reconciler.model import duration
from reconciler.spec.documents.base import Block
from reconciler.spec.documents.values import Clock, Duration, Flag, Number, Whole, Words, lasting, matching, problem
from reconciler.spec.documents.week import DAYS, Days, TimeZone

Label = Annotated[str, *matching(r"[a-z][a-z0-9-]*", 64, "lower-case letters, digits and '-' only")]


class Metric(Block):
    """A CloudWatch metric, whose average for each task, or whose value, is to be kept at a target."""

    namespace: Words
    name: Words
    dimensions: dict[Words, Words] = Field(default_factory=dict)
    statistic: Literal["Average", "Minimum", "Maximum", "Sum", "SampleCount"] = "Average"
    target: Annotated[Number, Field(ge=0.000001)]
    per_task: Flag = False
    """Divides the metric by the number of running tasks, for what grows with the work, such as messages in a queue."""


class Backlog(Block):
    """Messages of an SQS queue that wait for each task."""

    queue: Annotated[str, *matching(r"[A-Za-z0-9_-]+(?:\.fifo)?", 80, "the name of a queue")]
    per_task: Annotated[Whole, Field(ge=1)]
    """Messages that one task may find waiting: the time that they may wait, divided by the time that one takes."""


class Period(Block):
    """Times of the week with other limits, such as nights and weekends."""

    days: Days = DAYS
    """Days on which it begins."""
    start: Clock = Field(alias="from")
    end: Clock = Field(alias="to")
    """If it is not after `from`, it is on the next day."""
    time_zone: TimeZone = "UTC"
    min: Annotated[Whole, Field(ge=0, le=5000)]
    max: Annotated[Whole, Field(ge=0, le=5000)]


class Scaling(Block):
    """Autoscaling by load. The desired count then belongs to the autoscaler."""

    min: Annotated[Whole, Field(ge=0, le=5000)]
    max: Annotated[Whole, Field(ge=1, le=5000)]
    cpu: Annotated[Whole, Field(ge=1, le=100)] | None = None
    """Target average in percent."""
    memory: Annotated[Whole, Field(ge=1, le=100)] | None = None
    """Target average in percent."""
    requests: Annotated[Whole, Field(ge=1)] | None = None
    """Target requests per task and minute; not with two target groups."""
    backlog: Backlog | None = None
    metrics: dict[Label, Metric] = Field(default_factory=dict)
    """Further metrics by a name of your choice. The one that asks for the most tasks decides."""
    periods: dict[Label, Period] = Field(default_factory=dict)
    """Other limits at some times of the week; `min` and `max` apply for the rest."""
    scale_in_cooldown: Annotated[Duration, lasting("0s", "1h")] = duration.parse("300s")
    scale_out_cooldown: Annotated[Duration, lasting("0s", "1h")] = duration.parse("300s")

    @model_validator(mode="after")
    def _names_of_their_own(self) -> Scaling:
        for name in self.metrics.keys() & {"cpu", "memory", "requests", "backlog"}:
            raise problem("E1112", f"{name} is a field of its own", at=("metrics", name))
        return self
