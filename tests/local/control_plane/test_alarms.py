"""Alarms: how data points become a state, and the API around them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from reconciler.local.cloudwatch.evaluation import judge
from reconciler.local.inprocess import Laptop
from tests.local.control_plane.stage import refused

ALARM: dict[str, Any] = {
    "AlarmName": "errors",
    "Namespace": "mine",
    "MetricName": "m",
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 5,
    "ComparisonOperator": "GreaterThanThreshold",
}
TREATMENTS = "missing", "ignore", "breaching", "notBreaching"


@pytest.mark.parametrize(
    ("needed", "points", "states"),
    [
        (3, "0 - X - X", "OK OK OK OK"),
        (3, "0 - - - -", "OK OK OK OK"),
        (3, "- - - - -", "INSUFFICIENT_DATA stays ALARM OK"),
        (3, "0 X X - X", "ALARM ALARM ALARM ALARM"),
        (3, "- - X - -", "ALARM stays ALARM OK"),
        (3, "- - - - X", "OK OK ALARM OK"),
        (3, "- - - X -", "OK OK ALARM OK"),
        (2, "0 - X - X", "ALARM ALARM ALARM ALARM"),
        (2, "0 0 X 0 X", "ALARM ALARM ALARM ALARM"),
        (2, "0 - X - -", "OK OK ALARM OK"),
        (2, "- - - - 0", "OK OK ALARM OK"),
        (2, "- - - X -", "ALARM stays ALARM OK"),
    ],
)
def test_missing_data_is_treated_as_documented(needed: int, points: str, states: str) -> None:
    """CloudWatch user guide, "Configuring how CloudWatch alarms treat missing data": both of its tables, with three
    evaluation periods and five in the range; X breaches, 0 does not, - is missing, the newest last.
    """
    values = [{"X": 9.0, "0": 1.0, "-": None}[one] for one in reversed(points.split())]
    settings = {**ALARM, "EvaluationPeriods": 3, "DatapointsToAlarm": needed}
    found = [judge({**settings, "TreatMissingData": one}, values) for one in TREATMENTS]
    assert " ".join(one.state if one else "stays" for one in found) == states


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanThreshold", {6}),
        ("GreaterThanOrEqualToThreshold", {5, 6}),
        ("LessThanThreshold", {4}),
        ("LessThanOrEqualToThreshold", {4, 5}),
    ],
)
def test_a_point_breaches_by_the_comparison(comparison: str, breaching: set[float]) -> None:
    settings = {**ALARM, "ComparisonOperator": comparison}
    found = {value for value in (4, 5, 6) if (judged := judge(settings, [value])) and judged.state == "ALARM"}
    assert found == breaching


def state(laptop: Laptop, name: str = "errors") -> str:
    found = laptop.client("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    return str([*found["MetricAlarms"], *found["CompositeAlarms"]][0]["StateValue"])


def put(laptop: Laptop, value: float, **more: Any) -> None:
    laptop.client("cloudwatch").put_metric_data(
        Namespace="mine", MetricData=[{"MetricName": "m", "Value": value, **more}]
    )


def test_an_alarm_follows_its_metric(laptop: Laptop) -> None:
    """It is evaluated at the end of each minute: data of the present minute do not count before."""
    laptop.client("cloudwatch").put_metric_alarm(**ALARM)
    put(laptop, 9)
    assert state(laptop) == "INSUFFICIENT_DATA"
    laptop.advance(60)
    assert state(laptop) == "ALARM"
    put(laptop, 1)
    laptop.advance(60)
    assert state(laptop) == "OK"
    laptop.advance(600)
    assert state(laptop) == "INSUFFICIENT_DATA"
    history = laptop.client("cloudwatch").describe_alarm_history(AlarmName="errors")["AlarmHistoryItems"]
    assert [row["HistorySummary"].rpartition(" ")[2] for row in history] == ["INSUFFICIENT_DATA", "OK", "ALARM"]


def test_a_sleeping_alarm_costs_nothing_and_wakes_with_data(laptop: Laptop) -> None:
    """Without data its state does not change any more, so nothing is due until there are some."""
    laptop.client("cloudwatch").put_metric_alarm(**ALARM, TreatMissingData="breaching")
    laptop.advance(120)
    assert (state(laptop), laptop.aws.wake_at) == ("ALARM", None)
    put(laptop, 1)
    laptop.advance(60)
    assert state(laptop) == "OK"
    laptop.advance(600)
    assert (state(laptop), laptop.aws.wake_at) == ("ALARM", None)


def test_a_state_that_is_set_lasts_until_the_next_evaluation(laptop: Laptop) -> None:
    """SetAlarmState is for tests: "the alarm returns to its actual state"."""
    cloudwatch = laptop.client("cloudwatch")
    cloudwatch.put_metric_alarm(**ALARM, TreatMissingData="notBreaching")
    laptop.advance(60)
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a test")
    assert state(laptop) == "ALARM"
    laptop.advance(59)
    assert state(laptop) == "ALARM"
    laptop.advance(1)
    assert state(laptop) == "OK"


def test_a_longer_period_is_evaluated_every_minute(laptop: Laptop) -> None:
    """Each evaluation looks at the last five minutes."""
    laptop.client("cloudwatch").put_metric_alarm(**{**ALARM, "Period": 300})
    for expected in ("OK", "OK", "ALARM"):
        put(laptop, 2)
        laptop.advance(60)
        assert state(laptop) == expected


def test_an_alarm_over_metric_math(laptop: Laptop) -> None:
    """An error rate: the one query that returns data is compared with the threshold."""
    metrics: list[dict[str, Any]] = [
        {
            "Id": name,
            "MetricStat": {"Metric": {"Namespace": "mine", "MetricName": name}, "Period": 60, "Stat": "Sum"},
            "ReturnData": False,
        }
        for name in ("errors", "requests")
    ]
    rate = {"Id": "rate", "Expression": "100 * FILL(errors, 0) / requests"}
    plain = {
        key: value for key, value in ALARM.items() if key not in ("Namespace", "MetricName", "Statistic", "Period")
    }
    laptop.client("cloudwatch").put_metric_alarm(**plain, Metrics=[*metrics, rate])
    for errors, expected in ((None, "OK"), (6, "ALARM"), (5, "OK")):
        put(laptop, 100, MetricName="requests")
        if errors is not None:
            put(laptop, errors, MetricName="errors")
        laptop.advance(60)
        assert state(laptop) == expected


def test_a_composite_alarm_follows_the_alarms_in_its_rule(laptop: Laptop) -> None:
    cloudwatch = laptop.client("cloudwatch")
    for name in ("one", "two"):
        cloudwatch.put_metric_alarm(**{**ALARM, "AlarmName": name, "MetricName": name})
    cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule='ALARM("one") AND NOT (OK(two) OR FALSE)')
    for values, expected in (((9, 1), "OK"), ((9, 9), "ALARM"), ((1, 9), "OK")):
        for name, value in zip(("one", "two"), values, strict=True):
            put(laptop, value, MetricName=name)
        laptop.advance(60)
        assert state(laptop, "both") == expected
    for rule in ("ALARM(none)", "ALARM(one", "one", "1", "a0 AND ALARM(one)"):
        with refused("ValidationError"):
            cloudwatch.put_composite_alarm(AlarmName="wrong", AlarmRule=rule)


def test_an_alarm_is_replaced_as_a_whole(laptop: Laptop) -> None:
    """PutMetricAlarm: what is left out is unset, the state stays, and tags are for the first time only."""
    cloudwatch = laptop.client("cloudwatch")
    tag = {"Key": "team", "Value": "a"}
    cloudwatch.put_metric_alarm(**ALARM, AlarmDescription="old", Tags=[tag])
    put(laptop, 9)
    laptop.advance(60)
    cloudwatch.put_metric_alarm(**{**ALARM, "Threshold": 20}, Tags=[{"Key": "team", "Value": "b"}])
    (found,) = cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"]
    assert (found["Threshold"], found.get("AlarmDescription")) == (20, None)
    assert cloudwatch.list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"] == [tag]
    laptop.advance(60)
    assert state(laptop) == "OK"


def test_alarms_are_found_by_the_tagging_api(laptop: Laptop) -> None:
    cloudwatch, tagging = laptop.client("cloudwatch"), laptop.client("resourcegroupstaggingapi")
    cloudwatch.put_metric_alarm(**ALARM)
    arn = cloudwatch.describe_alarms()["MetricAlarms"][0]["AlarmArn"]
    tagging.tag_resources(ResourceARNList=[arn], Tags={"a": "1", "b": "2"})
    cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["b"])
    found = tagging.get_resources(ResourceTypeFilters=["cloudwatch:alarm"])["ResourceTagMappingList"]
    assert found == [{"ResourceARN": arn, "Tags": [{"Key": "a", "Value": "1"}]}]


def test_alarms_are_described_in_pages_and_deleted_together(laptop: Laptop) -> None:
    """Names that do not exist are absent from a description, and keep DeleteAlarms from deleting any."""
    cloudwatch = laptop.client("cloudwatch")
    names = [f"a{number}" for number in range(5)]
    for name in names:
        cloudwatch.put_metric_alarm(**{**ALARM, "AlarmName": name})
    pages = cloudwatch.get_paginator("describe_alarms").paginate(PaginationConfig={"PageSize": 2})
    assert [one["AlarmName"] for page in pages for one in page["MetricAlarms"]] == names
    found = cloudwatch.describe_alarms(AlarmNames=["a1", "gone"])["MetricAlarms"]
    assert [one["AlarmName"] for one in found] == ["a1"]
    with pytest.raises(cloudwatch.exceptions.ResourceNotFound):
        cloudwatch.delete_alarms(AlarmNames=["a1", "gone"])
    cloudwatch.delete_alarms(AlarmNames=names)
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"Period": 61},
        {"DatapointsToAlarm": 2},
        {"TreatMissingData": "guess"},
        {"ExtendedStatistic": "p99"},
        {"Statistic": "Median"},
        {"EvaluationPeriods": 1441},
        {"ComparisonOperator": "GreaterThanUpperThreshold"},
        {"AlarmActions": ["arn:aws:sns:us-west-2:123456789012:t"] * 6},
    ],
)
def test_settings_are_checked(laptop: Laptop, changes: dict[str, Any]) -> None:
    cloudwatch = laptop.client("cloudwatch")
    code = "InvalidParameterValue" if "Period" in changes else "ValidationError"
    with refused(code):
        cloudwatch.put_metric_alarm(**{**ALARM, **changes})
    assert cloudwatch.describe_alarms()["MetricAlarms"] == []


def test_data_of_an_hour_ago_do_not_count(laptop: Laptop) -> None:
    laptop.client("cloudwatch").put_metric_alarm(**ALARM)
    put(laptop, 9, Timestamp=laptop.clock.now() - timedelta(hours=1))
    laptop.advance(60)
    assert state(laptop) == "INSUFFICIENT_DATA"


@pytest.mark.parametrize("expression", ["RATE(m1)", "e1 + 1", "METRICS()", "m1 if m1 else 0", "1e999", "IF([m1], 1)"])
def test_an_expression_that_cannot_be_evaluated_is_refused_when_it_is_put(laptop: Laptop, expression: str) -> None:
    """Not at the end of the minute, when nobody asks and the clock would stop."""
    with refused("ValidationError", "expression"):
        put_math(laptop, expression)
    put(laptop, 9)
    laptop.advance(60)
    assert laptop.client("cloudwatch").describe_alarms()["MetricAlarms"] == []


@pytest.mark.parametrize(
    "expression", ["CEIL(m1 * 1e308)", "SUM([m1 * 1e307, m1 * 1.8e307])", "m1 ^ 9999", "ABS(m1 / 0)"]
)
def test_a_result_that_is_no_number_is_a_missing_point(laptop: Laptop, expression: str) -> None:
    """As a division by zero is."""
    put_math(laptop, expression)
    put(laptop, 9)
    laptop.advance(60)
    assert state(laptop) == "INSUFFICIENT_DATA"


@pytest.mark.parametrize(
    "datum",
    [
        {"Values": [9], "Counts": [0]},
        {"Values": []},
        {"StatisticValues": {"SampleCount": 0, "Sum": 0, "Minimum": 0, "Maximum": 0}},
    ],
)
def test_a_datum_without_samples_is_no_data(laptop: Laptop, datum: dict[str, Any]) -> None:
    """It has no average."""
    laptop.client("cloudwatch").put_metric_alarm(**{**ALARM, "Statistic": "Average"})
    laptop.client("cloudwatch").put_metric_data(Namespace="mine", MetricData=[{"MetricName": "m", **datum}])
    laptop.advance(60)
    assert state(laptop) == "INSUFFICIENT_DATA"


def test_a_rule_that_is_too_deep_is_refused(laptop: Laptop) -> None:
    """CloudWatch API reference, PutCompositeAlarm: up to 500 elements."""
    with refused("ValidationError", "500"):
        laptop.client("cloudwatch").put_composite_alarm(AlarmName="deep", AlarmRule="NOT " * 900 + "TRUE")


def put_math(laptop: Laptop, expression: str) -> None:
    metric = {"Metric": {"Namespace": "mine", "MetricName": "m"}, "Period": 60, "Stat": "Sum"}
    queries = [
        {"Id": "m1", "MetricStat": metric, "ReturnData": False},
        {"Id": "e1", "Expression": expression},
    ]
    plain = {name: ALARM[name] for name in ("AlarmName", "EvaluationPeriods", "Threshold", "ComparisonOperator")}
    laptop.client("cloudwatch").put_metric_alarm(**plain, Metrics=queries)
