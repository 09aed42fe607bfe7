"""Alarm document: a CloudWatch alarm, and the alarms that a service can have by one line."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from reconciler.model import duration
from reconciler.spec.documents.base import Block, Document
from reconciler.spec.documents.values import (
    Duration,
    Line,
    Number,
    Whole,
    Words,
    lasting,
    matching,
    no_repeats,
    problem,
)

AlarmName = Annotated[str, *matching(r"[\x20-\x39\x3b-\x7e]+", 255, "printable ASCII characters without ':' only")]
Topic = Annotated[
    str, *matching(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+", 512, "the ARN of an SNS topic")
]
Topics = Annotated[tuple[Topic, ...], AfterValidator(no_repeats), Field(max_length=5)]


def _period(value: timedelta) -> timedelta:
    seconds = value.total_seconds()
    if seconds not in (10, 20, 30) and seconds % 60:
        raise problem("E1107", "a period is 10s, 20s, 30s or a multiple of 1m")
    return value


MetricName = Annotated[str, *matching(r".+", 255, "one line of text")]


class AlarmMetric(Block):
    """A CloudWatch metric."""

    namespace: Annotated[str, *matching(r"[^:].*", 255, "a namespace does not begin with ':'")]
    """CloudWatch namespace of the metric, such as AWS/SQS."""
    name: MetricName
    """Name of the metric."""
    dimensions: Annotated[dict[MetricName, Words], Field(max_length=30)] = Field(default_factory=dict)
    """Dimensions of the metric: all that it has."""
    statistic: Literal["Average", "Minimum", "Maximum", "Sum", "SampleCount"] = "Average"
    """How values within `period` are combined."""


class Alarm(Document):
    """A CloudWatch alarm on one metric. A DeploymentStrategy can name it under `verify.alarms`."""

    kind: Literal["Alarm"] = "Alarm"
    name: AlarmName
    aws_name: AlarmName | None = None
    """Its name in AWS. Default: the document's name, with the Stack's prefix and suffix."""
    metric: AlarmMetric
    """The metric that it watches."""
    above: Number | None = None
    """It fires while the metric is above this value."""
    below: Number | None = None
    """It fires while the metric is below this value. Either this or `above`."""
    period: Annotated[Duration, lasting("10s", "1d"), AfterValidator(_period)] = duration.parse("1m")
    """Time over which each value of the metric is taken."""
    periods: Annotated[Whole, Field(ge=1, le=1440)] = 1
    """Number of the latest values that are looked at."""
    datapoints: Annotated[Whole, Field(ge=1, le=1440)] | None = None
    """How many of them have to be above or below. Default: all."""
    missing: Literal["missing", "ignore", "breaching", "not_breaching"] = "missing"
    """What a value that is missing counts as."""
    notify: Topics = ()
    """SNS topics that are notified when it fires, and when it is over."""
    description: Annotated[Line, StringConstraints(max_length=1024)] = ""
    """Text that CloudWatch shows with it."""

    @model_validator(mode="after")
    def _one_limit(self) -> Alarm:
        if self.above is None and self.below is None:
            raise problem("E1103", "an alarm needs 'above' or 'below'")
        if self.above is not None and self.below is not None:
            raise problem("E1112", "an alarm has either 'above' or 'below', not both", at=("below",))
        if self.datapoints is not None and self.datapoints > self.periods:
            raise problem("E1106", f"datapoints: {self.datapoints} of {self.periods} values", at=("datapoints",))
        if self.period.total_seconds() * self.periods > 86_400:
            raise problem("E1106", "CloudWatch looks back over a day at most", at=("periods",))
        return self


class StandardAlarms(Block):
    """The alarms that most services need; plain `standard` notifies nobody."""

    short_form = {"const": "standard"}

    notify: Topics = ()
    """SNS topics that are notified when one fires, and when it is over."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return {} if value == "standard" else value
