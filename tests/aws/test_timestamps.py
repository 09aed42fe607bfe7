"""Moments in AWS's answers are the same as botocore reads them, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.utils import parse_timestamp

from reconciler.aws.session import Boto
from reconciler.aws.timestamps import moment
from reconciler.model.resource import Call

SENT = (
    1767225600,
    1767225600.123,
    -1.5,
    0,
    "1767225600",
    "1767225600.5",
    "20260101",
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.123Z",
    "2026-01-01T00:00:00.123456789Z",
    "2026-01-01T02:00:00+02:00",
    "2026-01-01T00:00:00",
    "2026-01-01",
    "Thu, 01 Jan 2026 00:00:00 GMT",
    "Tue, 06 Jan 2026 00:00:00 GMT",
)


@pytest.mark.parametrize("sent", SENT)
def test_a_moment_is_the_one_that_botocore_reads(sent: Any) -> None:
    """However AWS writes it; and always in UTC, wherever the machine is."""
    found, expected = moment(sent), parse_timestamp(sent)
    assert found.tzinfo is UTC
    assert found == (expected if expected.tzinfo is not None else expected.astimezone(UTC))


@pytest.mark.parametrize("sent", ["T", "soon", "2026-13-01T00:00:00Z", ""])
def test_what_is_no_moment_is_refused(sent: str) -> None:
    """As botocore refuses it: an answer that cannot be read."""
    with pytest.raises(ValueError, match="Invalid timestamp"):
        parse_timestamp(sent)
    with pytest.raises(ValueError, match="Invalid timestamp"):
        moment(sent)


class Body:
    def __init__(self, text: bytes) -> None:
        self.text = text

    def stream(self) -> list[bytes]:
        return [self.text]


def test_every_answer_is_read_so() -> None:
    """JSON and XML alike."""
    boto = Boto("us-west-2", anonymous=True)
    said = {
        "ecs": ("application/x-amz-json-1.1", b'{"services": [{"createdAt": 1767225600.5}], "failures": []}'),
        "elbv2": (
            "text/xml",
            b"<DescribeLoadBalancersResponse><DescribeLoadBalancersResult><LoadBalancers><member>"
            b"<CreatedTime>2026-01-01T00:00:00.500Z</CreatedTime></member></LoadBalancers>"
            b"</DescribeLoadBalancersResult></DescribeLoadBalancersResponse>",
        ),
    }

    def answering(service: str) -> Any:
        kind, body = said[service]
        return lambda **_: AWSResponse("https://aws", 200, {"content-type": kind}, Body(body))

    for service in said:
        boto._client(service).meta.events.register("before-send", answering(service))
    (service,) = boto.perform(Call("ecs", "DescribeServices", {"services": ["a"]}))["services"]
    (balancer,) = boto.perform(Call("elbv2", "DescribeLoadBalancers"))["LoadBalancers"]
    at = datetime(2026, 1, 1, 0, 0, 0, 500_000, UTC)
    assert (service["createdAt"], balancer["CreatedTime"]) == (at, at)
    assert service["createdAt"].tzinfo is balancer["CreatedTime"].tzinfo is UTC
