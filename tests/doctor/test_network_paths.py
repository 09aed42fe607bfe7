"""Paths out of a subnet, judged from what EC2 answers."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.doctor.network_paths import Live, closed_by_acl, egress_closed, no_endpoint, no_way_out

VPC, A, B = "vpc-1", "subnet-a", "subnet-b"
SUBNETS = {
    name: {"SubnetId": name, "VpcId": VPC, "CidrBlock": f"10.0.{number}.0/24"} for number, name in enumerate((A, B))
}
ECR = "com.amazonaws.us-west-2.ecr.api"


def table(*subnets: str, main: bool = False, **route: Any) -> dict[str, Any]:
    associations: list[dict[str, Any]] = [{"SubnetId": one, "Main": False} for one in subnets]
    associations += [{"Main": True}] if main else []
    routes = [{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}]
    routes += [{"DestinationCidrBlock": "0.0.0.0/0", "State": "active", **route}] if route else []
    name = f"rtb-{'-'.join(subnets) or 'main'}"
    return {"RouteTableId": name, "VpcId": VPC, "Associations": associations, "Routes": routes}


def gateway(subnet: str, state: str = "available") -> dict[str, dict[str, Any]]:
    return {"nat-1": {"NatGatewayId": "nat-1", "SubnetId": subnet, "State": state, "ConnectivityType": "public"}}


@pytest.mark.parametrize(
    ("tables", "gateways", "public_ip", "reason"),
    [
        ([table(A, GatewayId="igw-1")], {}, True, ""),
        ([table(A, GatewayId="igw-1")], {}, False, "no public address"),
        ([table(main=True, GatewayId="igw-1")], {}, True, ""),
        ([table(A), table(main=True, GatewayId="igw-1")], {}, True, "no route to 0.0.0.0/0"),
        ([], {}, True, ""),
        ([table(A, DestinationCidrBlock="0.0.0.0/1", GatewayId="igw-1")], {}, True, ""),
        ([table(A, NatGatewayId="nat-1", State="blackhole")], {}, False, "something that is gone"),
        ([table(A, NatGatewayId="nat-1"), table(B, GatewayId="igw-1")], gateway(B), False, ""),
        ([table(A, NatGatewayId="nat-1"), table(B, GatewayId="igw-1")], gateway(B, "failed"), False, "nat-1 is failed"),
        ([table(A, NatGatewayId="nat-1"), table(B)], gateway(B), False, "in the subnet subnet-b, and its route table"),
        ([table(A, B, NatGatewayId="nat-1")], gateway(A), False, "in a subnet that is routed to it"),
        ([table(A, TransitGatewayId="tgw-1")], {}, False, ""),
    ],
)
def test_a_way_out_is_a_route_to_something_that_leads_there(
    tables: list[dict[str, Any]], gateways: dict[str, Any], public_ip: bool, reason: str
) -> None:
    """A NAT gateway needs one itself; what is behind a transit gateway is not judged."""
    found = no_way_out(Live(SUBNETS, tuple(tables), gateways=gateways), A, public_ip=public_ip)
    assert reason in found
    assert bool(reason) is bool(found)


def entry(number: int, action: str, *, egress: bool, cidr: str = "0.0.0.0/0", **more: Any) -> dict[str, Any]:
    return {"RuleNumber": number, "RuleAction": action, "Egress": egress, "Protocol": "-1", "CidrBlock": cidr, **more}


def acl(*entries: dict[str, Any]) -> Live:
    return Live(SUBNETS, acls=({"NetworkAclId": "acl-1", "Associations": [{"SubnetId": A}], "Entries": entries},))


ALL_OUT, ALL_IN = entry(100, "allow", egress=True), entry(100, "allow", egress=False)
HTTPS = {"Protocol": "6", "PortRange": {"From": 443, "To": 443}}
HIGH = {"Protocol": "6", "PortRange": {"From": 1024, "To": 65535}}


@pytest.mark.parametrize(
    ("live", "reason"),
    [
        (acl(ALL_OUT, ALL_IN), ""),
        (acl(ALL_IN), "outbound"),
        (acl(ALL_OUT), "inbound"),
        (acl(entry(1, "deny", egress=True, **HTTPS), ALL_OUT, ALL_IN), "outbound"),
        (acl(entry(200, "deny", egress=True, **HTTPS), ALL_OUT, ALL_IN), ""),
        (acl(entry(1, "allow", egress=True, **HTTPS), entry(1, "allow", egress=False, **HIGH)), ""),
        (acl(entry(1, "deny", egress=True, cidr="192.0.2.0/24"), ALL_OUT, ALL_IN), ""),
        (acl(entry(1, "allow", egress=True, cidr="192.0.2.0/24"), entry(2, "deny", egress=True), ALL_IN), ""),
        (Live(SUBNETS), ""),
    ],
)
def test_the_first_entry_that_applies_decides(live: Live, reason: str) -> None:
    """Requests go out to port 443, and answers come back to the ports that Linux sends from."""
    found = closed_by_acl(live, A)
    assert reason in found
    assert bool(reason) is bool(found)


def rule(group: str, *, egress: bool, low: int = 443, high: int = 443, **other: Any) -> dict[str, Any]:
    return {"GroupId": group, "IsEgress": egress, "IpProtocol": "tcp", "FromPort": low, "ToPort": high, **other}


def test_one_group_that_lets_out_is_enough() -> None:
    """Of all groups of the tasks; the other direction and other ports are none."""
    live = Live(SUBNETS, rules=(rule("sg-1", egress=False), rule("sg-2", egress=True, low=0, high=1000)))
    assert egress_closed(live, ["sg-1", "sg-2"]) == ""
    assert "sg-1" in egress_closed(live, ["sg-1"])


def endpoint(**more: Any) -> dict[str, Any]:
    found = {"VpcEndpointId": "vpce-1", "VpcId": VPC, "ServiceName": ECR, "State": "available"}
    return {**found, "VpcEndpointType": "Interface", "PrivateDnsEnabled": True, "Groups": [{"GroupId": "sg-e"}], **more}


OPEN = rule("sg-e", egress=False, CidrIpv4="10.0.0.0/16")


@pytest.mark.parametrize(
    ("points", "rules", "reason"),
    [
        ([endpoint()], [OPEN], ""),
        ([endpoint()], [rule("sg-e", egress=False, ReferencedGroupInfo={"GroupId": "sg-t"})], ""),
        ([endpoint()], [rule("sg-e", egress=False, ReferencedGroupInfo={"GroupId": "sg-x"})], "no inbound traffic"),
        ([endpoint()], [rule("sg-e", egress=False, CidrIpv4="10.9.0.0/16")], "no inbound traffic"),
        ([endpoint(State="pending")], [OPEN], "is pending"),
        ([endpoint(PrivateDnsEnabled=False)], [OPEN], "no private DNS name"),
        ([endpoint(VpcEndpointType="Gateway", RouteTableIds=["rtb-main"])], [], ""),
        ([endpoint(VpcEndpointType="Gateway", RouteTableIds=["rtb-x"])], [], "not in its route table"),
        ([endpoint(State="failed"), endpoint()], [OPEN], ""),
        ([endpoint(VpcId="vpc-2")], [OPEN], "has no endpoint"),
    ],
)
def test_an_endpoint_serves_what_its_groups_and_tables_let_in(
    points: list[dict[str, Any]], rules: list[dict[str, Any]], reason: str
) -> None:
    """In the subnet's VPC, by its private name."""
    live = Live(SUBNETS, (table(main=True),), rules=tuple(rules), endpoints=tuple(points))
    found = no_endpoint(live, A, ECR, ["sg-t"])
    assert reason in found
    assert bool(reason) is bool(found)
