"""Metrics of real requests and real tasks, over the endpoint: alarms fire, and services scale.

A minute of the emulator's clock is half a second.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from botocore.config import Config

from reconciler.cli.emulator import REGION, Emulator
from reconciler.local import usage
from reconciler.local.inprocess import Laptop
from tests.local.control_plane.stage import Stage

ROOT = Path(__file__).parents[3]
SPEED = 120.0
PATIENCE = 60.0
CLUSTER, SERVICE = "demo", "web"


@dataclass(slots=True)
class Remote:
    """What `Stage` needs of an emulator that is reached over HTTP."""

    emulator: Emulator
    session: boto3.Session = field(default_factory=lambda: boto3.Session("AKIALAPTOPAWS0000000", "laptop"))

    def client(self, service: str, region: str = REGION) -> Any:
        return self.session.client(  # type: ignore[call-overload]  # its overloads want a literal
            service,
            region_name=region,
            endpoint_url=self.emulator.url,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def advance(self, seconds: float) -> None:
        raise AssertionError("time passes by itself")


def until(true: Callable[[], object], what: str) -> None:
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.1)):
        if true():
            return
        pause.wait(0.1)
    raise AssertionError(f"never {what}")


@dataclass(slots=True)
class Live:
    emulator: Emulator
    stage: Stage
    cloudwatch: Any = field(init=False)

    def __post_init__(self) -> None:
        self.cloudwatch = self.stage.laptop.client("cloudwatch")

    def get(self, path: str = "/", times: int = 1) -> list[int]:
        (place,) = (url for arn, url in self.emulator.aws.urls().items() if arn == self.stage.production)
        connection = http.client.HTTPConnection(place.rpartition("//")[2], timeout=10)
        found = []
        for _ in range(times):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            found.append(answer.status)
        connection.close()
        return found

    def dimensions(self) -> dict[str, str]:
        return {
            "LoadBalancer": self.stage.alb.partition(":loadbalancer/")[2],
            "TargetGroup": self.stage.blue.split(":", 5)[5],
        }

    def total(self, metric: str, namespace: str = "AWS/ApplicationELB", **dimensions: str) -> float | None:
        """All that was ever counted; None where nothing was."""
        now = self.emulator.aws.clock.now()
        found = self.cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[{"Name": key, "Value": value} for key, value in (dimensions or self.dimensions()).items()],
            StartTime=now - timedelta(hours=5),
            EndTime=now + timedelta(hours=1),
            Period=6 * 3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in found) if found else None

    def state(self, alarm: str) -> str:
        return str(self.cloudwatch.describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]["StateValue"])


@pytest.fixture(scope="module")
def live(for_a_module: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The app behind a load balancer, with one task."""
    with Emulator(tmp_path_factory.mktemp("emulator"), speed=SPEED) as emulator:
        stage = Stage(cast("Laptop", Remote(emulator))).network().load_balancer().cluster()
        ecr = stage.laptop.client("ecr")
        repository = ecr.create_repository(repositoryName="web")["repository"]["repositoryUri"]
        emulator.push(ROOT / "app", "web", "v1")
        stage.definition(f"{repository}:v1", executionRoleArn=stage.role())
        stage.service(desiredCount=1, loadBalancers=stage.behind(stage.blue))
        until(lambda: stage.health(stage.blue) == ["healthy"], "healthy")
        yield Live(emulator, stage)


def test_every_request_is_counted_once(live: Live) -> None:
    """However the minutes cut them: the sums are what was sent, and health checks are none of them."""
    assert set(live.get("/", 30)) == {200}
    assert set(live.get("/nothing", 20)) == {404}
    until(lambda: live.total("RequestCount") == 50, "counted")
    assert live.total("HTTPCode_Target_2XX_Count") == 30
    assert live.total("HTTPCode_Target_4XX_Count") == 20
    assert live.total("HTTPCode_Target_5XX_Count") is None
    assert live.total("RequestCount", LoadBalancer=live.dimensions()["LoadBalancer"]) == 50


@pytest.mark.skipif(not usage.MEASURABLE, reason="no /proc")
def test_a_service_shows_what_its_tasks_use(live: Live) -> None:
    names = {"ClusterName": CLUSTER, "ServiceName": SERVICE}
    until(lambda: live.total("CPUUtilization", "AWS/ECS", **names) is not None, "measured")
    memory = live.total("MemoryUtilization", "AWS/ECS", **names)
    assert memory
    assert memory > 0


@pytest.mark.slow
def test_an_alarm_fires_from_real_requests(live: Live) -> None:
    """And it is OK again once there are no more of them; nobody sets its state."""
    live.cloudwatch.put_metric_alarm(
        AlarmName="missing pages",
        Namespace="AWS/ApplicationELB",
        MetricName="HTTPCode_Target_4XX_Count",
        Dimensions=[{"Name": key, "Value": value} for key, value in live.dimensions().items()],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    until(lambda: live.state("missing pages") == "OK", "OK")

    def rings() -> bool:
        live.get("/nothing", 20)
        return live.state("missing pages") == "ALARM"

    until(rings, "ALARM")
    until(lambda: live.state("missing pages") == "OK", "OK again")


def test_a_service_follows_its_requests_out_and_in(live: Live) -> None:
    """Target tracking on requests: from one task to several under load, and to one again without."""
    scaling = live.stage.laptop.client("application-autoscaling")
    target = {
        "ServiceNamespace": "ecs",
        "ResourceId": f"service/{CLUSTER}/{SERVICE}",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=3)
    scaling.put_scaling_policy(
        **target,
        PolicyName="requests",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 4.0,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "ALBRequestCountPerTarget",
                "ResourceLabel": "/".join(live.dimensions().values()),
            },
            "ScaleInCooldown": 60,
            "ScaleOutCooldown": 60,
        },
    )

    def scaled_out() -> bool:
        live.get("/", 20)
        return len(live.stage.health(live.stage.blue)) == 3

    until(scaled_out, "scaled out")
    until(lambda: live.stage.seen()["desiredCount"] == 1, "scaled in")
    activities = scaling.describe_scaling_activities(**target)["ScalingActivities"]
    assert [row["StatusCode"] for row in activities][:2] == ["Successful", "Successful"]
