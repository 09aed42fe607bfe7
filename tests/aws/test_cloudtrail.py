"""CloudTrail records are read as AWS documents them, and nothing in one steers a terminal or gives a secret away."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.aws.cloudtrail import LONGEST, looked_up, write_of, writes_of
from tests.harness.cloudtrail_records import (
    ANA,
    BOB,
    CLI_AGENT,
    CONSOLE_AGENT,
    OPERATOR,
    OPERATOR_AGENT,
    TERRAFORM_AGENT,
    record,
)

AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
PARAMS = {"cluster": "apps", "service": "web", "desiredCount": 0}
SERVICE = {"type": "AWSService", "invokedBy": "ecs.application-autoscaling.amazonaws.com"}
BY_CLOUDFORMATION = {**ANA, "invokedBy": "cloudformation.amazonaws.com"}


@pytest.mark.parametrize(
    ("who", "name", "role"),
    [
        (ANA, "ana@example.com", "AWSReservedSSO_Admin_0123456789abcdef"),
        (BOB, "bob", ""),
        ({"type": "Root", "arn": "arn:aws:iam::123456789012:root"}, "the root user", ""),
        ({"type": "FederatedUser", "principalId": "123456789012:carl"}, "carl", ""),
        ({"type": "WebIdentityUser", "userName": "dora"}, "dora", ""),
        ({"type": "IdentityCenterUser", "onBehalfOf": {"userId": "94482488"}}, "94482488", ""),
        ({"type": "AWSAccount", "accountId": "210987654321"}, "account 210987654321", ""),
        (SERVICE, "Application Auto Scaling", ""),
        ({"type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/ci/run-7"}, "run-7", "ci"),
        ({}, "unknown", ""),
    ],
)
def test_the_caller_is_named_by_its_identity(who: dict[str, Any], name: str, role: str) -> None:
    """Users, sessions of roles, the root user, federated users and AWS services each have their name."""
    found = write_of(record("UpdateService", AT, PARAMS, who=who))
    assert found is not None
    assert (found.author.name, found.author.role) == (name, role)


@pytest.mark.parametrize(
    ("agent", "ip", "more", "tool"),
    [
        (CONSOLE_AGENT, "203.0.113.7", {}, "AWS console"),
        (CLI_AGENT, "203.0.113.7", {}, "AWS CLI"),
        (CLI_AGENT, "203.0.113.7", {"sessionCredentialFromConsole": "true"}, "AWS console"),
        ("aws-cli/2.17.9 exec-env/CloudShell", "203.0.113.7", {}, "AWS CLI in CloudShell"),
        (TERRAFORM_AGENT, "203.0.113.7", {}, "Terraform"),
        ("[Boto3/1.34.0 md/Botocore#1.34.0 ua/2.0]", "203.0.113.7", {}, "boto3"),
        ("aws-sdk-go-v2/1.30.1 os/linux", "203.0.113.7", {}, "AWS SDK for Go"),
        (OPERATOR_AGENT, "203.0.113.7", {}, "reconciler"),
        ("cloudformation.amazonaws.com", "cloudformation.amazonaws.com", {}, "CloudFormation"),
        ("console.amazonaws.com", "203.0.113.7", {}, "AWS console"),
        ("ops-bot/7 (+https://example.com)", "203.0.113.7", {}, "ops-bot/7 (+https://example.com)"),
        ("AWS Internal", "AWS Internal", {}, "AWS"),
        ("", "203.0.113.7", {}, ""),
    ],
)
def test_the_tool_is_told_by_the_user_agent(agent: str, ip: str, more: dict[str, Any], tool: str) -> None:
    """Known tools have their names; an unknown one goes by its user agent."""
    found = write_of(record("UpdateService", AT, PARAMS, agent=agent, ip=ip, **more))
    assert found is not None
    assert found.author.tool == tool
    assert found.author.address == ("" if ip in ("AWS Internal", "cloudformation.amazonaws.com") else ip)


def test_a_service_that_acts_for_somebody_is_the_tool() -> None:
    """CloudFormation calls in the name of whoever updates the stack."""
    found = write_of(record("UpdateService", AT, PARAMS, who=BY_CLOUDFORMATION, agent="cloudformation.amazonaws.com"))
    assert found is not None
    assert (found.author.name, found.author.tool) == ("ana@example.com", "CloudFormation")


@pytest.mark.parametrize(
    "wrong",
    [
        record("DescribeServices", AT, PARAMS, readOnly=True),
        record("UpdateService", AT, PARAMS, errorCode="AccessDenied"),
        record("UpdateService", AT, PARAMS, eventTime="yesterday"),
        record("UpdateService", AT, PARAMS, eventTime=17),
        record("UpdateService", AT, PARAMS, userIdentity="ana"),
        record("UpdateService", AT, PARAMS, eventID=None),
        {},
        [],
        "text",
        None,
    ],
)
def test_what_wrote_nothing_is_left_out(wrong: object) -> None:
    """Reads, calls that failed, and what is no record of a call."""
    assert write_of(wrong) is None
    assert [one.author.operation for one in writes_of([wrong, record("StopTask", AT, None)])] == ["StopTask"]


def test_texts_of_a_record_are_harmless() -> None:
    """Names and user agents are one short line without hidden characters, direction marks and secrets."""
    token = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
    who = {"type": "IAMUser", "userName": f"ev\x1b[31mil\u202e\n{token} " + "x" * 500}
    found = write_of(record("UpdateService", AT, PARAMS, who=who, agent=f"bot\r\n::error::{token}", ip="\x9b2J1.2.3.4"))
    assert found is not None
    for text in (found.author.name, found.author.tool, found.author.address, str(found.author)):
        assert not set(text) & set("\x1b\x9b\r\n\u202e")
        assert token not in text
    assert len(found.author.name) == LONGEST


def test_parameters_are_not_shown() -> None:
    """Parameters are compared and never part of a representation, since they may hold secrets."""
    found = write_of(record("PutSecretValue", AT, {"secretString": "hunter2", "secretId": "db"}))
    assert found is not None
    assert "hunter2" not in repr(found) + str(found.author) + str(found.author.document())


def test_the_depth_of_a_name_is_that_of_the_parameter() -> None:
    """The `items` of EC2's lists and the name of a wrapped request are no parameters of their own."""
    params = {
        "groupId": "sg-1",
        "ipPermissions": {"items": [{"groups": {"items": [{"groupId": "sg-2"}]}, "fromPort": 22}]},
    }
    found = write_of(record("AuthorizeSecurityGroupIngress", AT, params, source="ec2"))
    assert found is not None
    assert (found.named["sg-1"], found.named["sg-2"]) == (1, 3)
    assert "22" in found.words
    assert {"groupid", "ippermissions", "fromport"} <= found.keys


def test_our_own_calls_are_known_by_stack() -> None:
    """Another stack's controller is somebody else."""
    found = write_of(record("UpdateService", AT, PARAMS, who=OPERATOR, agent=OPERATOR_AGENT))
    assert found is not None
    assert (found.of_stack("my-app"), found.of_stack("my"), found.of_stack("my-app@staging")) == (True, False, False)


def test_answers_of_lookup_events_hold_records() -> None:
    """What cannot be read of an answer is left out."""
    good = record("UpdateService", AT, PARAMS)
    texts: list[Any] = ["{", "[]", None, json.dumps(good), "[" * 100_000, " " * 300_000]
    events = [{"CloudTrailEvent": text, "Resources": [{"ResourceName": "sg-1"}, {}]} for text in texts]
    (found,) = writes_of(looked_up({"Events": events}))
    assert (found.author.event, found.named["sg-1"]) == (good["eventID"], 1)
    assert list(looked_up({})) == []
