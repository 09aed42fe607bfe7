"""Target tracking: the alarms of a policy, and the desired count that follows the metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from reconciler.local.ports import Traffic
from reconciler.local.scripted import Script
from tests.local.control_plane.stage import Stage, refused

TARGET = {
    "ServiceNamespace": "ecs",
    "ResourceId": "service/demo/web",
    "ScalableDimension": "ecs:service:DesiredCount",
}
CPU = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}}


@dataclass(slots=True)
class Scaled:
    """The service web with one to eight tasks, and what a test says of its load."""

    stage: Stage
    name: str = "web"
    scaling: Any = field(init=False)

    def __post_init__(self) -> None:
        self.scaling = self.stage.laptop.client("application-autoscaling")
        self.stage.service(self.name, loadBalancers=self.stage.behind(self.stage.blue))
        self.scaling.register_scalable_target(**self.target, MinCapacity=1, MaxCapacity=8)

    @property
    def target(self) -> dict[str, str]:
        return {**TARGET, "ResourceId": f"service/demo/{self.name}"}

    def policy(self, target: float = 50, name: str = "cpu", **configuration: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.scaling.put_scaling_policy(
            **self.target,
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={"TargetValue": target, **CPU, **configuration},
        )
        return made

    def load(self, percent: float | None, minutes: int) -> int:
        """The desired count after so many minutes with such a use of the CPU."""
        self.stage.laptop.script(Script(cpu=percent))
        self.stage.advance(60 * minutes)
        return self.count

    @property
    def count(self) -> int:
        return int(self.stage.seen(self.name)["desiredCount"])

    def alarms(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.stage.laptop.client("cloudwatch").describe_alarms()["MetricAlarms"]
        return found


@pytest.fixture
def scaled(stage: Stage) -> Scaled:
    return Scaled(stage)


def test_a_policy_has_an_alarm_for_each_side(scaled: Scaled) -> None:
    """High: above the target in three minutes of three; low: below nine tenths of it in fifteen of fifteen."""
    made = scaled.policy(50)
    high, low = scaled.alarms()
    shown = [(one["ComparisonOperator"], one["EvaluationPeriods"], one["Threshold"]) for one in (high, low)]
    assert shown == [("GreaterThanThreshold", 3, 50), ("LessThanThreshold", 15, 45)]
    assert (high["Namespace"], high["MetricName"]) == ("AWS/ECS", "CPUUtilization")
    assert {one["Name"]: one["Value"] for one in high["Dimensions"]} == {"ClusterName": "demo", "ServiceName": "web"}
    assert high["AlarmActions"] == [made["PolicyARN"]]
    assert [one["AlarmName"] for one in made["Alarms"]] == [high["AlarmName"], low["AlarmName"]]


def test_the_sides_are_told_apart_whatever_the_service_is_called(stage: Stage) -> None:
    """Its name stands in those of the alarms."""
    scaled = Scaled(stage, "web-AlarmHigh-1")
    before = scaled.policy(50)
    assert scaled.policy(50)["Alarms"] == before["Alarms"]
    assert scaled.load(20, 15) == 1


def test_a_changed_policy_changes_its_alarms(scaled: Scaled) -> None:
    """They keep their names; without scaling in there is none for it."""
    before = scaled.policy(50)
    assert scaled.policy(80)["Alarms"] == before["Alarms"]
    assert [one["Threshold"] for one in scaled.alarms()] == [80, 72]
    (only,) = scaled.policy(80, DisableScaleIn=True)["Alarms"]
    assert [one["AlarmName"] for one in scaled.alarms()] == [only["AlarmName"]]


def test_requests_are_tracked_by_the_label(scaled: Scaled) -> None:
    """ALBRequestCountPerTarget: the label names load balancer and target group; without it the policy is refused."""
    requests = {"PredefinedMetricType": "ALBRequestCountPerTarget"}
    with refused("ValidationException", "ResourceLabel"):
        scaled.policy(PredefinedMetricSpecification=requests)
    label = f"{scaled.stage.alb.partition(':loadbalancer/')[2]}/{scaled.stage.blue.split(':', 5)[5]}"
    scaled.policy(100, PredefinedMetricSpecification={**requests, "ResourceLabel": label})
    scaled.stage.laptop.listeners.requests = lambda: [
        Traffic(scaled.stage.production, scaled.stage.blue, 200, "target", 600, 0.1)
    ]
    scaled.stage.laptop.aws.tick()
    scaled.stage.advance(180)
    assert scaled.count == 6
    scaled.stage.laptop.listeners.requests = list
    scaled.stage.advance(20 * 60)
    assert scaled.count == 1


def test_it_scales_out_by_the_ratio_after_three_minutes(scaled: Scaled) -> None:
    """Two tasks at 90 percent with a target of 50 percent are four tasks at 45."""
    scaled.policy(50)
    assert scaled.load(90, 2) == 2
    assert scaled.load(90, 1) == 4
    (activity,) = scaled.scaling.describe_scaling_activities(**TARGET)["ScalingActivities"]
    assert activity["Description"] == "Setting desired count to 4."
    assert "AlarmHigh" in activity["Cause"]


def test_it_scales_in_after_fifteen_minutes(scaled: Scaled) -> None:
    scaled.policy(50)
    assert scaled.load(20, 14) == 2
    assert scaled.load(20, 1) == 1


def test_nothing_happens_between_the_thresholds_and_without_data(scaled: Scaled) -> None:
    """Nine tenths of the target are near enough; a metric without data says nothing."""
    scaled.policy(50)
    assert scaled.load(46, 30) == 2
    assert scaled.load(None, 30) == 2


def test_what_was_added_counts_until_the_cooldown_is_over(scaled: Scaled) -> None:
    """The load goes on to show on the old and new tasks alike: two tasks become four, and after the cooldown eight."""
    scaled.policy(50, ScaleOutCooldown=600)
    assert scaled.load(100, 3) == 4
    assert scaled.load(100, 9) == 4
    assert scaled.load(100, 2) == 8


def test_a_higher_load_during_the_cooldown_scales_on(scaled: Scaled) -> None:
    scaled.policy(10, ScaleOutCooldown=3600)
    assert scaled.load(15, 3) == 3
    assert scaled.load(35, 1) == 7


def test_scaling_in_waits_for_its_cooldown(scaled: Scaled) -> None:
    scaled.policy(50, ScaleInCooldown=1200)
    scaled.stage.update(desiredCount=8)
    assert scaled.load(25, 15) == 4
    assert scaled.load(25, 19) == 4
    assert scaled.load(25, 1) == 2


def test_the_bounds_hold(scaled: Scaled) -> None:
    scaled.policy(10)
    assert scaled.load(100, 3) == 8
    assert scaled.load(0, 60) == 1


@pytest.mark.parametrize(
    ("suspended", "load", "minutes"),
    [("DynamicScalingOutSuspended", 100, 10), ("DynamicScalingInSuspended", 1, 30)],
)
def test_suspended_scaling_does_nothing(scaled: Scaled, suspended: str, load: float, minutes: int) -> None:
    """Until it is resumed."""
    scaled.policy(50)
    scaled.scaling.register_scalable_target(**TARGET, SuspendedState={suspended: True})
    assert scaled.load(load, minutes) == 2
    scaled.scaling.register_scalable_target(**TARGET, SuspendedState={suspended: False})
    assert scaled.load(load, 1) != 2


def test_several_policies_scale_out_alone_and_in_together(scaled: Scaled) -> None:
    """Out for the one that needs most, in only where all agree."""
    memory = {"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageMemoryUtilization"}}
    scaled.policy(50)
    scaled.policy(50, "memory", **memory)
    scaled.stage.laptop.script(Script(cpu=10, memory=100))
    scaled.stage.advance(180)
    assert scaled.count == 4
    scaled.stage.laptop.script(Script(cpu=10, memory=48))
    scaled.stage.advance(30 * 60)
    assert scaled.count == 4
    scaled.stage.laptop.script(Script(cpu=10, memory=20))
    scaled.stage.advance(15 * 60)
    assert scaled.count == 2


def test_no_deployment_is_scaled_in(scaled: Scaled) -> None:
    """ECS developer guide, service auto scaling: scaling in is off during a deployment, scaling out is not."""
    scaled.policy(50)
    scaled.stage.laptop.script(Script("web:v2", starts_after=7200, cpu=10))
    scaled.stage.definition("web:v2")
    scaled.load(10, 1)
    scaled.stage.laptop.script(Script("web:v2", starts_after=7200, cpu=10))
    scaled.stage.update(taskDefinition="web")
    scaled.stage.advance(30 * 60)
    assert len(scaled.stage.deployments()) == 2
    assert scaled.count == 2
    scaled.stage.advance(2 * 3600)
    assert len(scaled.stage.deployments()) == 1
    scaled.stage.advance(15 * 60)
    assert scaled.count == 1


def test_a_metric_of_one_s_own_is_tracked(scaled: Scaled) -> None:
    """CustomizedMetricSpecification, by name or as metric math."""
    put: Callable[..., Any] = scaled.stage.laptop.client("cloudwatch").put_metric_data
    specification = {"Namespace": "mine", "MetricName": "backlog", "Statistic": "Average"}
    math = {
        "Metrics": [
            {"Id": "b", "MetricStat": {"Metric": {"Namespace": "mine", "MetricName": "backlog"}, "Stat": "Average"},
             "ReturnData": False},
            {"Id": "half", "Expression": "b / 2"},
        ]
    }  # fmt: skip
    for number, custom in enumerate((specification, math)):
        name = f"p{number}"
        scaled.scaling.put_scaling_policy(
            **TARGET,
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={"TargetValue": 10, "CustomizedMetricSpecification": custom},
        )
        scaled.stage.update(desiredCount=2)
        for _ in range(3):
            put(Namespace="mine", MetricData=[{"MetricName": "backlog", "Value": 30}])
            scaled.stage.advance(60)
        assert scaled.count == (6, 3)[number]
        scaled.scaling.delete_scaling_policy(**TARGET, PolicyName=name)
        scaled.stage.advance(3600)


def test_a_policy_that_could_not_be_followed_is_refused(scaled: Scaled) -> None:
    """When it is put: at the end of a minute nobody would get the answer."""
    with refused("ValidationException", "TargetValue"):
        scaled.policy(0)
    metric = {"Metric": {"Namespace": "mine", "MetricName": "m"}, "Stat": "Sum"}
    queries = [{"Id": "m1", "MetricStat": metric, "ReturnData": False}, {"Id": "e1", "Expression": "RATE(m1)"}]
    with refused("ValidationException", "RATE"):
        scaled.scaling.put_scaling_policy(
            **TARGET,
            PolicyName="own",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 10,
                "CustomizedMetricSpecification": {"Metrics": queries},
            },
        )
    assert scaled.load(90, 4) == 2
