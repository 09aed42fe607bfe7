"""Target groups: the law example, and what bare moto cannot show."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model.diff import diff
from reconciler.model.resource import Calls, Desired, Observed
from reconciler.model.resource_type import Scope
from reconciler.resources.target_group import HealthCheck, TargetGroup, TargetGroupSpec
from reconciler.resources.vpc import VpcSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, pairs, scope, tagged

ARN = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/blue/0123456789abcdef"
CHECK = HealthCheck(path="/health", interval=10, timeout=5, healthy_threshold=2, unhealthy_threshold=3, matcher="200")


def group(name: str, vpc: str, **fields: Any) -> Desired[Any]:
    spec = TargetGroupSpec(name=name, port=80, protocol="HTTP", vpc=ref(f"vpc/{vpc}"), target_type="ip")
    return wish(f"target-group/{name}", spec.model_copy(update=fields))


EXAMPLE = Example(
    group(
        "blue",
        "web",
        protocol_version="HTTP1",
        health_check=CHECK,
        attributes={"deregistration_delay.timeout_seconds": "30", "stickiness.enabled": "false"},
    ),
    needs=(wish("vpc/web", VpcSpec(cidr="10.0.0.0/20")),),
    edits=(
        Edit({"health_check": CHECK.model_copy(update={"path": "/"})}, "health_check.path"),
        Edit(
            {"health_check": CHECK.model_copy(update={"interval": 15, "matcher": "200-299"})},
            "health_check.interval",
            "health_check.matcher",
        ),
        Edit(
            {"attributes": {"deregistration_delay.timeout_seconds": "60", "stickiness.enabled": "false"}},
            "attributes.deregistration_delay.timeout_seconds",
        ),
        Edit({"port": 8080}, "port"),
        Edit({"protocol": "HTTPS"}, "protocol"),
        Edit({"target_type": "instance"}, "target_type"),
    ),
    unique=True,
    decoys=(wish("vpc/decoy", VpcSpec(cidr="10.1.0.0/20")), group("decoy", "decoy")),
)

WANT = wish("target-group/blue", TargetGroupSpec(name="blue", port=80, protocol="HTTP", vpc="vpc-1", target_type="ip"))
MADE = {"TargetGroups": [{"TargetGroupArn": ARN, "TargetGroupName": "blue"}]}


ITEM = {
    "TargetGroupArn": ARN,
    "TargetGroupName": "blue",
    "Port": 80,
    "Protocol": "HTTP",
    "VpcId": "vpc-1",
    "TargetType": "ip",
    "HealthCheckPath": "/",
    "HealthCheckPort": "traffic-port",
    "HealthCheckProtocol": "HTTP",
    "HealthCheckIntervalSeconds": 30,
    "HealthCheckTimeoutSeconds": 6,
    "HealthyThresholdCount": 5,
    "UnhealthyThresholdCount": 2,
    "Matcher": {"HttpCode": "200"},
}
"""WANT as AWS shows it."""


def observe(**fields: Any) -> Observed[Any]:
    item = ITEM | fields
    talk = Talk(
        DescribeTargetGroups={"TargetGroups": [item]},
        DescribeTags={"TagDescriptions": [{"ResourceArn": ARN, "Tags": pairs(tagged(WANT))}]},
        DescribeTargetGroupAttributes={"Attributes": []},
    )
    (found,) = talk.hold(whole(scope(WANT)))
    return found


def whole(asked: Scope) -> Calls[list[Observed[Any]]]:
    found = yield from TargetGroup().observe(asked)
    return (yield from TargetGroup().observe_details(found, asked))


def test_a_creation_leaves_no_health_check_field_to_aws() -> None:
    """AWS's defaults are not all as documented, so every field is sent, the declared ones as declared."""
    talk = Talk(DescribeTargetGroups={"TargetGroups": []}, CreateTargetGroup=MADE)
    new = Desired(
        WANT.address, WANT.spec.model_copy(update={"health_check": HealthCheck(path="/up")}), tags=tagged(WANT)
    )

    assert talk.hold(TargetGroup().create(new)) == ARN

    (sent,) = talk.params("CreateTargetGroup")
    assert {key: value for key, value in sent.items() if key.startswith(("Health", "Unhealthy", "Matcher"))} == {
        "HealthCheckPath": "/up",
        "HealthCheckPort": "traffic-port",
        "HealthCheckProtocol": "HTTP",
        "HealthCheckIntervalSeconds": 30,
        "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 5,
        "UnhealthyThresholdCount": 2,
        "Matcher": {"HttpCode": "200"},
    }
    assert sent["Tags"] == sorted(pairs(tagged(WANT)), key=lambda pair: pair["Key"])


def test_grpc_is_matched_by_its_own_codes() -> None:
    """A gRPC health check has other codes, another path and another field for them."""
    talk = Talk(DescribeTargetGroups={"TargetGroups": []}, CreateTargetGroup=MADE)
    spec = WANT.spec.model_copy(update={"protocol_version": "GRPC"})

    talk.hold(TargetGroup().create(Desired(WANT.address, spec, tags=tagged(WANT))))

    (sent,) = talk.params("CreateTargetGroup")
    assert (sent["Matcher"], sent["HealthCheckPath"]) == ({"GrpcCode": "12"}, "/AWS.ALB/healthcheck")
    assert observe(Matcher={"GrpcCode": "0-99"}).spec.health_check.matcher == "0-99"


def test_what_is_not_declared_of_a_health_check_stays() -> None:
    """A change of one field sends the others as they are, not as they would be by default."""
    old = observe(HealthCheckIntervalSeconds=77)
    new = WANT.spec.model_copy(update={"health_check": HealthCheck(path="/up")})
    talk = Talk()

    talk.hold(TargetGroup().update(old, Desired(WANT.address, new), diff(old, new)))

    (sent,) = talk.params("ModifyTargetGroup")
    assert (sent["HealthCheckPath"], sent["HealthCheckIntervalSeconds"], sent["HealthCheckTimeoutSeconds"]) == (
        "/up",
        77,
        6,
    )


def test_the_load_balancers_that_use_it_are_a_fact() -> None:
    """ECS takes only a target group that a load balancer uses."""
    assert observe().facts["load_balancers"] == ()
    assert observe(LoadBalancerArns=["lb-2", "lb-1", "lb-1"]).facts["load_balancers"] == ("lb-1", "lb-2")


def test_one_that_a_listener_still_names_is_left_for_later() -> None:
    """In use is a matter of time: a later pass tries again."""
    with pytest.raises(errors.Blocked):
        Talk(DeleteTargetGroup=errors.Blocked("in use by a listener or a rule")).hold(TargetGroup().delete(observe()))


def test_a_name_taken_in_the_meantime_is_not_taken_over() -> None:
    """AWS would answer a creation with somebody else's target group of the same settings."""
    theirs = {"TagDescriptions": [{"ResourceArn": ARN, "Tags": []}]}
    talk = Talk(DescribeTargetGroups=MADE, DescribeTags=theirs)

    with pytest.raises(errors.Exists):
        talk.hold(TargetGroup().create(Desired(WANT.address, WANT.spec, tags=tagged(WANT))))

    assert "CreateTargetGroup" not in talk.operations()
