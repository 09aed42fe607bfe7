"""Events of AWS: what is one, who made a call, and the pattern of a rule that matches all that concerns a type."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.local.eventbridge.pattern import matches, parse
from reconciler.model import aws_event
from reconciler.model.aws_event import LONGEST_PATTERN, Caller
from reconciler.model.type_registry import discover
from tests.harness import aws_events
from tests.harness.aws_events import PERSON


def test_who_made_a_call_is_read_from_it() -> None:
    """User, session, address, tool and the id of CloudTrail's own event."""
    call = aws_event.parse(json.dumps(aws_events.api_call("1", "ec2", "DeleteVpc", {"vpcId": "vpc-1"})))
    assert call.caller == Caller("admin", "ana", PERSON, "203.0.113.7", "aws-cli/2.15", "trail-1")
    assert call.operation == ("ec2", "DeleteVpc")
    assert call.texts == {"vpc-1"}


def test_a_user_without_a_session_is_named_too() -> None:
    """IAM users have no session, and services no user."""
    user = aws_events.api_call("1", "ec2", "DeleteVpc", {}, arn="arn:aws:iam::123456789012:user/ben")
    user["detail"]["userIdentity"]["userName"] = "ben"
    service = aws_events.api_call("2", "ec2", "DeleteVpc", {})
    service["detail"]["userIdentity"] = {"type": "AWSService", "invokedBy": "ecs.amazonaws.com"}
    callers = [aws_event.parse(json.dumps(one)).caller for one in (user, service)]
    assert [(one.user, one.session) for one in callers if one] == [("ben", ""), ("ecs.amazonaws.com", "")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "not JSON",
        json.dumps({"id": "1"}),
        json.dumps(aws_events.task_stopped("", "c", "service:a")),
        json.dumps({**aws_events.task_stopped("1", "c", "service:a"), "time": "yesterday"}),
        json.dumps({**aws_events.task_stopped("1", "c", "service:a"), "time": "2026-01-01T00:00:00"}),
        json.dumps({**aws_events.task_stopped("1", "c", "service:a"), "detail": "text"}),
        json.dumps({**aws_events.task_stopped("1", "c", "service:a"), "resources": {"a": 1}}),
        "[" * 100_000,
    ],
)
def test_what_is_no_event_is_refused(text: str) -> None:
    """Whoever may send to the queue may send anything."""
    with pytest.raises(ValueError, match=r"\S"):
        aws_event.parse(text)


@pytest.mark.parametrize("value", [None, 7, [1], {"a": "b"}, "text", True])
@pytest.mark.parametrize("field", ["userIdentity", "eventSource", "requestParameters", "errorCode", "requestID"])
def test_what_is_in_a_call_may_be_anything(field: str, value: Any) -> None:
    """A field of another type is as good as a missing one."""
    call = aws_events.api_call("1", "ec2", "DeleteVpc", {})
    call["detail"][field] = value
    event = aws_event.parse(json.dumps(call))
    assert isinstance(event.caller, Caller)
    assert isinstance(event.operation, tuple)
    assert isinstance(event.texts, frozenset)


def test_the_pattern_matches_all_that_concerns_a_type() -> None:
    """It fits into a rule, as EventBridge takes it."""
    pattern = aws_event.pattern(discover().values())
    text = json.dumps(pattern, separators=(",", ":"))
    assert len(text) <= LONGEST_PATTERN / 2
    read = parse(text)
    for event in (
        aws_events.task_stopped("1", "c", "service:a"),
        aws_events.image_pushed("1", "repo", "v1"),
        aws_events.alarm_changed("1", "cpu"),
        *(aws_events.api_call("1", name, "Write", {}) for name in ("ecs", "elasticloadbalancing", "monitoring", "sqs")),
        aws_events.api_call("1", "autoscaling", "RegisterScalableTarget", {}),
    ):
        assert matches(read, event), event
    for event in (
        aws_events.api_call("1", "lambda", "UpdateFunctionCode20150331v2", {}),
        aws_events.event("1", "aws.ec2", "EC2 Instance State-change Notification", {}),
    ):
        assert not matches(read, event), event
