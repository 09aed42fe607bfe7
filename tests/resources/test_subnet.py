"""Subnets: the law example, and what stands in the way of one."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.resource import Desired, Observed, ResourceHealth
from reconciler.resources.subnet import Subnet, SubnetSpec
from reconciler.resources.vpc import VpcSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, pairs, scope, tagged

EXAMPLE = Example(
    wish(
        "subnet/web",
        SubnetSpec(vpc=ref("vpc/web"), cidr="10.0.1.0/24", zone="us-west-2a", public_ip_on_launch=False, ipv6=3),
    ),
    needs=(wish("vpc/web", VpcSpec(cidr="10.0.0.0/20", ipv6=True)), wish("vpc/other", VpcSpec(cidr="10.1.0.0/20"))),
    edits=(
        Edit({"public_ip_on_launch": True}, "public_ip_on_launch"),
        Edit({"ipv6": 0}, "ipv6"),
        Edit({"ipv6": "none"}, "ipv6"),
        Edit({"cidr": "10.0.2.0/24"}, "cidr"),
        Edit({"zone": "us-west-2c"}, "zone"),
        Edit({"vpc": ref("vpc/other")}, "vpc"),
    ),
)

WANT = wish("subnet/web", SubnetSpec(vpc="vpc-1", cidr="10.0.1.0/24", zone="us-west-2a"))


def item(identifier: str, tags: dict[str, str], **fields: Any) -> dict[str, Any]:
    return {
        "SubnetId": identifier,
        "VpcId": "vpc-1",
        "CidrBlock": "10.0.1.0/24",
        "AvailabilityZone": "us-west-2a",
        "MapPublicIpOnLaunch": False,
        "State": "available",
        "Tags": pairs(tags),
    } | fields


def observed(*items: dict[str, Any], want: Desired[Any] = WANT) -> list[tuple[str, str, str | None]]:
    found = Talk(DescribeSubnets={"Subnets": list(items)}).hold(Subnet().observe(scope(want)))
    return [(each.id, str(each.address), ownership.owner(each.tags)) for each in found]


def test_whatever_has_the_wanted_range_is_shown() -> None:
    """No two subnets of a VPC overlap, so the one that has our range is in the way under any name and of any stack."""
    assert observed(item("subnet-1", {"Name": "legacy"})) == [("subnet-1", "subnet/web", None)]
    theirs = tagged(wish("subnet/x", WANT.spec), "theirs")
    assert observed(item("subnet-1", theirs)) == [("subnet-1", "subnet/web", "theirs")]
    assert observed(item("subnet-1", {"Name": "legacy"}, VpcId="vpc-2")) == []


def test_a_namesake_beside_our_own_is_of_no_interest() -> None:
    """Once we have ours, what somebody makes under the same name is neither a conflict nor ours."""
    ours = item("subnet-1", tagged(WANT))
    namesake = item("subnet-2", {"Name": "web"}, CidrBlock="10.0.9.0/24")

    assert observed(ours, namesake) == [("subnet-1", "subnet/web", "ours")]
    assert observed(namesake) == [("subnet-2", "subnet/web", None)]


def test_ours_without_an_address_is_known_by_its_name() -> None:
    """Somebody took the address tag off: it is still ours, and must not be made a second time."""
    stripped = {"reconciler:stack": "ours", "Name": "web"}

    assert observed(item("subnet-1", stripped, CidrBlock="10.0.9.0/24")) == [("subnet-1", "subnet/web", "ours")]


def test_tags_copied_from_something_else_make_nothing_ours() -> None:
    """A person who copies a VPC's tags to a subnet has not put the subnet into the specs, nor out of them."""
    assert observed(item("subnet-1", tagged(wish("vpc/web", WANT.spec)), VpcId="vpc-2")) == []


def test_another_stacks_namesake_is_no_business_of_ours() -> None:
    """Two stacks may call their subnets the same."""
    theirs = tagged(WANT, "theirs") | {"Name": "web"}
    assert observed(item("subnet-1", theirs, VpcId="vpc-2")) == []


def test_two_of_ours_at_one_address_are_both_shown() -> None:
    """A creation whose answer was lost and that was then read stale can leave two: the plan has to see both."""
    both = [item(f"subnet-{number}", tagged(WANT)) for number in (1, 2)]

    assert [identifier for identifier, *_ in observed(*both)] == ["subnet-1", "subnet-2"]


def test_what_is_ours_in_a_network_that_is_no_longer_ours_is_found_by_the_sweep() -> None:
    """A subnet is looked for where the VPCs are, and by id where only the tagging service knows of it."""
    gone = wish("subnet/old", WANT.spec)
    arn = "arn:aws:ec2:us-west-2:123456789012:subnet/subnet-9"
    talk = Talk(DescribeSubnets=[{"Subnets": []}, {"Subnets": [item("subnet-9", tagged(gone))]}])

    found = talk.hold(Subnet().observe(scope(WANT, swept={arn: tagged(gone)})))

    assert [str(each.address) for each in found] == ["subnet/old"]
    assert [call["Filters"] for call in talk.params("DescribeSubnets")] == [
        [{"Name": "vpc-id", "Values": ["vpc-1"]}],
        [{"Name": "subnet-id", "Values": ["subnet-9"]}],
    ]


def test_what_the_network_shows_is_not_read_again_by_its_id() -> None:
    """The tagging service names what was just seen, too: that takes no second read."""
    arn = "arn:aws:ec2:us-west-2:123456789012:subnet/subnet-1"
    talk = Talk(DescribeSubnets={"Subnets": [item("subnet-1", tagged(WANT))]})

    talk.hold(Subnet().observe(scope(WANT, swept={arn: tagged(WANT)})))
    assert talk.operations() == ["DescribeSubnets"]


def test_nothing_is_read_where_there_is_nowhere_to_look() -> None:
    """Before there is a network, its subnets need no call."""
    talk = Talk()

    assert talk.hold(Subnet().observe(scope(EXAMPLE.desired))) == []
    assert talk.said == []


def test_a_range_is_compared_as_aws_stores_it() -> None:
    """AWS drops the host bits of a range, and would otherwise differ from the spec for ever."""
    assert SubnetSpec(vpc="vpc-1", cidr="10.0.1.5/24", zone="us-west-2a").cidr == "10.0.1.0/24"


def test_a_subnet_is_not_ready_until_aws_says_so() -> None:
    """`pending` is progress, with a reason."""
    talk = Talk(DescribeSubnets={"Subnets": [item("subnet-1", tagged(WANT), State="pending")]})

    (found,) = talk.hold(Subnet().observe(scope(WANT)))
    assert (found.health, found.reason) == (ResourceHealth.PROGRESSING, "the subnet is pending")


def block(range_: str, state: str = "associated") -> dict[str, Any]:
    return {"AssociationId": f"assoc-{range_}", "Ipv6CidrBlock": range_, "Ipv6CidrBlockState": {"State": state}}


def vpc(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"Vpcs": [{"VpcId": "vpc-1", "Ipv6CidrBlockAssociationSet": list(blocks)}]}


def seen(whole: str, *blocks: dict[str, Any]) -> Observed[SubnetSpec]:
    network = Observed(wish("vpc/web", WANT.spec).address, "vpc-1", WANT.spec, facts={"ipv6_range": whole})
    talk = Talk(DescribeSubnets={"Subnets": [item("subnet-1", tagged(WANT), Ipv6CidrBlockAssociationSet=list(blocks))]})
    (found,) = talk.hold(Subnet().observe(scope(WANT, seen={"vpc": (network,)})))
    return found


@pytest.mark.parametrize(
    ("whole", "blocks", "number"),
    [
        ("2001:db8:1:200::/56", (block("2001:db8:1:203::/64"),), 3),
        ("2001:db8:1:200::/56", (block("2001:db8:1:2ff::/64"),), 255),
        ("2001:db8:1:200::/56", (block("2001:db8:1:203::/64", "disassociated"),), "none"),
        ("2001:db8:1:230::/60", (block("2001:db8:1:23a::/64"),), 10),
        ("2001:db8:1::/48", (block("2001:db8:1:123::/64"),), 0x123),
        ("", (block("2001:db8:1:203::/64"),), 3),
        ("2001:db8:1:200::/56", (), "none"),
    ],
)
def test_an_ipv6_range_is_known_by_its_number_in_that_of_the_network(
    whole: str, blocks: tuple[dict[str, Any], ...], number: Any
) -> None:
    """AWS chooses the range of the network, so the specs state which part of it a subnet has."""
    assert seen(whole, *blocks).spec.ipv6 == number


def test_an_ipv6_range_takes_the_place_of_another() -> None:
    """A subnet has one at a time; the new one is computed from that of the network."""
    old = seen("2001:db8:1:200::/56", block("2001:db8:1:203::/64"))
    new = wish("subnet/web", WANT.spec.model_copy(update={"ipv6": 16}))
    talk = Talk(DescribeVpcs=vpc(block("2001:db8:1:200::/56")))
    talk.hold(Subnet().update(old, new, diff(old, new.spec)))

    assert talk.operations() == ["DisassociateSubnetCidrBlock", "DescribeVpcs", "AssociateSubnetCidrBlock"]
    assert talk.params("DisassociateSubnetCidrBlock") == [{"AssociationId": "assoc-2001:db8:1:203::/64"}]
    assert talk.params("AssociateSubnetCidrBlock") == [{"SubnetId": "subnet-1", "Ipv6CidrBlock": "2001:db8:1:210::/64"}]


@pytest.mark.parametrize(
    ("blocks", "error"),
    [
        ((), errors.Propagating),
        ((block("2001:db8:1:200::/56", "associating"),), errors.Propagating),
        ((block("2001:db8:1:230::/60"),), errors.Invalid),
    ],
)
def test_a_subnet_waits_for_the_range_of_its_network(
    blocks: tuple[dict[str, Any], ...], error: type[Exception]
) -> None:
    """Nothing is created with another range than that which the specs state."""
    new = wish("subnet/web", WANT.spec.model_copy(update={"ipv6": 16}))
    talk = Talk(DescribeVpcs=vpc(*blocks))
    with pytest.raises(error):
        talk.hold(Subnet().create(new))
    assert talk.operations() == ["DescribeVpcs"]
