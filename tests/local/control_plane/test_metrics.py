"""Metrics: what the load balancer and the tasks publish, what is put, and how all of it is read."""

from __future__ import annotations

import gzip
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from reconciler.local.cloudwatch.state import KEPT
from reconciler.local.inprocess import Laptop
from reconciler.local.ports import Traffic
from reconciler.local.scripted import Script
from reconciler.local.wire import Request
from tests.local.control_plane.stage import Stage, refused


def tail(arn: str) -> str:
    return arn.split(":", 5)[5].removeprefix("loadbalancer/")


def sums(
    laptop: Laptop, name: str, dimensions: dict[str, str], namespace: str = "AWS/ApplicationELB", stat: str = "Sum"
) -> list[float]:
    """A metric's values by the minute, the oldest first."""
    query = {
        "Id": "m",
        "MetricStat": {
            "Metric": {
                "Namespace": namespace,
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            },
            "Period": 60,
            "Stat": stat,
        },
    }
    now = laptop.clock.now()
    found = laptop.client("cloudwatch").get_metric_data(
        MetricDataQueries=[query], StartTime=now - timedelta(hours=1), EndTime=now, ScanBy="TimestampAscending"
    )
    values: list[float] = found["MetricDataResults"][0]["Values"]
    return values


@pytest.fixture
def serving(stage: Stage) -> Stage:
    """Two tasks in the blue group, with load balancer metrics that a test scripts."""
    stage.service(loadBalancers=stage.behind(stage.blue))
    stage.advance(1)
    return stage


def script(stage: Stage, *rows: Traffic) -> None:
    """These requests in each minute from now on."""
    stage.laptop.listeners.requests = lambda: rows
    stage.laptop.aws.tick()


def ended(stage: Stage, status: int, requests: int, group: str = "", by: Any = "target") -> Traffic:
    return Traffic(stage.production, group, status, by, requests, 0.2 if by == "target" else None)


# ---- the load balancer ----------------------------------------------------------------------------------------------


def test_requests_are_published_by_load_balancer_and_target_group(serving: Stage) -> None:
    """ALB guide, "CloudWatch metrics": the group's metrics have both dimensions, and the balancer's have the sum."""
    rows = (
        ended(serving, 200, 6, serving.blue),
        ended(serving, 500, 3, serving.blue),
        ended(serving, 404, 1, serving.green),
    )
    script(serving, *rows)
    serving.advance(60)
    alone, laptop = {"LoadBalancer": tail(serving.alb)}, serving.laptop
    blue, green = ({**alone, "TargetGroup": tail(arn)} for arn in (serving.blue, serving.green))
    expected = {
        "RequestCount": ([10], [9], [1]),
        "HTTPCode_Target_2XX_Count": ([6], [6], []),
        "HTTPCode_Target_4XX_Count": ([1], [], [1]),
        "HTTPCode_Target_5XX_Count": ([3], [3], []),
        "HTTPCode_ELB_5XX_Count": ([], [], []),
    }
    found = {name: tuple(sums(laptop, name, one) for one in (alone, blue, green)) for name in expected}
    assert found == expected
    assert sums(laptop, "TargetResponseTime", blue, stat="p99") == [0.2]


def test_what_did_not_happen_is_not_published(serving: Stage) -> None:
    """A minute without requests has no counts, not even 0; what is always reported goes on."""
    script(serving, ended(serving, 200, 4, serving.blue))
    serving.advance(60)
    script(serving)
    serving.advance(120)
    both = {"LoadBalancer": tail(serving.alb), "TargetGroup": tail(serving.blue)}
    assert sums(serving.laptop, "RequestCount", both) == [4]
    assert sums(serving.laptop, "RequestCountPerTarget", both) == [2, 0, 0]
    assert sums(serving.laptop, "RequestCountPerTarget", {"TargetGroup": both["TargetGroup"]}) == [2, 0, 0]
    assert sums(serving.laptop, "HealthyHostCount", both, stat="Maximum") == [2, 2, 2]


def test_answers_of_the_load_balancer_are_its_own(serving: Stage) -> None:
    """503 before a target was chosen is no request of the targets'; 502 after it is one."""
    script(serving, ended(serving, 503, 5, by="elb"), ended(serving, 502, 2, serving.blue, by="elb"))
    serving.advance(60)
    alone = {"LoadBalancer": tail(serving.alb)}
    names = "HTTPCode_ELB_5XX_Count", "HTTPCode_ELB_502_Count", "HTTPCode_ELB_503_Count", "RequestCount"
    assert [sums(serving.laptop, name, alone) for name in names] == [[7], [2], [5], [2]]


def test_traffic_of_another_account_is_none_of_this_one(serving: Stage) -> None:
    """What a balancer had counted when the account was reset; the listeners of the new one are others."""
    foreign = serving.production.replace("/alb/", "/old/")
    script(serving, Traffic(foreign, serving.blue, 200, "target", 7, 0.1), ended(serving, 200, 1, serving.blue))
    serving.advance(60)
    listed = serving.laptop.client("cloudwatch").list_metrics(MetricName="RequestCount")["Metrics"]
    balancers = {one["Value"] for row in listed for one in row["Dimensions"] if one["Name"] == "LoadBalancer"}
    assert balancers == {tail(serving.alb)}


def test_metrics_are_listed_in_pages(laptop: Laptop) -> None:
    """Each once, however many there are."""
    names = [f"m{number} '" for number in range(1100)]
    laptop.client("cloudwatch").put_metric_data(
        Namespace="mine", MetricData=[{"MetricName": name, "Value": 1} for name in names]
    )
    pages = laptop.client("cloudwatch").get_paginator("list_metrics").paginate(Namespace="mine")
    assert sorted(one["MetricName"] for page in pages for one in page["Metrics"]) == sorted(names)


def test_unhealthy_targets_are_counted_while_a_listener_uses_the_group(serving: Stage) -> None:
    """HealthyHostCount and UnHealthyHostCount follow the targets' health."""
    script(serving)
    serving.update(healthCheckGracePeriodSeconds=3600)
    serving.laptop.script(Script(healthy=False))
    serving.advance(60)
    both = {"LoadBalancer": tail(serving.alb), "TargetGroup": tail(serving.blue)}
    found = [sums(serving.laptop, f"{name}HostCount", both, stat="Average") for name in ("Healthy", "UnHealthy")]
    assert found == [[0], [2]]


# ---- tasks ----------------------------------------------------------------------------------------------------------


def test_the_use_of_a_service_is_that_of_its_tasks(serving: Stage) -> None:
    """AWS/ECS by cluster and service: the average is over its tasks."""
    serving.laptop.script(Script(cpu=30, memory=12.5))
    serving.advance(60)
    serving.laptop.script(Script(cpu=50, memory=12.5))
    serving.advance(60)
    dimensions = {"ClusterName": "demo", "ServiceName": "web"}
    cpu = sums(serving.laptop, "CPUUtilization", dimensions, "AWS/ECS", "Average")
    tasks = sums(serving.laptop, "CPUUtilization", dimensions, "AWS/ECS", "SampleCount")
    memory = sums(serving.laptop, "MemoryUtilization", dimensions, "AWS/ECS", "Maximum")
    assert (cpu, tasks, memory) == ([30, 50], [2, 2], [12.5, 12.5])


def test_nothing_is_due_where_there_is_nothing_to_measure(serving: Stage) -> None:
    """Days of a stepped clock cost nothing in a world whose scripts say nothing about load."""
    serving.advance(3600)
    assert serving.laptop.aws.wake_at is None
    serving.laptop.script(Script(cpu=10))
    assert serving.laptop.aws.wake_at is not None


# ---- put and read ---------------------------------------------------------------------------------------------------


def put(laptop: Laptop, values: Sequence[float], name: str = "m", **more: Any) -> None:
    """A value a minute, the last in this one."""
    now = laptop.clock.now()
    for age, value in enumerate(reversed(values)):
        datum = {"MetricName": name, "Timestamp": now - timedelta(minutes=age), "Value": value, **more}
        laptop.client("cloudwatch").put_metric_data(Namespace="mine", MetricData=[datum])


def test_what_is_put_is_listed_and_read(laptop: Laptop) -> None:
    """By name and any of its dimensions; the same dimensions in another order are the same metric."""
    cloudwatch = laptop.client("cloudwatch")
    first, second = {"Name": "a", "Value": "1"}, {"Name": "b", "Value": "2"}
    put(laptop, [1], Dimensions=[first, second], Unit="Count")
    put(laptop, [5], Dimensions=[second, first], Unit="Count")
    put(laptop, [7], name="other")
    (found,) = cloudwatch.list_metrics(Namespace="mine", Dimensions=[{"Name": "b"}])["Metrics"]
    assert (found["MetricName"], found["Dimensions"]) == ("m", [first, second])
    laptop.advance(60)
    now = laptop.clock.now()
    asked: dict[str, Any] = {
        "Namespace": "mine",
        "MetricName": "m",
        "Dimensions": [second, first],
        "StartTime": now - timedelta(minutes=5),
        "EndTime": now,
        "Period": 300,
        "Statistics": ["Sum", "Average", "SampleCount", "Minimum", "Maximum"],
        "ExtendedStatistics": ["p50"],
    }
    (point,) = cloudwatch.get_metric_statistics(**asked)["Datapoints"]
    shown = {name: point[name] for name in (*asked["Statistics"], "Unit", "ExtendedStatistics")}
    assert shown == {
        "Sum": 6, "Average": 3, "SampleCount": 2, "Minimum": 1, "Maximum": 5, "Unit": "Count",
        "ExtendedStatistics": {"p50": 1},
    }  # fmt: skip
    assert cloudwatch.get_metric_statistics(**asked, Unit="Seconds")["Datapoints"] == []


def test_metrics_are_kept_for_some_hours(laptop: Laptop) -> None:
    """The memory that they take is bounded; what is older is refused, not dropped."""
    put(laptop, [1])
    laptop.advance(60 * (KEPT + 1))
    put(laptop, [2], name="other")
    assert [one["MetricName"] for one in laptop.client("cloudwatch").list_metrics()["Metrics"]] == ["other"]
    with refused("InvalidParameterValue", "hours"):
        put(laptop, [3], Timestamp=laptop.clock.now() - timedelta(minutes=KEPT + 1))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("100*m1/m2", [50, 300]),
        ("m1+m3", [6]),
        ("m1+FILL(m3, 0)", [6, 30]),
        ("SUM([m1, m2])", [3, 40]),
        ("SUM(METRICS())", [8, 40]),
        ("MAX(m1)", [30, 30]),
        ("IF(m1 > 10, m1, 0)", [0, 30]),
        ("m1 > 10 AND m2 > 1", [0, 1]),
        ("m2/(m1-1)", [10 / 29]),
        ("-CEIL(m1/4)", [-1, -8]),
    ],
)
def test_metric_math(laptop: Laptop, expression: str, expected: list[float]) -> None:
    """Arithmetic where both have a value, reductions, FILL and IF; what is divided by zero has no value."""
    put(laptop, [1, 30], name="m1")
    put(laptop, [2, 10], name="m2")
    laptop.client("cloudwatch").put_metric_data(
        Namespace="mine",
        MetricData=[{"MetricName": "m3", "Timestamp": laptop.clock.now() - timedelta(minutes=1), "Value": 5}],
    )
    laptop.advance(60)
    queries: list[dict[str, Any]] = [
        {
            "Id": name,
            "MetricStat": {"Metric": {"Namespace": "mine", "MetricName": name}, "Period": 60, "Stat": "Sum"},
            "ReturnData": False,
        }
        for name in ("m1", "m2", "m3")
    ]
    now = laptop.clock.now()
    (found,) = laptop.client("cloudwatch").get_metric_data(
        MetricDataQueries=[*queries, {"Id": "e", "Expression": expression}],
        StartTime=now - timedelta(minutes=2),
        EndTime=now,
        ScanBy="TimestampAscending",
    )["MetricDataResults"]
    assert found["Values"] == expected


@pytest.mark.parametrize(
    "expression",
    ["m1 +", "nothing", "__import__('os')", "m1.real", "[m1, m1]", "ANOMALY_DETECTION_BAND(m1)", "e", "lambda: 1"],
)
def test_what_is_no_expression_is_refused(laptop: Laptop, expression: str) -> None:
    now = laptop.clock.now()
    metric = {"Namespace": "mine", "MetricName": "m1"}
    with refused("ValidationError", "expression"):
        laptop.client("cloudwatch").get_metric_data(
            MetricDataQueries=[
                {"Id": "m1", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}},
                {"Id": "e", "Expression": expression},
            ],
            StartTime=now - timedelta(minutes=2),
            EndTime=now,
        )


# ---- protocols ------------------------------------------------------------------------------------------------------

SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=K/20260101/us-west-2/monitoring/aws4_request, Signature=0"}


def test_the_query_protocol_is_understood(laptop: Laptop) -> None:
    """Forms and XML, which older SDKs speak."""
    form = {**SIGNED, "content-type": "application/x-www-form-urlencoded"}
    body = (
        b"Action=PutMetricAlarm&Version=2010-08-01&AlarmName=a&Namespace=n&MetricName=m&Statistic=Sum&Period=60"
        b"&EvaluationPeriods=2&Threshold=1.5&ComparisonOperator=GreaterThanThreshold"
        b"&Dimensions.member.1.Name=x&Dimensions.member.1.Value=y"
    )
    assert laptop.aws.handle(Request("POST", "/", form, body)).status == 200
    body = b"Action=DescribeAlarms&Version=2010-08-01&AlarmNames.member.1=a"
    text = laptop.aws.handle(Request("POST", "/", form, body)).body.decode()
    for part in ("<AlarmName>a<", "<Threshold>1.5<", "<Name>x</Name><Value>y<", "<StateValue>INSUFFICIENT_DATA<"):
        assert part in text
    body = b"Action=DeleteAlarms&Version=2010-08-01&AlarmNames.member.1=b"
    answer = laptop.aws.handle(Request("POST", "/", form, body))
    assert answer.status == 404
    assert b"<Code>ResourceNotFound</Code>" in answer.body


def test_the_json_protocol_is_understood(laptop: Laptop) -> None:
    put(laptop, [4])
    laptop.advance(60)
    now = laptop.clock.now().timestamp()
    asked = {
        "Namespace": "mine",
        "MetricName": "m",
        "StartTime": now - 300,
        "EndTime": now,
        "Period": 60,
        "Statistics": ["Sum"],
    }
    headers = {
        **SIGNED,
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": "GraniteServiceVersion20100801.GetMetricStatistics",
    }
    answer = orjson.loads(laptop.aws.handle(Request("POST", "/", headers, orjson.dumps(asked))).body)
    assert answer == {"Label": "m", "Datapoints": [{"Timestamp": now - 60, "Unit": "None", "Sum": 4.0}]}


def test_a_compressed_request_is_understood(laptop: Laptop) -> None:
    """SDKs compress what is longer than ten kilobytes; what is not gzip is refused."""
    body = b'{"Namespace": "mine", "MetricData": [{"MetricName": "m", "Value": 4}]}'
    headers = {
        **SIGNED,
        "content-type": "application/x-amz-json-1.0",
        "content-encoding": "gzip",
        "x-amz-target": "GraniteServiceVersion20100801.PutMetricData",
    }
    assert laptop.aws.handle(Request("POST", "/", headers, gzip.compress(body))).status == 200
    assert len(laptop.client("cloudwatch").list_metrics()["Metrics"]) == 1
    for wrong in (body, gzip.compress(body)[:-9]):
        with pytest.raises(ValueError, match="body"):
            laptop.aws.handle(Request("POST", "/", headers, wrong))


def test_dashboards_are_moto_s(laptop: Laptop) -> None:
    """What has nothing to do with metrics and alarms goes on as before."""
    cloudwatch = laptop.client("cloudwatch")
    cloudwatch.put_dashboard(DashboardName="d", DashboardBody='{"widgets": []}')
    assert [one["DashboardName"] for one in cloudwatch.list_dashboards()["DashboardEntries"]] == ["d"]


def test_all_of_time_is_too_much_to_ask_for(laptop: Laptop) -> None:
    """Every minute since 1970 would hold up the emulator, and nothing is kept of them."""
    cloudwatch, now = laptop.client("cloudwatch"), laptop.clock.now()
    metric = {"Namespace": "mine", "MetricName": "m"}
    always: dict[str, Any] = {"StartTime": datetime(1970, 1, 2, tzinfo=UTC), "EndTime": now}
    began = time.monotonic()
    with refused("InvalidParameterValue", "100,800"):
        query = {"Id": "m1", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
        cloudwatch.get_metric_data(MetricDataQueries=[query], **always)
    with refused("InvalidParameterCombination", "datapoints"):
        cloudwatch.get_metric_statistics(**metric, Period=60, Statistics=["Sum"], **always)
    assert time.monotonic() - began < 2
