"""Alarms: the law example, and what PutMetricAlarm would replace without asking."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors
from reconciler.model.diff import diff
from reconciler.model.resource import Desired
from reconciler.resources.alarm import Alarm, AlarmSpec
from tests.laws.example import Edit, Example, wish
from tests.resources.talk import Talk, pairs, scope, tagged

ARN = "arn:aws:cloudwatch:us-west-2:123456789012:alarm:web-5xx"
TOPIC = "arn:aws:sns:us-west-2:123456789012:pages"
ELB = "arn:aws:elasticloadbalancing:us-west-2:123456789012"


def alarm(name: str, **fields: Any) -> Desired[AlarmSpec]:
    said = {
        "name": name,
        "namespace": "AWS/ApplicationELB",
        "metric": "HTTPCode_Target_5XX_Count",
        "dimensions": {
            "LoadBalancer": f"{ELB}:loadbalancer/app/web/0123",
            "TargetGroup": f"{ELB}:targetgroup/web/4567",
        },
        "statistic": "Sum",
        "comparison": "GreaterThanThreshold",
        "threshold": 10.0,
        "period": 60,
        "periods": 5,
        "datapoints": 3,
        "missing": "notBreaching",
        "actions": (TOPIC,),
        "description": "too many",
    }
    return wish(f"alarm/{name}", AlarmSpec(**(said | fields)))


EXAMPLE = Example(
    alarm("web-5xx"),
    edits=(
        Edit({"threshold": 20.0}, "threshold"),
        Edit({"dimensions": {"LoadBalancer": f"{ELB}:loadbalancer/app/web/0123"}}, "dimensions.TargetGroup"),
        Edit({"comparison": "LessThanThreshold", "statistic": "Average"}, "comparison", "statistic"),
        Edit({"period": 300, "periods": 3, "missing": "missing"}, "missing", "period", "periods"),
        Edit({"actions": ()}, f"actions.{TOPIC}"),
        Edit({"description": ""}, "description"),
        Edit({"name": "other"}, "name"),
    ),
    unique=True,
    decoys=(alarm("decoy"),),
)
WANT = replace(EXAMPLE.desired, tags=tagged(EXAMPLE.desired))
ITEM = {
    "AlarmName": "web-5xx",
    "AlarmArn": ARN,
    "Namespace": "AWS/ApplicationELB",
    "MetricName": "HTTPCode_Target_5XX_Count",
    "Dimensions": [
        {"Name": "TargetGroup", "Value": "targetgroup/web/4567"},
        {"Name": "LoadBalancer", "Value": "app/web/0123"},
    ],
    "Statistic": "Sum",
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 10.0,
    "Period": 60,
    "EvaluationPeriods": 5,
    "DatapointsToAlarm": 3,
    "TreatMissingData": "notBreaching",
    "AlarmActions": [TOPIC],
    "OKActions": [TOPIC],
    "AlarmDescription": "too many",
}


def talk(tags: dict[str, str], **fields: Any) -> Talk:
    return Talk(
        DescribeAlarms={"MetricAlarms": [ITEM | fields]}, ListTagsForResource={"Tags": pairs(tags)}, PutMetricAlarm={}
    )


def test_dimensions_are_the_last_parts_of_arns() -> None:
    """CloudWatch names load balancers and target groups so."""
    (found,) = talk(WANT.tags).hold(Alarm().observe(scope(WANT)))
    assert not diff(found, WANT.spec)


def test_an_alarm_of_somebody_else_is_not_replaced() -> None:
    """PutMetricAlarm would replace it without asking."""
    told = talk({})
    with pytest.raises(errors.Exists):
        told.hold(Alarm().create(WANT))
    assert told.params("PutMetricAlarm") == []


def test_what_the_specs_do_not_say_stays() -> None:
    """The call replaces all settings: that somebody silenced the alarm is sent along."""
    told = talk(WANT.tags, ActionsEnabled=False, Threshold=50.0)
    (old,) = told.hold(Alarm().observe(scope(WANT)))
    told.hold(Alarm().update(old, WANT, diff(old, WANT.spec)))
    (params,) = told.params("PutMetricAlarm")
    assert (params["ActionsEnabled"], params["Threshold"]) == (False, 10.0)
