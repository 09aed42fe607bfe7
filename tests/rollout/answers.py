"""AWS's answers about one service with task sets, as far as a rollout reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from reconciler.model.resource import Call
from reconciler.rollout.release import HealthCheck, Release, RolloutTarget, TrafficEntry
from tests.conftest import ACCOUNT, REGION

ARN = f"arn:aws:{{}}:{REGION}:{ACCOUNT}:"
SERVICE = f"{ARN.format('ecs')}service/apps/web"
ELB = ARN.format("elasticloadbalancing")
GROUPS = (f"{ELB}targetgroup/web-1/aaaa", f"{ELB}targetgroup/web-2/bbbb")
PRODUCTION = f"{ELB}listener/app/alb/1234/80"
TEST = f"{ELB}listener/app/alb/1234/9000"
RULE = f"{ELB}listener-rule/app/alb/1234/80/9"
BORN = datetime(2026, 1, 5, 11, tzinfo=UTC)

CHECK = HealthCheck("/", 10, 5, 2, 2, "200")
RELEASE = Release(
    "b",
    task_definition=f"{ARN.format('ecs')}task-definition/web:2",
    container="web",
    port=80,
    subnets=("subnet-a", "subnet-c"),
    security_groups=("sg-1",),
    public_ip=True,
    launch_type="FARGATE",
    health=CHECK,
    commit="4f1c2ab",
)
SUBJECT = RolloutTarget(
    cluster="apps",
    service=SERVICE,
    release=RELEASE,
    name="web",
    groups=GROUPS,
    production=TrafficEntry(PRODUCTION),
    test=TrafficEntry(TEST),
    scalable="service/apps/web",
    stack_tags=(("reconciler:stack", "ours"),),
)


def task_set(release: str, slot: int, **fields: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "id": f"ecs-svc/{release}",
        "externalId": release,
        "status": "ACTIVE",
        "stabilityStatus": "STEADY_STATE",
        "taskDefinition": f"{ARN.format('ecs')}task-definition/web:{ord(release[0]) - 96}",
        "loadBalancers": [{"targetGroupArn": GROUPS[slot], "containerName": "web", "containerPort": 80}],
        "scale": {"value": 100.0, "unit": "PERCENT"},
        "runningCount": 1,
        "pendingCount": 0,
        "createdAt": BORN,
    }
    return usual | fields


def service(*sets: dict[str, Any], tags: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "serviceArn": SERVICE,
        "status": "ACTIVE",
        "desiredCount": 1,
        "taskSets": list(sets),
        "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()],
    }
    return {"services": [usual | fields], "failures": []}


def forward(*shares: tuple[str, int]) -> list[dict[str, Any]]:
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in shares]
    return [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]


def listeners(production: tuple[int, int] = (100, 0), test: tuple[int, int] = (100, 0)) -> dict[str, Any]:
    return {
        "Listeners": [
            {"ListenerArn": PRODUCTION, "DefaultActions": forward(*zip(GROUPS, production, strict=True))},
            {"ListenerArn": TEST, "DefaultActions": forward(*zip(GROUPS, test, strict=True))},
        ]
    }


def target_groups(*paths: str) -> dict[str, Any]:
    return {
        "TargetGroups": [
            {
                "TargetGroupArn": arn,
                "HealthCheckProtocol": "HTTP",
                "HealthCheckPort": "traffic-port",
                "HealthCheckPath": path,
                "HealthCheckIntervalSeconds": 10,
                "HealthCheckTimeoutSeconds": 5,
                "HealthyThresholdCount": 2,
                "UnhealthyThresholdCount": 2,
                "Matcher": {"HttpCode": "200"},
            }
            for arn, path in zip(GROUPS, paths or ("/", "/"), strict=True)
        ]
    }


def scalable(*, suspended: bool = False) -> dict[str, Any]:
    parts = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")
    return {"ScalableTargets": [{"ResourceId": SUBJECT.scalable, "SuspendedState": dict.fromkeys(parts, suspended)}]}


def targets(**states: str) -> dict[str, Any]:
    """By the last number of the address: `targets(_4="healthy")`."""
    return {
        "TargetHealthDescriptions": [
            {"Target": {"Id": f"10.0.0.{name.strip('_')}"}, "TargetHealth": {"State": state}}
            for name, state in states.items()
        ]
    }


def task(address: int, of: str, **fields: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "taskArn": f"{ARN.format('ecs')}task/apps/{address}",
        "startedBy": f"ecs-svc/{of}",
        "lastStatus": "RUNNING",
        "availabilityZone": "us-west-2a",
        "taskDefinitionArn": f"{ARN.format('ecs')}task-definition/web:{ord(of[0]) - 96}",
        "attachments": [{"details": [{"name": "privateIPv4Address", "value": f"10.0.0.{address}"}]}],
    }
    return usual | fields


def tasks(*items: dict[str, Any]) -> dict[str, Any]:
    return {"tasks": list(items), "failures": []}


def arns(*items: dict[str, Any]) -> dict[str, Any]:
    return {"taskArns": [item["taskArn"] for item in items]}


def task_sets(*items: dict[str, Any], tags: Iterable[tuple[str, str]] = ()) -> dict[str, Any]:
    listed = [{"key": key, "value": value} for key, value in tags]
    return {"taskSets": [{**item, "tags": listed} for item in items], "failures": []}


def by_group(first: dict[str, Any], second: dict[str, Any]) -> Callable[[Call], dict[str, Any]]:
    """Target health, whichever group is asked about first."""
    return lambda call: dict(zip(GROUPS, (first, second), strict=True))[call.params["TargetGroupArn"]]


def by_status(running: dict[str, Any], stopped: dict[str, Any]) -> Callable[[Call], dict[str, Any]]:
    return lambda call: running if call.params["desiredStatus"] == "RUNNING" else stopped
