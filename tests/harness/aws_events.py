"""Events of AWS as EventBridge puts them into a queue, written by hand from AWS's documentation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.conftest import ACCOUNT, REGION

PERSON = f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/ana"


def event(
    id: str, source: str, detail_type: str, detail: dict[str, Any], *resources: str, account: str = ACCOUNT
) -> dict[str, Any]:
    """Amazon EventBridge user guide, structure of events."""
    at = datetime(2026, 1, 1, tzinfo=UTC).isoformat().replace("+00:00", "Z")
    return {
        "version": "0", "id": id, "detail-type": detail_type, "source": source, "account": account, "time": at,
        "region": REGION, "resources": list(resources), "detail": detail,
    }  # fmt: skip


def api_call(
    id: str,
    service: str,
    name: str,
    params: dict[str, Any],
    *,
    response: dict[str, Any] | None = None,
    arn: str = PERSON,
    agent: str = "aws-cli/2.15",
    request: str = "",
    **more: Any,
) -> dict[str, Any]:
    """CloudTrail user guide, record contents; delivered as an event of EventBridge."""
    role = arn.split("/")[1] if ":assumed-role/" in arn else ""
    issuer = {"sessionContext": {"sessionIssuer": {"type": "Role", "userName": role}}} if role else {}
    detail = {
        "eventVersion": "1.11",
        "userIdentity": {"type": "AssumedRole" if role else "IAMUser", "arn": arn, "accountId": ACCOUNT, **issuer},
        "eventSource": f"{service}.amazonaws.com",
        "eventName": name,
        "awsRegion": REGION,
        "sourceIPAddress": "203.0.113.7",
        "userAgent": agent,
        "requestParameters": params,
        "responseElements": response,
        "requestID": request or f"request-of-{id}",
        "eventID": f"trail-{id}",
        "readOnly": False,
        "eventType": "AwsApiCall",
        **more,
    }
    return event(id, f"aws.{service}", "AWS API Call via CloudTrail", detail)


def task_stopped(id: str, cluster: str, group: str, status: str = "STOPPED") -> dict[str, Any]:
    """Amazon ECS developer guide, task state change events."""
    place = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
    task = f"{place}:task/{cluster}/0f3b"
    detail = {
        "clusterArn": f"{place}:cluster/{cluster}", "taskArn": task, "group": group, "lastStatus": status,
        "desiredStatus": "STOPPED", "stoppedReason": "Essential container in task exited", "version": 4,
    }  # fmt: skip
    return event(id, "aws.ecs", "ECS Task State Change", detail, task)


def image_pushed(id: str, repository: str, tag: str, result: str = "SUCCESS") -> dict[str, Any]:
    """Amazon ECR user guide, events."""
    detail = {
        "result": result, "repository-name": repository, "image-digest": "sha256:7f", "action-type": "PUSH",
        "image-tag": tag,
    }  # fmt: skip
    return event(id, "aws.ecr", "ECR Image Action", detail)


def alarm_changed(id: str, name: str) -> dict[str, Any]:
    """Amazon CloudWatch user guide, alarm events."""
    arn = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"
    detail = {"alarmName": name, "state": {"value": "ALARM"}, "previousState": {"value": "OK"}}
    return event(id, "aws.cloudwatch", "CloudWatch Alarm State Change", detail, arn)
