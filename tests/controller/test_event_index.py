"""Which resources of a stack an event of AWS is about."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.controller.event_index import EventIndex, Writers
from reconciler.model import aws_event
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address, Observed, Spec
from reconciler.model.type_registry import discover
from reconciler.resources.image import ImageSpec
from reconciler.resources.lookup import LookupSpec
from tests.conftest import ACCOUNT, REGION
from tests.harness.aws_events import alarm_changed, api_call, event, image_pushed, task_stopped

ECS = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
API = f"{ECS}:service/shop/api"
GROUP = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/api-blue/73e2"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/api-task"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/api@sha256:1"
ALARM = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:api-5xx"
TASK = f"{ECS}:task/shop/0f3b"


class Fields(Spec):
    pass


def found(address: str, id: str, spec: Spec | None = None, parent: str | None = None, **facts: Any) -> Observed[Any]:
    return Observed(Address.parse(address), id, spec or Fields(), parent=parent, facts=facts)


WORLD = (
    found("cluster/shop", "shop", arn=f"{ECS}:cluster/shop"),
    found("service/api", API),
    found("scaling/api", "service/shop/api", parent=API),
    found("task/migrate", TASK),
    found("security-group/web", "sg-1"),
    found("security-group-rules/web", "sg-1/rules", parent="sg-1"),
    found("vpc/main", "vpc-1"),
    found("route-table/main", "rtb-1"),
    found("target-group/api-blue", GROUP),
    found("role/api-task", ROLE, arn=ROLE),
    found("log-group/api", "/ecs/api", arn=f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/ecs/api"),
    found("image/api:v1", IMAGE, ImageSpec(repository="api", tag="v1", uri="")),
    found("alarm/api-5xx", "api-5xx", arn=ALARM),
    found("lookup/ssm:/shop/size", "sg-1", LookupSpec(source="ssm:/shop/size")),
)


@pytest.fixture(scope="module")
def index() -> EventIndex:
    kinds = discover()
    return EventIndex(kinds, Writers.of(kinds)).updated(
        ObservedState({kind: tuple(one for one in WORLD if one.address.kind == kind) for kind in kinds})
    )


def ecs_event(detail_type: str, *resources: str) -> dict[str, Any]:
    return event("1", "aws.ecs", detail_type, {"eventName": "SERVICE_STEADY_STATE"}, *resources)


PARAMETER = event("1", "aws.ssm", "Parameter Store Change", {"name": "/shop/size", "operation": "Update"})


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        (task_stopped("1", "shop", "service:api"), {"service": {API}, "task": {TASK}}),
        (task_stopped("1", "shop", "family:migrate"), {"task": {TASK}}),
        (ecs_event("ECS Service Action", API), {"service": {API}}),
        (ecs_event("ECS Deployment State Change", API), {"service": {API}}),
        (image_pushed("1", "api", "v1"), {"image": {IMAGE}}),
        (alarm_changed("1", "api-5xx"), {"alarm": {"api-5xx"}}),
        (PARAMETER, {"lookup": {"sg-1"}}),
        (api_call("1", "ecs", "UpdateService", {"cluster": "shop", "service": "api"}), {"service": {API}}),
        (
            api_call("1", "ecs", "TagResource", {"resourceArn": API}),
            {"service": {API}, "scaling": {"service/shop/api"}},  # whose tags are the service's
        ),
        (
            api_call("1", "ec2", "RevokeSecurityGroupIngress", {"groupId": "sg-1"}),
            {"security-group-rules": {"sg-1/rules"}},
        ),
        (
            api_call("1", "ec2", "ModifySecurityGroupRules", {"ModifySecurityGroupRulesRequest": {"GroupId": "sg-1"}}),
            {"security-group-rules": {"sg-1/rules"}},
        ),
        (
            api_call("1", "ec2", "DeleteTags", {"resourcesSet": {"items": [{"resourceId": "vpc-1"}]}}),
            {"vpc": {"vpc-1"}},
        ),
        (
            api_call("1", "ec2", "CreateRoute", {"routeTableId": "rtb-1", "gatewayId": "igw-9"}),
            {"route-table": {"rtb-1"}},
        ),
        (
            api_call("1", "elasticloadbalancing", "ModifyTargetGroupAttributes", {"targetGroupArn": GROUP}),
            {"target-group": {GROUP}},
        ),
        (api_call("1", "iam", "PutRolePolicy", {"roleName": "api-task"}), {"role": {ROLE}}),
        (api_call("1", "logs", "DeleteRetentionPolicy", {"logGroupName": "/ecs/api"}), {"log-group": {"/ecs/api"}}),
        (api_call("1", "monitoring", "PutMetricAlarm", {"alarmName": "api-5xx"}), {"alarm": {"api-5xx"}}),
        (
            api_call("1", "autoscaling", "RegisterScalableTarget", {"resourceId": "service/shop/api"}),
            {"scaling": {"service/shop/api"}},
        ),
    ],
    ids=lambda value: value["detail"].get("eventName") or value["detail-type"] if "detail" in value else "",
)  # fmt: skip
def test_an_event_names_what_it_is_about(index: EventIndex, sent: dict[str, Any], named: dict[str, set[str]]) -> None:
    """Exactly the types and ids that may have changed."""
    assert index.concerned(aws_event.parse(json.dumps(sent))) == named


@pytest.mark.parametrize(
    "sent",
    [
        task_stopped("1", "other", "service:api"),
        task_stopped("1", "shop", "service:api", status="RUNNING"),
        image_pushed("1", "api", "v2"),
        image_pushed("1", "api", "v1", result="FAILURE"),
        alarm_changed("1", "of-others"),
        event("1", "aws.ssm", "Parameter Store Change", {"name": "/other", "operation": "Update"}),
        event("1", "aws.ecs", "ECS Container Instance State Change", {"taskArn": TASK}),
        api_call("1", "ec2", "RevokeSecurityGroupIngress", {"groupId": "sg-2"}),
        api_call("1", "ec2", "RevokeSecurityGroupIngress", {"groupId": "sg-1"}, errorCode="UnauthorizedOperation"),
        api_call("1", "elasticloadbalancing", "RegisterTargets", {"targetGroupArn": GROUP}),
        api_call("1", "ecs", "CreateService", {"cluster": "shop", "serviceName": "of-others"}),
        api_call("1", "logs", "CreateLogStream", {"logGroupName": "/ecs/api"}),
        api_call("1", "lambda", "UpdateFunctionCode", {"functionName": "api"}),
        api_call("1", "iam", "PutRolePolicy", {"roleName": "of-others"}),
    ],
    ids=lambda value: value["detail"].get("eventName") or value["detail-type"],
)
def test_an_event_of_anything_else_names_nothing(index: EventIndex, sent: dict[str, Any]) -> None:
    """Of others, of what is not read of a resource, or refused by AWS."""
    assert index.concerned(aws_event.parse(json.dumps(sent))) == {}
