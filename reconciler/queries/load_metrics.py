"""Load metrics of a service: what the load balancer has counted for each of its target groups, by the minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from reconciler.model.resource import Calls, ServiceApi

cloudwatch = ServiceApi("cloudwatch")

NAMESPACE: Final = "AWS/ApplicationELB"
PERIOD: Final = timedelta(minutes=1)
SHOWN: Final = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a target group with one statistic."""

    name: str
    statistic: str


REQUESTS: Final = Metric("RequestCount", "Sum")
ERRORS: Final = Metric("HTTPCode_Target_5XX_Count", "Sum")
MEDIAN: Final = Metric("TargetResponseTime", "p50")
SLOWEST: Final = Metric("TargetResponseTime", "p99")
HEALTHY: Final = Metric("HealthyHostCount", "Minimum")
METRICS: Final = (REQUESTS, ERRORS, MEDIAN, SLOWEST, HEALTHY)

Points = tuple[tuple[datetime, float], ...]


def load_metrics(listener: str, groups: tuple[str, ...], now: datetime) -> Calls[Mapping[tuple[str, Metric], Points]]:
    """Target group and metric → its points, the oldest first. `listener` is the ARN of a listener or rule that the
    groups are behind. One call. Raises `errors.AwsError`.

    A minute without requests has no point. Source: Elastic Load Balancing, CloudWatch metrics for your Application
    Load Balancer.
    """
    balancer = "/".join(listener.partition(":listener")[2].split("/")[1:4])
    keys = {f"m{number}": (group, metric) for number, (group, metric) in enumerate(
        (group, metric) for group in groups for metric in METRICS
    )}  # fmt: skip
    queries = [
        {
            "Id": id,
            "MetricStat": {
                "Metric": {
                    "Namespace": NAMESPACE,
                    "MetricName": metric.name,
                    "Dimensions": [
                        {"Name": "LoadBalancer", "Value": balancer},
                        {"Name": "TargetGroup", "Value": group.split(":", 5)[5]},
                    ],
                },
                "Period": int(PERIOD.total_seconds()),
                "Stat": metric.statistic,
            },
        }
        for id, (group, metric) in keys.items()
    ]
    if not queries:
        return {}
    answer = yield cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=now - SHOWN, EndTime=now)
    return {keys[item["Id"]]: _points(item) for item in answer["MetricDataResults"]}


def _points(item: Mapping[str, Any]) -> Points:
    pairs = zip(item.get("Timestamps") or (), item.get("Values") or (), strict=True)
    return tuple(sorted((at.astimezone(UTC), float(value)) for at, value in pairs))
