"""AWS's answers about one service that fails, in the shape in which boto3 gives them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.conftest import ACCOUNT, REGION

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GREEN, BLUE = "ecs-svc/2000000000000000002", "ecs-svc/1000000000000000001"
GROUP = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/api-tg-2/ccb1c7ee670051a0"
DEFINITION = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/api:17"


def task_id(number: int) -> str:
    return f"{number:04x}" * 8


def stopped(number: int, *, exit_code: int | None = 1, started_by: str = GREEN, **more: Any) -> dict[str, Any]:
    """A task that ended `number` minutes before noon, so that a lower number is a newer task."""
    container = {"name": "web", "image": "api:17", "lastStatus": "STOPPED", "healthStatus": "UNKNOWN"}
    if exit_code is not None:
        container["exitCode"] = exit_code  # type: ignore[assignment]
    return {
        "taskArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/my-app/{task_id(number)}",
        "taskDefinitionArn": DEFINITION,
        "lastStatus": "STOPPED",
        "startedBy": started_by,
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "createdAt": NOON - timedelta(minutes=number + 1),
        "startedAt": NOON - timedelta(minutes=number, seconds=30),
        "stoppedAt": NOON - timedelta(minutes=number),
        "containers": [container],
        "attachments": [{"details": [{"name": "privateIPv4Address", "value": f"10.0.1.{number}"}]}],
        "overrides": {"containerOverrides": [{"name": "web", "environment": [{"name": "KEY", "value": "hunter2"}]}]},
        **more,
    }


def unhealthy(number: int, code: int = 503) -> dict[str, Any]:
    return {
        "Target": {"Id": f"10.0.1.{number}", "Port": 80},
        "TargetHealth": {
            "State": "unhealthy",
            "Reason": "Target.ResponseCodeMismatch",
            "Description": f"Health checks failed with these codes: [{code}]",
        },
    }


def event(message: str, minutes: int = 0) -> dict[str, Any]:
    return {"id": "1", "createdAt": NOON - timedelta(minutes=minutes), "message": f"(service api) {message}"}


def definition() -> dict[str, Any]:
    options = {"awslogs-group": "/ecs/api", "awslogs-region": REGION, "awslogs-stream-prefix": "api"}
    web: Mapping[str, Any] = {
        "name": "web",
        "image": "api:17",
        "essential": True,
        "environment": [{"name": "KEY", "value": "hunter2"}],
        "logConfiguration": {"logDriver": "awslogs", "options": options},
    }
    return {"taskDefinition": {"containerDefinitions": [web], "executionRoleArn": "arn:aws:iam::1:role/api-execution"}}
