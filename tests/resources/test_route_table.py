"""Route tables: the law example, which routes count, and moving a subnet without a gap."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model.diff import diff
from reconciler.model.resource import Observed, ResourceHealth
from reconciler.resources.internet_gateway import InternetGatewaySpec
from reconciler.resources.route_table import RouteTable, RouteTableSpec
from reconciler.resources.subnet import SubnetSpec
from reconciler.resources.vpc import VpcSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, pairs, scope, tagged

EXAMPLE = Example(
    wish(
        "route-table/web",
        RouteTableSpec(
            vpc=ref("vpc/web"), routes={"0.0.0.0/0": ref("internet-gateway/web")}, subnets=(ref("subnet/a"),)
        ),
    ),
    needs=(
        wish("vpc/web", VpcSpec(cidr="10.0.0.0/20")),
        wish("internet-gateway/web", InternetGatewaySpec(vpc=ref("vpc/web"))),
        wish("internet-gateway/spare", InternetGatewaySpec()),
        wish("subnet/a", SubnetSpec(vpc=ref("vpc/web"), cidr="10.0.1.0/24", zone="us-west-2a")),
    ),
    edits=(
        Edit({"routes": {"0.0.0.0/0": ref("internet-gateway/spare")}}, "routes.0.0.0.0/0"),
        Edit({"routes": {}}, "routes.0.0.0.0/0"),
        Edit(
            {"routes": {"0.0.0.0/0": ref("internet-gateway/web"), "192.0.2.0/24": ref("internet-gateway/web")}},
            "routes.192.0.2.0/24",
        ),
        Edit({"vpc": "vpc-elsewhere"}, "vpc"),
    ),
)

WANT = wish(
    "route-table/web", RouteTableSpec(vpc="vpc-1", routes={"0.0.0.0/0": "nat-1"}, subnets=("subnet-a", "subnet-b"))
)
LOCAL = {"DestinationCidrBlock": "10.0.0.0/20", "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"}
OUT = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "Origin": "CreateRoute", "State": "active"}


def association(subnet: str, state: str = "associated") -> dict[str, Any]:
    return {
        "RouteTableAssociationId": f"rtbassoc-{subnet}",
        "SubnetId": subnet,
        "Main": False,
        "AssociationState": {"State": state},
    }


def item(*routes: dict[str, Any], associations: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {
        "RouteTableId": "rtb-1",
        "VpcId": "vpc-1",
        "Routes": [LOCAL, *routes],
        "Associations": list(associations),
        "Tags": pairs(tagged(WANT)),
    }


def observe(found: dict[str, Any]) -> Observed[RouteTableSpec]:
    (observed,) = Talk(DescribeRouteTables={"RouteTables": [found]}).hold(RouteTable().observe(scope(WANT)))
    return observed


BOTH = (association("subnet-a"), association("subnet-b"))


def test_only_routes_that_somebody_chose_are_compared() -> None:
    """The VPC's own route, a VPN's, and those that gateway endpoints add are not drift."""
    propagated = {"DestinationCidrBlock": "172.16.0.0/12", "GatewayId": "vgw-1", "Origin": "EnableVgwRoutePropagation"}
    endpoint = {"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1", "Origin": "CreateRoute", "State": "active"}

    assert not diff(observe(item(OUT, propagated, endpoint, associations=BOTH)), WANT.spec)


def test_a_blackhole_differs_and_is_replaced() -> None:
    """A route whose target is gone keeps its target's name in AWS, and sends everything nowhere."""
    old = observe(item(OUT | {"State": "blackhole"}, associations=BOTH))
    (change,) = diff(old, WANT.spec)
    assert (str(change), change.old, change.new) == ("routes.0.0.0.0/0", "nat-1 (blackhole)", "nat-1")

    talk = Talk()
    talk.hold(RouteTable().update(old, WANT, (change,)))
    assert talk.params("ReplaceRoute") == [
        {"RouteTableId": "rtb-1", "DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1"}
    ]


@pytest.mark.parametrize(
    ("have", "refused", "said"),
    [
        ((), {"CreateRoute": errors.Exists("", code="RouteAlreadyExists")}, ["CreateRoute", "ReplaceRoute"]),
        (
            (OUT | {"NatGatewayId": "nat-0"},),
            {"ReplaceRoute": errors.Gone("", code="InvalidRoute.NotFound")},
            ["ReplaceRoute", "CreateRoute"],
        ),
    ],
)
def test_a_route_that_came_or_went_meanwhile_is_set_all_the_same(
    have: tuple[dict[str, Any], ...], refused: dict[str, Any], said: list[str]
) -> None:
    """What was observed may be a moment old: what matters is where the route leads in the end."""
    old, talk = observe(item(*have, associations=BOTH)), Talk(**refused)

    talk.hold(RouteTable().update(old, WANT, diff(old, WANT.spec)))
    assert talk.operations() == said


def test_every_sort_of_target_has_its_parameter() -> None:
    """A route names its target by what the target is; IPv6 destinations have a parameter of their own."""
    new = wish(
        "route-table/web",
        RouteTableSpec(vpc="vpc-1", routes={"::/0": "eigw-1", "10.9.0.0/16": "pcx-1", "10.8.0.0/16": "tgw-1"}),
    )
    talk = Talk(CreateRouteTable={"RouteTable": {"RouteTableId": "rtb-1"}})

    talk.hold(RouteTable().create(new))
    assert talk.params("CreateRoute") == [
        {"RouteTableId": "rtb-1", "DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1"},
        {"RouteTableId": "rtb-1", "DestinationCidrBlock": "10.9.0.0/16", "VpcPeeringConnectionId": "pcx-1"},
        {"RouteTableId": "rtb-1", "DestinationCidrBlock": "10.8.0.0/16", "TransitGatewayId": "tgw-1"},
    ]


def test_a_route_to_something_unknown_is_refused_before_it_is_sent() -> None:
    """An id whose sort is not known has no parameter that could carry it."""
    talk = Talk(CreateRouteTable={"RouteTable": {"RouteTableId": "rtb-1"}})
    with pytest.raises(errors.Invalid, match="queue-1"):
        talk.hold(RouteTable().create(wish("route-table/web", RouteTableSpec(vpc="vpc-1", routes={"::/0": "queue-1"}))))


def test_a_subnet_is_moved_without_a_gap() -> None:
    """A subnet that uses another table is taken over in one call; one that uses none is associated."""
    old = observe(item(OUT))
    other = {"RouteTableId": "rtb-2", "Associations": [association("subnet-a"), association("subnet-z")]}
    talk = Talk(DescribeRouteTables={"RouteTables": [other]})

    talk.hold(RouteTable().update(old, WANT, diff(old, WANT.spec)))
    assert talk.params("ReplaceRouteTableAssociation") == [
        {"AssociationId": "rtbassoc-subnet-a", "RouteTableId": "rtb-1"}
    ]
    assert talk.params("AssociateRouteTable") == [{"SubnetId": "subnet-b", "RouteTableId": "rtb-1"}]


def test_a_subnet_that_was_moved_away_meanwhile_is_let_go() -> None:
    """The table that it moved to has ended the association already."""
    old = observe(item(OUT, associations=(*BOTH, association("subnet-c"))))
    talk = Talk(DisassociateRouteTable=errors.Gone("", code="InvalidAssociationID.NotFound"))

    talk.hold(RouteTable().update(old, WANT, diff(old, WANT.spec)))
    assert talk.params("DisassociateRouteTable") == [{"AssociationId": "rtbassoc-subnet-c"}]


def test_its_associations_are_ours_to_end() -> None:
    """A table is deleted after its associations, whose ids therefore count as the stack's own."""
    old = observe(item(OUT, associations=BOTH))
    assert set(old.facts["ids"]) == {"rtbassoc-subnet-a", "rtbassoc-subnet-b"}

    talk = Talk()
    talk.hold(RouteTable().delete(old))
    assert talk.operations() == ["DisassociateRouteTable", "DisassociateRouteTable", "DeleteRouteTable"]


def test_an_association_that_ended_is_no_association() -> None:
    """AWS goes on listing it for a while; a failed one is shown with the subnet's name."""
    old = observe(item(OUT, associations=(association("subnet-a", "disassociated"), association("subnet-b", "failed"))))

    assert old.spec.subnets == ("subnet-b",)
    assert (old.health, old.reason) == (ResourceHealth.DEGRADED, "not associated with subnet-b")


def test_the_order_of_subnets_means_nothing() -> None:
    """AWS lists associations in any order."""
    assert not diff(observe(item(OUT, associations=tuple(reversed(BOTH)))), WANT.spec)
