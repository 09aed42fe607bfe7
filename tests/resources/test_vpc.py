"""VPCs: the law example, and attributes in the order that they need."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model.adoption import adopted
from reconciler.model.diff import diff
from reconciler.model.members import stated_tag
from reconciler.model.resource import Keep, Observed, ResourceHealth
from reconciler.resources._ec2 import IPV6
from reconciler.resources.vpc import Vpc, VpcSpec
from tests.laws.example import Edit, Example, wish
from tests.resources.talk import Talk, pairs, scope, tagged

EXAMPLE = Example(
    wish(
        "vpc/web",
        VpcSpec(cidr="10.0.0.0/20", secondary=("10.2.0.0/20",), dns_support=True, dns_hostnames=False, ipv6=False),
    ),
    edits=(
        Edit({"ipv6": True}, "ipv6"),
        Edit({"secondary": ("10.3.0.0/20",)}, "secondary.10.2.0.0/20", "secondary.10.3.0.0/20"),
        Edit({"dns_hostnames": True}, "dns_hostnames"),
        Edit({"dns_support": False}, "dns_support"),
        Edit({"cidr": "10.1.0.0/20"}, "cidr"),
    ),
)


def item(**fields: Any) -> dict[str, Any]:
    tags = pairs(tagged(EXAMPLE.desired))
    return {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/20", "State": "available", "Tags": tags} | fields


def test_host_names_go_off_before_the_support_that_they_need() -> None:
    """AWS refuses host names without DNS support, so both go on and off in opposite orders."""
    on = VpcSpec(cidr="10.0.0.0/20", dns_support=True, dns_hostnames=True)
    off = VpcSpec(cidr="10.0.0.0/20", dns_support=False, dns_hostnames=False)

    for have, want, order in (
        (on, off, ["EnableDnsHostnames", "EnableDnsSupport"]),
        (off, on, ["EnableDnsSupport", "EnableDnsHostnames"]),
    ):
        talk, old, new = Talk(), Observed(EXAMPLE.desired.address, "vpc-1", have), wish("vpc/web", want)
        talk.hold(Vpc().update(old, new, diff(old, want)))
        assert [next(key for key in call.params if key != "VpcId") for call in talk.said] == order


def test_a_vpc_that_vanishes_between_two_reads_is_absent() -> None:
    """The attributes of a VPC that was deleted a moment ago are not an error of the observation."""
    talk = Talk(
        DescribeVpcs={"Vpcs": [item()]}, DescribeVpcAttribute=lambda _: errors.Gone("", code="InvalidVpcID.NotFound")
    )

    assert talk.hold(Vpc().observe(scope())) == []


def test_a_vpc_is_not_ready_until_aws_says_so() -> None:
    """`pending` is progress, with a reason."""
    talk = Talk(
        DescribeVpcs={"Vpcs": [item(State="pending")]},
        DescribeVpcAttribute=[{"EnableDnsSupport": {"Value": True}}, {"EnableDnsHostnames": {"Value": False}}],
    )

    (found,) = talk.hold(Vpc().observe(scope()))
    assert (found.health, found.reason) == (ResourceHealth.PROGRESSING, "the VPC is pending")


def test_only_what_differs_from_a_new_vpc_is_written() -> None:
    """AWS gives a new VPC DNS support and no host names: no call says so again."""
    talk = Talk(CreateVpc={"Vpc": {"VpcId": "vpc-1"}})

    plain = wish("vpc/web", VpcSpec(cidr="10.0.0.0/20", dns_support=True, dns_hostnames=False))
    assert talk.hold(Vpc().create(plain)) == "vpc-1"
    assert talk.operations() == ["CreateVpc"]


def test_a_range_that_is_going_is_not_there() -> None:
    """AWS lists the associations that were taken away for a while."""
    states = {"10.2.0.0/20": "associated", "10.3.0.0/20": "disassociated", "10.4.0.0/20": "failed"}
    ranges = [
        {"CidrBlock": cidr, "AssociationId": f"vpc-cidr-assoc-{cidr}", "CidrBlockState": {"State": state}}
        for cidr, state in {"10.0.0.0/20": "associated", **states}.items()
    ]
    talk = Talk(
        DescribeVpcs={"Vpcs": [item(CidrBlockAssociationSet=ranges)]},
        DescribeVpcAttribute=[{"EnableDnsSupport": {"Value": True}}, {"EnableDnsHostnames": {"Value": False}}],
    )
    (found,) = talk.hold(Vpc().observe(scope()))
    assert found.spec.secondary == ("10.2.0.0/20",)


def ipv6(state: str, association: str = "vpc-cidr-assoc-6") -> dict[str, Any]:
    return {
        "AssociationId": association,
        "Ipv6CidrBlock": "2001:db8:1:200::/56",
        "Ipv6CidrBlockState": {"State": state},
    }


def seen(**fields: Any) -> Observed[VpcSpec]:
    talk = Talk(
        DescribeVpcs={"Vpcs": [item(**fields)]},
        DescribeVpcAttribute=[{"EnableDnsSupport": {"Value": True}}, {"EnableDnsHostnames": {"Value": False}}],
    )
    (found,) = talk.hold(Vpc().observe(scope()))
    return found


def test_an_ipv6_range_is_added_in_place() -> None:
    """A network that exists gets a range of Amazon's, and is not replaced."""
    old, want = seen(), wish("vpc/web", VpcSpec(cidr="10.0.0.0/20", ipv6=True))
    changes = diff(old, want.spec)
    assert [(str(change), change.immutable) for change in changes] == [("ipv6", False)]

    talk = Talk()
    talk.hold(Vpc().update(old, want, changes))
    assert talk.params("AssociateVpcCidrBlock") == [{"VpcId": "vpc-1", "AmazonProvidedIpv6CidrBlock": True}]


def test_an_ipv6_range_goes_with_its_line_only() -> None:
    """What the specs have asked for goes once they do not any more; what somebody else has added stays."""
    want = wish("vpc/web", VpcSpec(cidr="10.0.0.0/20"))
    theirs = seen(Ipv6CidrBlockAssociationSet=[ipv6("associated")])
    assert diff(theirs, adopted(want, theirs).spec) == ()

    tags = pairs(tagged(EXAMPLE.desired) | stated_tag({IPV6: Keep.STATED}))
    ours = seen(Ipv6CidrBlockAssociationSet=[ipv6("associated")], Tags=tags)
    new = adopted(want, ours)
    changes = diff(ours, new.spec)
    assert [(str(change), change.old, change.new) for change in changes] == [("ipv6", True, False)]

    talk = Talk()
    talk.hold(Vpc().update(ours, new, changes))
    assert talk.params("DisassociateVpcCidrBlock") == [{"AssociationId": "vpc-cidr-assoc-6"}]
    refused = Talk(DisassociateVpcCidrBlock=errors.Blocked("in use", code="InvalidCidrBlock.InUse"))
    with pytest.raises(errors.InUse):
        refused.hold(Vpc().update(ours, new, changes))


@pytest.mark.parametrize(
    ("state", "there", "health"),
    [
        ("associating", True, ResourceHealth.PROGRESSING),
        ("associated", True, ResourceHealth.READY),
        ("disassociating", False, ResourceHealth.READY),
        ("failed", False, ResourceHealth.READY),
    ],
)
def test_an_ipv6_range_is_there_until_it_goes(state: str, there: bool, health: ResourceHealth) -> None:
    """A VPC is not ready before its range is."""
    found = seen(Ipv6CidrBlockAssociationSet=[ipv6(state)])
    assert (found.spec.ipv6, found.health) == (there, health)
