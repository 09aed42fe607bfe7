"""Which bodies are answers of AWS, and which are not and must not be taken for an account that holds nothing."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from reconciler.aws import models
from reconciler.aws.response_check import complaint
from tests.conftest import REGION


def _operation(service: str, name: str) -> Any:
    session = boto3.Session("a", "b", botocore_session=models.session(), region_name=REGION)
    return session.client(service).meta.service_model.operation_model(name)


EC2 = b'<?xml version="1.0" encoding="UTF-8"?>\n<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'

ANSWERS = {
    "a list": ("ecs", "ListTasks", b'{"taskArns": ["a"]}'),
    "an empty list": ("ecs", "ListTasks", b'{"taskArns": []}'),
    "an empty list that was left out": ("ecs", "ListTasks", b"{}"),
    "a page that holds nothing but where the next one is": ("ecs", "ListTasks", b'{"nextToken": "more"}'),
    "an empty page of the tagging service": (
        "resourcegroupstaggingapi",
        "GetResources",
        b'{"PaginationToken": "", "ResourceTagMappingList": []}',
    ),
    "a field of a newer AWS": ("ecs", "ListTasks", b'{"taskArns": [], "hints": []}'),
    "nothing where nothing is answered": ("logs", "PutRetentionPolicy", b""),
    "an XML document": ("ec2", "DescribeVpcs", EC2 + b"<vpcSet/></DescribeVpcsResponse>"),
    "an XML document with a comment before": (
        "ec2",
        "DescribeVpcs",
        b"<?xml version='1.0'?><!-- x --><DescribeVpcsResponse/>",
    ),
    "an empty XML answer": ("elbv2", "DeleteListener", b"<DeleteListenerResponse/>"),
}

OTHERS = {
    "a proxy's page for JSON": ("ecs", "ListTasks", b"<html>try again</html>"),
    "JSON that is cut short": ("ecs", "ListTasks", b'{"taskArns": ["a'),
    "no body for JSON": ("ecs", "ListTasks", b""),
    "a list": ("ecs", "ListTasks", b"[]"),
    "null": ("ecs", "ListTasks", b"null"),
    "a gateway's own JSON": ("ecs", "ListTasks", b'{"message": "try again"}'),
    "JSON of REST that is cut short": ("scheduler", "ListScheduleGroups", b'{"Sche'),
    "a proxy's page for XML": ("ec2", "DescribeVpcs", b"<html>try again</html>"),
    "another operation's answer": ("ec2", "DescribeVpcs", b"<DescribeSubnetsResponse/>"),
    "no body for XML": ("ec2", "DescribeVpcs", b""),
    "bytes": ("ec2", "DescribeVpcs", b"\x00\x01\x02"),
    "a proxy's page for a query": ("iam", "ListRoles", b"<!DOCTYPE html><html>try again</html>"),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_is_taken(what: str) -> None:
    """What AWS may say is not refused, however little it says: that account would be unreadable for good."""
    service, operation, body = ANSWERS[what]
    assert complaint(_operation(service, operation), body) == ""


@pytest.mark.parametrize("what", OTHERS)
def test_anything_else_is_not(what: str) -> None:
    """What is not AWS's answer is said not to be, and none of it is repeated."""
    service, operation, body = OTHERS[what]
    problem = complaint(_operation(service, operation), body)
    assert problem
    assert "try again" not in problem
