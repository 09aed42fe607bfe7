"""CloudTrail records as AWS writes them, and an AWS that answers LookupEvents from a list of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler import errors
from reconciler.model.resource import Call

ACCOUNT = "123456789012"
REGION = "us-west-2"
CONSOLE_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
CLI_AGENT = "aws-cli/2.17.9 md/awscrt#0.20.11 ua/2.0 os/linux#6.8 lang/python#3.11.9 md/prompt#off md/command#ecs.x"
TERRAFORM_AGENT = (
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.2 (+https://www.terraform.io) terraform-provider-aws/5.57.0 aws-sdk-go-v2/1.30"
)


def session(role: str, name: str, *, path: str = "/") -> dict[str, Any]:
    """A session of a role, as an identity."""
    issuer = {
        "type": "Role",
        "principalId": "AROAEXAMPLE",
        "arn": f"arn:aws:iam::{ACCOUNT}:role{path}{role}",
        "accountId": ACCOUNT,
        "userName": role,
    }
    return {
        "type": "AssumedRole",
        "principalId": f"AROAEXAMPLE:{name}",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}",
        "accountId": ACCOUNT,
        "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {"sessionIssuer": issuer, "attributes": {"mfaAuthenticated": "false"}},
    }


ANA = session("AWSReservedSSO_Admin_0123456789abcdef", "ana@example.com", path="/aws-reserved/sso.amazonaws.com/")
BOB = {
    "type": "IAMUser",
    "principalId": "AIDAEXAMPLE",
    "arn": f"arn:aws:iam::{ACCOUNT}:user/bob",
    "accountId": ACCOUNT,
    "accessKeyId": "AKIAEXAMPLE",
    "userName": "bob",
}
OPERATOR = session("my-app-operator", "0f3c7a9d2b")
OPERATOR_ARN = OPERATOR["arn"]
OPERATOR_AGENT = "reconciler/0.1.0 Boto3/1.34 Python/3.11.9 stack/my-app"


def record(
    operation: str, at: datetime, params: dict[str, Any] | None, *, source: str = "ecs", who: Any = ANA,
    agent: str = CONSOLE_AGENT, ip: str = "203.0.113.7", **more: Any,
) -> dict[str, Any]:  # fmt: skip
    return {
        "eventVersion": "1.10",
        "userIdentity": who,
        "eventTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": f"{source}.amazonaws.com",
        "eventName": operation,
        "awsRegion": REGION,
        "sourceIPAddress": ip,
        "userAgent": agent,
        "requestParameters": params,
        "responseElements": None,
        "requestID": "5d1c0f7e",
        "eventID": f"event-{operation}-{at:%H%M%S}",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    } | more


@dataclass(slots=True)
class EventHistory:
    """Answers LookupEvents from `records`; `indexed` are the names of resources by event id."""

    records: list[dict[str, Any]] = field(default_factory=list)
    indexed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sent: list[Call] = field(default_factory=list)
    refusal: errors.AwsError | None = None

    def perform(self, call: Call) -> dict[str, Any]:
        assert call.operation == "LookupEvents", call
        self.sent.append(call)
        if self.refusal is not None:
            raise self.refusal
        (asked,) = call.params["LookupAttributes"]
        key, value = asked["AttributeKey"], asked["AttributeValue"]
        events = [self._event(one) for one in self.records if self._fits(one, key, value)]
        found = [one for one in events if call.params["StartTime"] <= one["EventTime"] <= call.params["EndTime"]]
        found.sort(key=lambda one: one["EventTime"], reverse=True)
        return {"Events": found[: call.params["MaxResults"]]}

    def _fits(self, one: dict[str, Any], key: str, value: str) -> bool:
        match key:
            case "EventName":
                return bool(one["eventName"] == value)
            case "ResourceName":
                return value in self.indexed.get(one["eventID"], ())
            case _:
                raise AssertionError(key)

    def _event(self, one: dict[str, Any]) -> dict[str, Any]:
        return {
            "EventId": one["eventID"],
            "EventName": one["eventName"],
            "ReadOnly": "false",
            "EventTime": datetime.fromisoformat(one["eventTime"]),
            "EventSource": one["eventSource"],
            "Username": "ana@example.com",
            "Resources": [{"ResourceName": name} for name in self.indexed.get(one["eventID"], ())],
            "CloudTrailEvent": json.dumps(one),
        }
