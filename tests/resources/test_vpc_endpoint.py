"""VPC endpoints: the law example, their slow life, and refusals that come as successes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors
from reconciler.model.adoption import adopted
from reconciler.model.diff import diff
from reconciler.model.members import FIELD, stated_tag
from reconciler.model.resource import Keep, Observed, ResourceHealth
from reconciler.resources.security_group import SecurityGroupSpec
from reconciler.resources.subnet import SubnetSpec
from reconciler.resources.vpc import VpcSpec
from reconciler.resources.vpc_endpoint import POLICY, VpcEndpoint, VpcEndpointSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, pairs, scope, tagged

READ_ONLY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "logs:Describe*", "Resource": "*"}],
}
ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}

EXAMPLE = Example(
    wish(
        "vpc-endpoint/logs",
        VpcEndpointSpec(
            vpc=ref("vpc/web"),
            service="com.amazonaws.us-west-2.logs",
            type="Interface",
            subnets=(ref("subnet/a"),),
            security_groups=(ref("security-group/a"),),
            private_dns=False,
            policy=READ_ONLY,
        ),
    ),
    needs=(
        wish("vpc/web", VpcSpec(cidr="10.0.0.0/20", dns_hostnames=True)),
        wish("subnet/a", SubnetSpec(vpc=ref("vpc/web"), cidr="10.0.1.0/24", zone="us-west-2a")),
        wish("subnet/c", SubnetSpec(vpc=ref("vpc/web"), cidr="10.0.2.0/24", zone="us-west-2c")),
        wish("security-group/a", SecurityGroupSpec(vpc=ref("vpc/web"), group_name="a", description="a")),
        wish("security-group/b", SecurityGroupSpec(vpc=ref("vpc/web"), group_name="b", description="b")),
    ),
    edits=(
        Edit({"policy": ALL}, "policy.Statement"),
        Edit({"type": "Gateway"}, "type"),
        Edit({"service": "com.amazonaws.us-west-2.ecr.api"}, "service"),
    ),
)

WANT = wish(
    "vpc-endpoint/logs",
    VpcEndpointSpec(
        vpc="vpc-1",
        service="com.amazonaws.us-west-2.logs",
        type="Interface",
        subnets=("subnet-a", "subnet-b"),
        security_groups=("sg-1",),
        private_dns=True,
    ),
)


def item(state: str = "available", identifier: str = "vpce-1", **fields: Any) -> dict[str, Any]:
    return {
        "VpcEndpointId": identifier,
        "VpcId": "vpc-1",
        "ServiceName": "com.amazonaws.us-west-2.logs",
        "VpcEndpointType": "Interface",
        "SubnetIds": ["subnet-b", "subnet-a"],
        "Groups": [{"GroupId": "sg-1", "GroupName": "a"}],
        "RouteTableIds": [],
        "PrivateDnsEnabled": True,
        "State": state,
        "Tags": pairs(tagged(WANT)),
    } | fields


def observe(*items: dict[str, Any]) -> list[Observed[VpcEndpointSpec]]:
    return Talk(DescribeVpcEndpoints={"VpcEndpoints": list(items)}).hold(VpcEndpoint().observe(scope(WANT)))


@pytest.mark.parametrize(
    ("state", "health", "reason"),
    [
        ("available", ResourceHealth.READY, ""),
        ("Available", ResourceHealth.READY, ""),
        ("pending", ResourceHealth.PROGRESSING, "the VPC endpoint is pending"),
        ("pendingAcceptance", ResourceHealth.PROGRESSING, "the service's owner has to accept the VPC endpoint"),
        ("deleting", ResourceHealth.PROGRESSING, "the VPC endpoint is deleting"),
        ("rejected", ResourceHealth.DEGRADED, "the VPC endpoint is rejected"),
    ],
)
def test_its_state_is_its_health(state: str, health: ResourceHealth, reason: str) -> None:
    """AWS spells states otherwise than its own model does; each has a reason where it is not ready."""
    (found,) = observe(item(state))
    assert (found.health, found.reason) == (health, reason)


def test_a_deleted_endpoint_is_absent() -> None:
    """AWS lists it for a while, and one being deleted still has its interfaces in the subnets."""
    assert [found.id for found in observe(item("deleted"), item("deleting", "vpce-2"))] == ["vpce-2"]


def test_order_means_nothing() -> None:
    """Subnets, groups and route tables come back in any order."""
    (found,) = observe(item())
    assert not diff(found, WANT.spec)


def test_lists_are_changed_by_what_comes_and_goes() -> None:
    """One call carries every change, and only the differences of the lists."""
    (old,) = observe(item(SubnetIds=["subnet-b", "subnet-c"], PrivateDnsEnabled=False, Groups=[]))
    talk = Talk()

    talk.hold(VpcEndpoint().update(old, WANT, diff(old, WANT.spec)))
    assert talk.params("ModifyVpcEndpoint") == [
        {
            "VpcEndpointId": "vpce-1",
            "PrivateDnsEnabled": True,
            "AddSubnetIds": ["subnet-a"],
            "RemoveSubnetIds": ["subnet-c"],
            "AddSecurityGroupIds": ["sg-1"],
        }
    ]


def test_an_undeclared_policy_is_left_alone() -> None:
    """AWS writes a policy of its own where none is given."""
    (found,) = observe(item(PolicyDocument='{"Version":"2008-10-17","Statement":[]}'))
    assert not diff(found, WANT.spec)


def test_the_routes_of_a_gateway_endpoint_are_its_tables() -> None:
    """A gateway endpoint lives in route tables and has neither subnets nor groups."""
    spec = VpcEndpointSpec(vpc="vpc-1", service="com.amazonaws.us-west-2.s3", type="Gateway", route_tables=("rtb-1",))
    talk = Talk(CreateVpcEndpoint={"VpcEndpoint": {"VpcEndpointId": "vpce-1"}})

    talk.hold(VpcEndpoint().create(wish("vpc-endpoint/s3", spec)))
    (params,) = talk.params("CreateVpcEndpoint")
    assert params["RouteTableIds"] == ["rtb-1"]
    assert not {"SubnetIds", "SecurityGroupIds", "PrivateDnsEnabled", "PolicyDocument"} & params.keys()


@pytest.mark.parametrize(
    ("code", "fails"), [("InvalidVpcEndpoint.NotFound", False), ("DependencyViolation", True), ("Other", True)]
)
def test_a_refusal_that_comes_as_a_success_is_a_refusal(code: str, *, fails: bool) -> None:
    """DeleteVpcEndpoints answers 200 and lists what it did not do."""
    (old,) = observe(item())
    talk = Talk(DeleteVpcEndpoints={"Unsuccessful": [{"ResourceId": "vpce-1", "Error": {"Code": code}}]})

    if fails:
        with pytest.raises(errors.Blocked):
            talk.hold(VpcEndpoint().delete(old))
    else:
        talk.hold(VpcEndpoint().delete(old))


def test_what_is_being_deleted_is_not_deleted_again() -> None:
    """One call starts the end; the passes after it only look."""
    (old,) = observe(item("deleting"))
    talk = Talk()

    talk.hold(VpcEndpoint().delete(old))
    assert talk.said == []


def test_a_second_creation_finds_the_first() -> None:
    """A gateway's route is there already, because the first answer was lost: the endpoint behind it is ours."""
    talk = Talk(
        CreateVpcEndpoint=errors.Exists("", code="RouteAlreadyExists"),
        DescribeVpcEndpoints={"VpcEndpoints": [item("deleted", "vpce-0"), item()]},
    )
    assert talk.hold(VpcEndpoint().create(replace(WANT, tags=tagged(WANT)))) == "vpce-1"


def test_another_sort_of_endpoint_is_no_business_of_ours() -> None:
    """Gateway load balancer endpoints cannot be declared, whatever tags they carry."""
    assert observe(item(VpcEndpointType="GatewayLoadBalancer")) == []


def test_route_tables_are_changed_in_place() -> None:
    """A gateway endpoint follows the tables of its network."""
    want = replace(WANT, spec=VpcEndpointSpec(**(GATEWAY | {"route_tables": ("rtb-2",)})))
    old = Observed(WANT.address, "vpce-1", VpcEndpointSpec(**(GATEWAY | {"route_tables": ("rtb-1",)})))
    talk = Talk()

    talk.hold(VpcEndpoint().update(old, want, diff(old, want.spec)))
    assert talk.params("ModifyVpcEndpoint") == [
        {"VpcEndpointId": "vpce-1", "AddRouteTableIds": ["rtb-2"], "RemoveRouteTableIds": ["rtb-1"]}
    ]


GATEWAY: dict[str, Any] = {"vpc": "vpc-1", "service": "com.amazonaws.us-west-2.s3", "type": "Gateway"}


def test_a_policy_that_is_removed_lets_everything_through_again() -> None:
    """AWS's own policy comes back, if the document has stated one; another one stays."""
    want = wish("vpc-endpoint/web", VpcEndpointSpec(vpc="vpc-1", service="s3", type="Gateway"))
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}]}
    have = VpcEndpointSpec(vpc="vpc-1", service="s3", type="Gateway", policy=policy)
    theirs = Observed(want.address, "vpce-1", have)
    assert diff(theirs, adopted(want, theirs).spec) == ()

    ours = Observed(want.address, "vpce-1", have, stated_tag({POLICY: Keep.STATED}))
    new = adopted(want, ours)
    told = Talk()
    told.hold(VpcEndpoint().update(ours, new, diff(ours, new.spec)))
    (sent,) = told.params("ModifyVpcEndpoint")
    assert json.loads(sent["PolicyDocument"])["Statement"] == [
        {"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["*"], "Resource": ["*"]}
    ]


def test_addresses_go_back_to_ipv4_without_their_line() -> None:
    """They are those of a field: kept where somebody else has set them, and removed where the document did."""
    aws = {"IpAddressType": "dualstack", "DnsOptions": {"DnsRecordIpType": "dualstack"}}
    paths = {(FIELD, "IpAddressType"): Keep.STATED, (FIELD, "DnsOptions", "DnsRecordIpType"): Keep.STATED}
    for tags, left in ((stated_tag(paths), True), ({}, False)):
        (found,) = observe(item(**aws, Tags=pairs(tagged(WANT) | tags)))
        changes = diff(found, adopted(WANT, found).spec)
        expected = {("aws", "DnsOptions", "DnsRecordIpType"): "ipv4", ("aws", "IpAddressType"): "ipv4"}
        assert {change.path: change.new for change in changes} == (expected if left else {})
