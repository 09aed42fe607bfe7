"""The protocols: what a client sent is read as it was meant, and every error has the client's own shape."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from reconciler.local import wire
from reconciler.local.inprocess import Laptop
from reconciler.local.wire import Request
from reconciler.local.wire_shapes import ShapeMismatch, to_client
from tests.local.control_plane.stage import refused

VALUES = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(min_value=-(2**63), max_value=2**63)
    | some.floats(allow_nan=False)
    | some.text()
    | some.binary(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_as_cbor_is_read_back(value: Any) -> None:
    """RFC 8949: encoding then decoding gives the value."""
    assert wire.read_cbor(wire.write_cbor(value)) == value


def test_cbor_reads_what_only_other_encoders_write() -> None:
    """RFC 8949, appendix A: half floats, indefinite lengths, epoch times."""
    assert wire.read_cbor(bytes.fromhex("f93c00")) == 1.0
    assert wire.read_cbor(bytes.fromhex("9f018202039fff ff".replace(" ", ""))) == [1, [2, 3], []]
    assert wire.read_cbor(bytes.fromhex("7f657374726561646d696e67ff")) == "streaming"
    assert wire.read_cbor(bytes.fromhex("bf6161f5ff")) == {"a": True}
    assert wire.read_cbor(bytes.fromhex("c11a514b67b0")) == datetime(2013, 3, 21, 20, 4, tzinfo=UTC)
    assert math.isinf(wire.read_cbor(bytes.fromhex("fa7f800000")))


def test_timestamps_are_written_as_epoch_seconds() -> None:
    """Smithy RPC v2 CBOR: a timestamp is tag 1 around a number; the text form of tag 0 is not allowed."""
    whole = datetime(2013, 3, 21, 20, 4, tzinfo=UTC)
    assert wire.write_cbor(whole).hex() == "c11a514b67b0"
    assert wire.write_cbor(whole.replace(microsecond=500_000)).hex() == "c1fb41d452d9ec200000"


@pytest.mark.parametrize("data", [b"", b"\x18", b"\x62a", b"\x01\x01", b"\xff", b"\x1c"])
def test_broken_cbor_is_said_to_be_broken(data: bytes) -> None:
    """Cut short, with a tail, or reserved: ValueError and nothing else."""
    with pytest.raises(ValueError, match="CBOR"):
        wire.read_cbor(data)


def _signed(service: str, **headers: str) -> dict[str, str]:
    scope = f"AWS4-HMAC-SHA256 Credential=AK/20260101/us-west-2/{service}/aws4_request, SignedHeaders=host, Signature=0"
    return {"authorization": scope, **headers}


def test_a_call_is_recognised_by_what_it_was_signed_for() -> None:
    """The signing scope names the service and the region, whatever host the request went to."""
    target = {"x-amz-target": "AmazonEC2ContainerServiceV20141113.ListClusters"}
    call = wire.recognise(Request("POST", "/", _signed("ecs", **target), b"{}"), "us-east-1")
    assert (call.service, call.region, call.operation, call.protocol) == ("ecs", "us-west-2", "ListClusters", "json")
    form = {"content-type": "application/x-www-form-urlencoded"}
    request = Request("POST", "/", _signed("elasticloadbalancing", **form), b"Action=DescribeTags&Version=2015-12-01")
    assert wire.recognise(request, "us-east-1").service == "elbv2"
    path = "/service/CodeDeploy_20141006/operation/GetDeployment"
    request = Request("POST", path, _signed("codedeploy"), b"\xa0")
    assert (wire.recognise(request, "x").operation, wire.recognise(request, "x").protocol) == ("GetDeployment", "cbor")


def test_an_unsigned_call_is_recognised_by_its_host() -> None:
    """What is not signed was at least addressed to somebody."""
    request = Request("POST", "https://ecs.eu-west-1.amazonaws.com/", {"x-amz-target": "X.ListClusters"}, b"{}")
    call = wire.recognise(request, "us-west-2")
    assert (call.service, call.region) == ("ecs", "eu-west-1")


def test_an_answer_that_the_model_does_not_know_is_our_own_mistake() -> None:
    """A member that botocore would drop in silence must not leave the local AWS emulator."""
    shape = wire.service_model("ecs").operation_model("ListClusters").output_shape
    assert to_client(shape, {"clusterArns": ["a"], "nextToken": None}) == {"clusterArns": ["a"]}
    with pytest.raises(ShapeMismatch, match="clusters"):
        to_client(shape, {"clusters": []})
    with pytest.raises(ShapeMismatch, match="not a list"):
        to_client(shape, {"clusterArns": "a"})


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"),
    [
        ("ecs", "list_daemons", {}, "UnknownOperationException"),
        ("elbv2", "describe_trust_stores", {}, "InvalidAction"),
        ("codedeploy", "list_on_premises_instances", {}, "UnknownOperationException"),
        ("iam", "simulate_custom_policy", {"PolicyInputList": ["{}"], "ActionNames": ["a:b"]}, "InvalidAction"),
        ("ecr", "start_lifecycle_policy_preview", {"repositoryName": "ab"}, "UnknownOperationException"),
        ("ec2", "describe_vpcs", {"Filters": [{"Name": "bogus", "Values": ["x"]}]}, "InvalidParameterValue"),
    ],
)
def test_what_the_laptop_has_not_is_an_aws_error(
    laptop: Laptop, service: str, operation: str, arguments: dict[str, Any], code: str
) -> None:
    """Never an HTML page, never a traceback, never a server error that would be retried."""
    with refused(code):
        getattr(laptop.client(service), operation)(**arguments)


def test_a_body_that_is_no_json_is_refused(laptop: Laptop) -> None:
    """AWS JSON 1.1: SerializationException."""
    target = {"x-amz-target": "AmazonEC2ContainerServiceV20141113.ListClusters"}
    response = laptop.aws.handle(Request("POST", "/", _signed("ecs", **target), b"{nonsense"))
    assert response.status == 400
    assert b"SerializationException" in response.body
