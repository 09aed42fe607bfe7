"""Target groups and targets. Source: Elastic Load Balancing API reference; ALB guide, "Target groups" and "Health
checks".
"""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.local.balancer.front import Balancer
from reconciler.local.inprocess import Laptop
from reconciler.local.scripted import Script, ScriptedListeners
from tests.local.control_plane.stage import Stage, refused


def test_the_same_name_with_the_same_settings_is_the_same_group(plain: Stage) -> None:
    """CreateTargetGroup is idempotent; other settings under the name are DuplicateTargetGroupName."""
    assert plain.target_group("blue") == plain.target_group("blue")
    with refused("DuplicateTargetGroupName"):
        plain.target_group("blue", Port=81)


def test_what_is_not_said_has_its_default(plain: Stage) -> None:
    """CreateTargetGroup: the documented defaults come back, and `LoadBalancerArns` is empty, not absent."""
    made = plain.elb.create_target_group(Name="tg", Protocol="HTTP", Port=80, VpcId=plain.vpc)["TargetGroups"][0]
    assert made["TargetType"] == "instance"
    assert made["ProtocolVersion"] == "HTTP1"
    assert made["LoadBalancerArns"] == []
    assert (made["HealthyThresholdCount"], made["UnhealthyThresholdCount"]) == (5, 2)
    assert made["Matcher"] == {"HttpCode": "200"}


@pytest.mark.parametrize(
    ("version", "path", "matcher"),
    [("HTTP2", "/", {"HttpCode": "200"}), ("GRPC", "/AWS.ALB/healthcheck", {"GrpcCode": "12"})],
)
def test_a_protocol_version_has_its_health_check(
    plain: Stage, version: str, path: str, matcher: dict[str, str]
) -> None:
    """CreateTargetGroup: the path and the code that a health check has by default, and codes 0–99 of gRPC."""
    group = plain.target_group("blue", ProtocolVersion=version)
    (made,) = plain.elb.describe_target_groups(TargetGroupArns=[group])["TargetGroups"]
    assert (made["ProtocolVersion"], made["HealthCheckPath"], made["Matcher"]) == (version, path, matcher)
    other = {"HttpCode": "200"} if "GrpcCode" in matcher else {"GrpcCode": "12"}
    with refused("ValidationError"):
        plain.elb.modify_target_group(TargetGroupArn=group, Matcher=other)
    if version == "GRPC":
        plain.elb.modify_target_group(TargetGroupArn=group, Matcher={"GrpcCode": "0,12-99"})
        with refused("ValidationError"):
            plain.elb.modify_target_group(TargetGroupArn=group, Matcher={"GrpcCode": "100"})


def test_a_protocol_version_that_nothing_speaks_is_refused(plain: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The load balancer that really listens speaks HTTP/1.1 to targets: a group that it cannot serve is not made."""
    monkeypatch.setattr(ScriptedListeners, "protocol_versions", Balancer.protocol_versions)
    plain.target_group("blue", ProtocolVersion="HTTP1")
    for version in ("HTTP2", "GRPC"):
        with refused("InvalidConfigurationRequest"):
            plain.target_group("green", ProtocolVersion=version)


def test_an_empty_protocol_version_is_none(plain: Stage) -> None:
    """As Terraform's provider sends it."""
    group = plain.target_group("blue", ProtocolVersion="")
    (made,) = plain.elb.describe_target_groups(TargetGroupArns=[group])["TargetGroups"]
    assert made["ProtocolVersion"] == "HTTP1"


@pytest.mark.parametrize(
    "changes",
    [
        {"Name": "n" * 33},
        {"Name": "no spaces"},
        {"Port": None},
        {"VpcId": None},
        {"VpcId": "vpc-0123456789abcdef0"},
        {"HealthCheckTimeoutSeconds": 10},
        {"HealthCheckPath": "relative"},
        {"HealthCheckPort": "none"},
        {"Matcher": {"HttpCode": "500"}},
        {"Matcher": {"HttpCode": "200;204"}},
        {"HealthyThresholdCount": 11},
        {"HealthCheckIntervalSeconds": 301},
    ],
)
def test_settings_are_checked(plain: Stage, changes: dict[str, Any]) -> None:
    """CreateTargetGroup: lengths, ranges, timeout below interval, codes 200–499."""
    settings: dict[str, Any] = {
        "Name": "tg",
        "Protocol": "HTTP",
        "Port": 80,
        "VpcId": plain.vpc,
        "TargetType": "ip",
        "HealthCheckIntervalSeconds": 10,
        **changes,
    }
    with refused("ValidationError"):
        plain.elb.create_target_group(**{key: value for key, value in settings.items() if value is not None})


def test_attributes_are_checked(stage: Stage) -> None:
    """TargetGroupAttribute: the documented keys and ranges."""
    rows = stage.elb.describe_target_group_attributes(TargetGroupArn=stage.blue)["Attributes"]
    values = {row["Key"]: row["Value"] for row in rows}
    assert values["deregistration_delay.timeout_seconds"] == "30"
    assert values["slow_start.duration_seconds"] == "0"
    for key, value in (
        ("bogus", "1"),
        ("deregistration_delay.timeout_seconds", "3601"),
        ("slow_start.duration_seconds", "5"),
    ):
        with refused("ValidationError"):
            stage.elb.modify_target_group_attributes(
                TargetGroupArn=stage.blue, Attributes=[{"Key": key, "Value": value}]
            )


def test_a_group_in_use_stays_even_at_weight_nought(stage: Stage) -> None:
    """DeleteTargetGroup: "You can delete a target group if it is not referenced by any actions"; weight 0 is a
    reference.
    """
    stage.elb.delete_listener(ListenerArn=stage.test)
    assert stage.weights(stage.production)[stage.green] == 0
    with refused("ResourceInUse"):
        stage.elb.delete_target_group(TargetGroupArn=stage.green)
    free = stage.target_group("free")
    stage.elb.delete_target_group(TargetGroupArn=free)
    stage.elb.delete_target_group(TargetGroupArn=free)


def test_a_group_serves_one_load_balancer(stage: Stage) -> None:
    """Quotas for ALB: a target group can be associated with one load balancer: TargetGroupAssociationLimit."""
    other = stage.elb.create_load_balancer(Name="other", Subnets=stage.subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    with refused("TargetGroupAssociationLimit"):
        stage.elb.create_listener(
            LoadBalancerArn=other,
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": stage.blue}],
        )


def test_what_is_attached_is_listed_by_its_load_balancer(stage: Stage) -> None:
    """DescribeTargetGroups, "LoadBalancerArn": attached groups only; by name, one missing fails the call."""
    stage.target_group("free")
    found = stage.elb.describe_target_groups(LoadBalancerArn=stage.alb)["TargetGroups"]
    assert sorted(item["TargetGroupName"] for item in found) == ["blue", "green"]
    with refused("TargetGroupNotFound"):
        stage.elb.describe_target_groups(Names=["blue", "gone"])


def test_targets_of_an_unused_group_are_unused(stage: Stage) -> None:
    """TargetHealth, "Reason": Target.NotInUse until a listener or a rule names the group; Target.NotRegistered for a
    stranger.
    """
    free = stage.target_group("free")
    stage.elb.register_targets(TargetGroupArn=free, Targets=[{"Id": "10.0.1.99", "Port": 80}])
    row = stage.elb.describe_target_health(TargetGroupArn=free)["TargetHealthDescriptions"][0]["TargetHealth"]
    assert (row["State"], row["Reason"]) == ("unused", "Target.NotInUse")
    row = stage.elb.describe_target_health(TargetGroupArn=free, Targets=[{"Id": "10.0.1.98"}])
    health = row["TargetHealthDescriptions"][0]["TargetHealth"]
    assert (health["State"], health["Reason"]) == ("unused", "Target.NotRegistered")


def test_addresses_are_checked(stage: Stage) -> None:
    """RegisterTargets: an IP address of the VPC, or a private one with the zone "all"."""
    with refused("ValidationError"):
        stage.elb.register_targets(TargetGroupArn=stage.blue, Targets=[{"Id": "not-an-ip"}])
    with refused("InvalidTarget"):
        stage.elb.register_targets(TargetGroupArn=stage.blue, Targets=[{"Id": "192.0.2.1"}])
    stage.elb.register_targets(TargetGroupArn=stage.blue, Targets=[{"Id": "192.168.0.1", "AvailabilityZone": "all"}])


def test_one_address_with_two_ports_is_two_targets(stage: Stage) -> None:
    """TargetDescription: a target is an id and a port."""
    targets = [{"Id": "10.0.1.99", "Port": 80}, {"Id": "10.0.1.99", "Port": 81}]
    stage.elb.register_targets(TargetGroupArn=stage.blue, Targets=targets)
    assert len(stage.health(stage.blue)) == 2
    stage.elb.deregister_targets(TargetGroupArn=stage.blue, Targets=[{"Id": "10.0.1.99"}])
    assert stage.health(stage.blue) == ["draining", "draining"]
    stage.advance(30)
    assert stage.health(stage.blue) == []


def test_a_target_goes_through_its_states(laptop: Laptop, stage: Stage) -> None:
    """ALB guide, "Target health status": healthy, unhealthy with the code it answered, draining for the delay, gone."""
    stage.service(loadBalancers=stage.behind(stage.blue), desiredCount=1, healthCheckGracePeriodSeconds=600)
    assert stage.health(stage.blue) == ["healthy"]
    laptop.script(Script(healthy=False))
    row = stage.elb.describe_target_health(TargetGroupArn=stage.blue)["TargetHealthDescriptions"][0]
    assert row["TargetHealth"] == {
        "State": "unhealthy",
        "Reason": "Target.ResponseCodeMismatch",
        "Description": "Health checks failed with these codes: [503]",
    }
    assert row["Target"]["AvailabilityZone"] == "us-west-2a"
    laptop.script(Script(healthy=True))
    assert stage.health(stage.blue) == ["healthy"]
    stage.update(desiredCount=0)
    assert stage.health(stage.blue) == ["draining"]
    stage.advance(30)
    assert stage.health(stage.blue) == []


def test_the_waiter_for_targets_in_service_works(stage: Stage) -> None:
    """botocore's `target_in_service` waits for every target to be healthy."""
    stage.service(loadBalancers=stage.behind(stage.blue))
    stage.elb.get_waiter("target_in_service").wait(TargetGroupArn=stage.blue, WaiterConfig={"MaxAttempts": 1})
