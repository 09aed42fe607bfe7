"""Service Quotas and IAM's policy simulator, as the emulator answers them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconciler.local.inprocess import Laptop, laptop_session

TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}


@pytest.fixture
def laptop() -> Any:
    with laptop_session() as found:
        yield found


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    found: str = error.value.response["Error"]["Code"]
    return found


def test_an_increase_is_granted_at_once(laptop: Laptop) -> None:
    """It applies to this region, and the default stays what it is."""
    quotas = laptop.client("service-quotas")
    name = {"ServiceCode": "vpc", "QuotaCode": "L-F678F1CE"}
    quotas.request_service_quota_increase(**name, DesiredValue=9)
    assert quotas.get_service_quota(**name)["Quota"]["Value"] == 9
    assert quotas.get_aws_default_service_quota(**name)["Quota"]["Value"] == 5
    elsewhere = laptop.client("service-quotas", region="eu-west-1")
    assert elsewhere.get_service_quota(**name)["Quota"]["Value"] == 5
    with pytest.raises(ClientError) as less:
        quotas.request_service_quota_increase(**name, DesiredValue=8)
    assert code(less) == "IllegalArgumentException"


def test_quotas_are_listed_in_pages(laptop: Laptop) -> None:
    """Of one service; one that there is not is refused."""
    quotas = laptop.client("service-quotas")
    pages = list(
        quotas.get_paginator("list_service_quotas").paginate(ServiceCode="vpc", PaginationConfig={"PageSize": 2})
    )
    listed = [one["QuotaCode"] for page in pages for one in page["Quotas"]]
    assert len(pages) > 1
    assert sorted(set(listed)) == sorted(listed)
    assert {"L-F678F1CE", "L-0EA8095F"} <= set(listed)
    with pytest.raises(ClientError) as missing:
        quotas.list_service_quotas(ServiceCode="nowhere")
    assert code(missing) == "NoSuchResourceException"


def document(statement: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement]}


def simulated(laptop: Laptop, principal: str, *actions: str, **more: Any) -> dict[str, str]:
    answer = laptop.client("iam").simulate_principal_policy(PolicySourceArn=principal, ActionNames=actions, **more)
    return {
        f"{one['EvalActionName']} {one['EvalResourceName']}": one["EvalDecision"] for one in answer["EvaluationResults"]
    }


def test_the_policies_of_a_role_decide(laptop: Laptop) -> None:
    """Inline and attached ones, with conditions, for each action on each resource; a deny wins."""
    iam = laptop.client("iam")
    role = iam.create_role(RoleName="ci", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    allow = {
        "Effect": "Allow",
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::a",
        "Condition": {"StringEquals": {"aws:RequestedRegion": "us-west-2"}},
    }
    deny = {"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}
    iam.put_role_policy(RoleName="ci", PolicyName="own", PolicyDocument=json.dumps(document(allow)))
    policy = iam.create_policy(PolicyName="no", PolicyDocument=json.dumps(document(deny)))
    iam.attach_role_policy(RoleName="ci", PolicyArn=policy["Policy"]["Arn"])
    here = {"ContextKeyName": "aws:RequestedRegion", "ContextKeyValues": ["us-west-2"], "ContextKeyType": "string"}
    buckets = {"ResourceArns": ["arn:aws:s3:::a", "arn:aws:s3:::b"]}
    assert simulated(laptop, role, "s3:GetObject", "s3:DeleteBucket", ContextEntries=[here], **buckets) == {
        "s3:GetObject arn:aws:s3:::a": "allowed",
        "s3:GetObject arn:aws:s3:::b": "implicitDeny",
        "s3:DeleteBucket arn:aws:s3:::a": "explicitDeny",
        "s3:DeleteBucket arn:aws:s3:::b": "explicitDeny",
    }
    assert simulated(laptop, role, "s3:GetObject") == {"s3:GetObject *": "implicitDeny"}


def test_unknown_credentials_may_do_everything_and_nobody_else(laptop: Laptop) -> None:
    """As the emulator's other operations take them."""
    who = laptop.client("sts").get_caller_identity()["Arn"]
    assert simulated(laptop, who, "iam:CreateUser") == {"iam:CreateUser *": "allowed"}
    with pytest.raises(ClientError) as missing:
        simulated(laptop, "arn:aws:iam::123456789012:role/gone", "iam:CreateUser")
    assert code(missing) == "NoSuchEntity"
