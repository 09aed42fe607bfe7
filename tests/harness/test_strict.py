"""AWS's rules over moto: each refuses what AWS refuses, and lets the rest through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from reconciler import errors
from reconciler.model.resource import Call
from tests.harness.forked_runs import Account


@pytest.fixture
def account() -> Iterator[Account]:
    with mock_aws():
        yield Account()


def _ask(account: Account, service: str, operation: str, **params: Any) -> dict[str, Any]:
    return account.perform(Call(service, operation, params))


def _network(account: Account) -> tuple[str, list[str]]:
    vpc = _ask(account, "ec2", "CreateVpc", CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        _ask(account, "ec2", "CreateSubnet", VpcId=vpc, CidrBlock=f"10.1.{n}.0/24", AvailabilityZone=zone)["Subnet"]
        for n, zone in enumerate(("us-west-2a", "us-west-2c"))
    ]
    return vpc, [one["SubnetId"] for one in subnets]


def test_a_token_again_is_the_first_answer_and_another_wish_is_refused(account: Account) -> None:
    """ECS and EC2 API references: idempotency."""
    _, (subnet, _other) = _network(account)
    address = _ask(account, "ec2", "AllocateAddress", Domain="vpc")["AllocationId"]
    said = {"SubnetId": subnet, "AllocationId": address, "ClientToken": "t"}
    first = _ask(account, "ec2", "CreateNatGateway", **said)
    assert _ask(account, "ec2", "CreateNatGateway", **said) == first
    with pytest.raises(errors.AwsError, match="IdempotentParameterMismatch"):
        _ask(account, "ec2", "CreateNatGateway", **{**said, "SubnetId": "subnet-other"})
    with pytest.raises(errors.AwsError, match="AuthFailure"):
        _ask(account, "ec2", "ReleaseAddress", AllocationId=address)


def test_one_gateway_a_vpc(account: Account) -> None:
    """A second gateway on a VPC, and a second VPC on a gateway, are refused; what holds a gateway is not deleted."""
    vpc, _ = _network(account)
    one, two = (_ask(account, "ec2", "CreateInternetGateway")["InternetGateway"]["InternetGatewayId"] for _ in range(2))
    _ask(account, "ec2", "AttachInternetGateway", InternetGatewayId=one, VpcId=vpc)
    with pytest.raises(errors.Exists):
        _ask(account, "ec2", "AttachInternetGateway", InternetGatewayId=two, VpcId=vpc)
    with pytest.raises(errors.Exists):
        _ask(account, "ec2", "AttachInternetGateway", InternetGatewayId=one, VpcId="vpc-other")
    with pytest.raises(errors.Blocked):
        _ask(account, "ec2", "DeleteVpc", VpcId=vpc)


def test_a_balancer_holds_its_subnets_and_groups_and_its_name(account: Account) -> None:
    """The same again succeeds, another under the name does not, and what it stands in stays."""
    vpc, subnets = _network(account)
    group = _ask(account, "ec2", "CreateSecurityGroup", VpcId=vpc, GroupName="g", Description="g")["GroupId"]
    said = {"Name": "lb", "Subnets": subnets, "SecurityGroups": [group], "Scheme": "internal"}
    (first,) = _ask(account, "elbv2", "CreateLoadBalancer", **said)["LoadBalancers"]
    (again,) = _ask(account, "elbv2", "CreateLoadBalancer", **said)["LoadBalancers"]
    assert again["LoadBalancerArn"] == first["LoadBalancerArn"]
    with pytest.raises(errors.Exists):
        _ask(account, "elbv2", "CreateLoadBalancer", **{**said, "Scheme": "internet-facing"})
    for operation, params in (("DeleteSubnet", {"SubnetId": subnets[0]}), ("DeleteSecurityGroup", {"GroupId": group})):
        with pytest.raises(errors.Blocked):
            _ask(account, "ec2", operation, **params)


def test_a_service_is_made_once_and_holds_its_cluster(account: Account) -> None:
    """CreateService for an active name is not idempotent; a family without an active revision is gone."""
    _ask(account, "ecs", "CreateCluster", clusterName="c")
    with pytest.raises(errors.Gone):
        _ask(account, "ecs", "DescribeTaskDefinition", taskDefinition="f")
    containers = [{"name": "a", "image": "a", "memory": 64}]
    _ask(account, "ecs", "RegisterTaskDefinition", family="f", containerDefinitions=containers)
    said = {"cluster": "c", "serviceName": "s", "taskDefinition": "f", "desiredCount": 0}
    _ask(account, "ecs", "CreateService", **said)
    with pytest.raises(errors.Exists):
        _ask(account, "ecs", "CreateService", **said)
    with pytest.raises(errors.Blocked):
        _ask(account, "ecs", "DeleteCluster", cluster="c")
