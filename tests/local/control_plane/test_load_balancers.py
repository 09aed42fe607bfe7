"""Load balancers: names, zones, interfaces, protection. Source: Elastic Load Balancing API reference, version
2015-12-01.
"""

from __future__ import annotations

import pytest

from reconciler.local.inprocess import Laptop, laptop_session
from reconciler.local.timings import Timings
from tests.local.control_plane.stage import Stage, refused


def test_the_same_name_with_the_same_settings_is_the_same_load_balancer(plain: Stage) -> None:
    """CreateLoadBalancer: "This operation is idempotent, which means that it completes at most one time"."""
    first, second = (
        plain.elb.create_load_balancer(Name="alb", Subnets=plain.subnets)["LoadBalancers"][0] for _ in range(2)
    )
    assert first["LoadBalancerArn"] == second["LoadBalancerArn"]
    assert len(plain.elb.describe_load_balancers()["LoadBalancers"]) == 1


def test_a_taken_name_with_other_settings_is_refused(plain: Stage) -> None:
    """CreateLoadBalancer, errors: DuplicateLoadBalancerName."""
    plain.elb.create_load_balancer(Name="alb", Subnets=plain.subnets)
    with refused("DuplicateLoadBalancerName"):
        plain.elb.create_load_balancer(Name="alb", Subnets=plain.subnets, Scheme="internal")


@pytest.mark.parametrize("name", ["a" * 33, "under_score", "-begins", "ends-", "internal-alb"])
def test_names_are_checked(plain: Stage, name: str) -> None:
    """CreateLoadBalancer, "Name": 32 characters, alphanumerics and hyphens, not at an end, not "internal-"."""
    with refused("ValidationError"):
        plain.elb.create_load_balancer(Name=name, Subnets=plain.subnets)


def test_two_zones_are_needed_and_one_subnet_of_each(plain: Stage) -> None:
    """CreateLoadBalancer, "Subnets": at least two zones, one subnet per zone, all existing."""
    with refused("ValidationError", "two different Availability Zones"):
        plain.elb.create_load_balancer(Name="alb", Subnets=plain.subnets[:1])
    twin = plain.subnet("10.0.3.0/24", "a")
    with refused("InvalidConfigurationRequest", "same Availability Zone"):
        plain.elb.create_load_balancer(Name="alb", Subnets=[plain.subnets[0], twin])
    with refused("SubnetNotFound"):
        plain.elb.create_load_balancer(Name="alb", Subnets=[plain.subnets[0], "subnet-0123456789abcdef0"])
    with refused("InvalidConfigurationRequest", "security groups"):
        plain.elb.create_load_balancer(Name="alb", Subnets=plain.subnets, SecurityGroups=["sg-0123456789abcdef0"])


def test_an_internet_facing_one_needs_an_internet_gateway(laptop: Laptop) -> None:
    """CreateLoadBalancer, errors: InvalidSubnet ("has no internet gateway")."""
    stage = Stage(laptop).network()
    stage.ec2.detach_internet_gateway(InternetGatewayId=stage.gateway, VpcId=stage.vpc)
    with refused("InvalidSubnet", "has no internet gateway"):
        stage.elb.create_load_balancer(Name="alb", Subnets=stage.subnets)
    assert stage.elb.create_load_balancer(Name="alb", Subnets=stage.subnets, Scheme="internal")["LoadBalancers"]


def test_it_is_provisioning_before_it_is_active() -> None:
    """LoadBalancerState: provisioning, then active; the waiter `load_balancer_available` sees it."""
    with laptop_session(timings=Timings.aws()) as laptop:
        stage = Stage(laptop).network()
        made = stage.elb.create_load_balancer(Name="alb", Subnets=stage.subnets)["LoadBalancers"][0]
        assert made["State"]["Code"] == "provisioning"
        assert laptop.listeners.table == ()
        laptop.advance(120)
        stage.elb.get_waiter("load_balancer_available").wait(Names=["alb"], WaiterConfig={"MaxAttempts": 1})


def test_its_interfaces_keep_subnet_and_group_from_being_deleted(plain: Stage) -> None:
    """ALB guide, "Subnets for your load balancer": it owns an interface in each; they stay a while after the delete."""
    with laptop_session(timings=Timings(load_balancer_interfaces=60)) as laptop:
        stage = Stage(laptop).network()
        made = stage.elb.create_load_balancer(Name="alb", Subnets=stage.subnets, SecurityGroups=[stage.group])
        arn = made["LoadBalancers"][0]["LoadBalancerArn"]
        described = [{"Name": "description", "Values": ["ELB app/alb/" + arn.rpartition("/")[2]]}]
        interfaces = stage.ec2.describe_network_interfaces(Filters=described)["NetworkInterfaces"]
        assert sorted(item["SubnetId"] for item in interfaces) == sorted(stage.subnets)
        assert all(item["RequesterManaged"] for item in interfaces)
        for _ in range(2):
            with refused("DependencyViolation"):
                stage.ec2.delete_security_group(GroupId=stage.group)
            with refused("DependencyViolation"):
                stage.ec2.delete_subnet(SubnetId=stage.subnets[0])
            stage.elb.delete_load_balancer(LoadBalancerArn=arn)
        laptop.advance(60)
        stage.ec2.delete_security_group(GroupId=stage.group)


def test_changed_subnets_and_groups_move_the_interfaces(stage: Stage) -> None:
    """SetSubnets and SetSecurityGroups replace the whole set."""
    third, other = stage.subnet("10.0.3.0/24", "b"), stage.security_group("other")
    stage.elb.set_subnets(LoadBalancerArn=stage.alb, Subnets=[stage.subnets[0], third])
    stage.elb.set_security_groups(LoadBalancerArn=stage.alb, SecurityGroups=[other])
    stage.ec2.delete_subnet(SubnetId=stage.subnets[1])
    stage.ec2.delete_security_group(GroupId=stage.group)
    with refused("DependencyViolation"):
        stage.ec2.delete_security_group(GroupId=other)


def test_a_protected_one_stays(stage: Stage) -> None:
    """DeleteLoadBalancer: OperationNotPermitted while deletion protection is enabled."""
    stage.elb.modify_load_balancer_attributes(
        LoadBalancerArn=stage.alb, Attributes=[{"Key": "deletion_protection.enabled", "Value": "true"}]
    )
    with refused("OperationNotPermitted"):
        stage.elb.delete_load_balancer(LoadBalancerArn=stage.alb)


def test_a_delete_takes_listeners_and_rules_and_can_be_repeated(stage: Stage) -> None:
    """DeleteLoadBalancer: deletes its listeners; "If the load balancer does not exist … the call succeeds"."""
    stage.elb.delete_load_balancer(LoadBalancerArn=stage.alb)
    stage.elb.delete_load_balancer(LoadBalancerArn=stage.alb)
    with refused("ListenerNotFound"):
        stage.elb.describe_listeners(ListenerArns=[stage.production])
    groups = stage.elb.describe_target_groups(TargetGroupArns=[stage.blue])["TargetGroups"]
    assert groups[0]["LoadBalancerArns"] == []
    stage.elb.delete_target_group(TargetGroupArn=stage.blue)


def test_one_missing_name_fails_the_whole_describe(stage: Stage) -> None:
    """DescribeLoadBalancers, errors: LoadBalancerNotFound."""
    with refused("LoadBalancerNotFound"):
        stage.elb.describe_load_balancers(Names=["alb", "gone"])


def test_attributes_have_defaults_and_unknown_ones_are_refused(stage: Stage) -> None:
    """LoadBalancerAttribute: the documented keys; anything else is a ValidationError, and nothing changes."""
    rows = stage.elb.describe_load_balancer_attributes(LoadBalancerArn=stage.alb)["Attributes"]
    values = {row["Key"]: row["Value"] for row in rows}
    assert values["idle_timeout.timeout_seconds"] == "60"
    assert values["routing.http2.enabled"] == "true"
    for key, value in (("bogus.attr", "1"), ("idle_timeout.timeout_seconds", "0"), ("routing.http2.enabled", "yes")):
        with refused("ValidationError"):
            stage.elb.modify_load_balancer_attributes(
                LoadBalancerArn=stage.alb,
                Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "30"}, {"Key": key, "Value": value}],
            )
    assert stage.elb.describe_load_balancer_attributes(LoadBalancerArn=stage.alb)["Attributes"] == rows


def test_pages_are_followed_to_the_end(plain: Stage) -> None:
    """DescribeLoadBalancers, "PageSize" and "NextMarker"."""
    for number in range(5):
        plain.elb.create_load_balancer(Name=f"alb-{number}", Subnets=plain.subnets)
    pages = list(plain.elb.get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["LoadBalancers"]) for page in pages] == [2, 2, 1]
    with refused("ValidationError"):
        plain.elb.describe_load_balancers(PageSize=401)


def test_tags_are_described_twenty_at_a_time(stage: Stage) -> None:
    """DescribeTags: "You can specify up to 20 resources in a single call"; unknown ones are errors of their kind."""
    stage.elb.add_tags(ResourceArns=[stage.alb, stage.blue], Tags=[{"Key": "a", "Value": "1"}])
    stage.elb.remove_tags(ResourceArns=[stage.blue], TagKeys=["a"])
    rows = stage.elb.describe_tags(ResourceArns=[stage.alb, stage.blue, stage.production])["TagDescriptions"]
    assert [row["Tags"] for row in rows] == [[{"Key": "a", "Value": "1"}], [], []]
    with refused("ValidationError"):
        stage.elb.describe_tags(ResourceArns=[stage.alb] * 21)
    with refused("TargetGroupNotFound"):
        stage.elb.describe_tags(ResourceArns=[stage.blue + "0"])
    with refused("DuplicateTagKeys"):
        stage.elb.add_tags(ResourceArns=[stage.alb], Tags=[{"Key": "b", "Value": "1"}, {"Key": "b", "Value": "2"}])
