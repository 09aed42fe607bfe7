"""Network paths out of a subnet, by live routes, network ACLs, security groups and VPC endpoints. Pure.

Sources: VPC user guide, "Route tables" and "Control subnet traffic with network access control lists"; ECS developer
guide, "Amazon ECS interface VPC endpoints".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any, Final

Item = Mapping[str, Any]

ANYWHERE: Final = "0.0.0.0/0"
HTTPS: Final = 443
REPLIES: Final = (32768, 60999)
"""Ports from which Linux, and so a task, sends its requests; answers come back to them."""

TCP: Final = frozenset({"6", "tcp", "-1"})


@dataclass(frozen=True, slots=True)
class Live:
    """What EC2 says of the VPCs of all tasks."""

    subnets: Mapping[str, Item]
    tables: tuple[Item, ...] = ()
    acls: tuple[Item, ...] = ()
    rules: tuple[Item, ...] = ()
    """Of the tasks' and the endpoints' security groups, one by one."""
    endpoints: tuple[Item, ...] = ()
    gateways: Mapping[str, Item] = field(default_factory=dict)
    """NAT gateways by id."""


def table_of(live: Live, subnet: str) -> Item | None:
    """The subnet's own route table, or the main one of its VPC."""
    for table in live.tables:
        if any(one.get("SubnetId") == subnet for one in table["Associations"]):
            return table
    vpc = live.subnets[subnet]["VpcId"]
    mains = (one for one in live.tables if one["VpcId"] == vpc and any(a.get("Main") for a in one["Associations"]))
    return next(mains, None)


def no_way_out(live: Live, subnet: str, *, public_ip: bool, through: frozenset[str] = frozenset()) -> str:
    """Why the internet cannot be reached from a subnet; empty if it can, as far as the VPC's own parts show."""
    table = table_of(live, subnet)
    if table is None:
        return ""  # that of another account, which shares its subnet
    route = next((one for one in table["Routes"] if _is_default(one)), None)
    if route is None:
        return f"its route table {table['RouteTableId']} has no route to {ANYWHERE}"
    if route.get("State") == "blackhole":
        return f"the route to {ANYWHERE} of its route table {table['RouteTableId']} leads to something that is gone"
    if str(route.get("GatewayId", "")).startswith("igw-"):
        return "" if public_ip else "tasks have no public address, and its way out is an internet gateway"
    gateway = live.gateways.get(route.get("NatGatewayId", ""))
    if gateway is None:
        return ""  # a transit gateway, an instance or the like: what is behind it does not show here
    if gateway["State"] != "available":
        return f"its NAT gateway {gateway['NatGatewayId']} is {gateway['State']}"
    inner = gateway["SubnetId"]
    if gateway.get("ConnectivityType") == "private" or inner not in live.subnets:
        return ""
    if inner in through | {subnet}:
        return f"its NAT gateway {gateway['NatGatewayId']} is in a subnet that is routed to it"
    behind = no_way_out(live, inner, public_ip=True, through=through | {subnet})
    return f"its NAT gateway is in the subnet {inner}, and {behind}" if behind else ""


def _is_default(route: Item) -> bool:
    """A way to everything, or one of two to its halves."""
    destination = route.get("DestinationCidrBlock")
    return destination is not None and ip_network(destination, strict=False).prefixlen <= 1


def closed_by_acl(live: Live, subnet: str, to: str = ANYWHERE) -> str:
    """What the network ACL of a subnet closes of requests to port 443 and of their answers."""
    acl = next((one for one in live.acls if any(a["SubnetId"] == subnet for a in one["Associations"])), None)
    if acl is None:
        return ""
    if not _lets(acl, HTTPS, to, egress=True):
        return f"its network ACL {acl['NetworkAclId']} allows no outbound traffic to port {HTTPS}"
    if not all(_lets(acl, port, to, egress=False) for port in REPLIES):
        ports = f"{REPLIES[0]}-{REPLIES[1]}"
        return f"its network ACL {acl['NetworkAclId']} allows no inbound traffic to ports {ports}, where answers arrive"
    return ""


def _lets(acl: Item, port: int, peer: str, *, egress: bool) -> bool:
    """By the first entry that applies to the port. One that lets a part of the range through counts: which addresses
    AWS's services have is not known here."""
    for entry in sorted(acl["Entries"], key=lambda one: int(one["RuleNumber"])):
        if bool(entry["Egress"]) is not egress or "CidrBlock" not in entry or entry["Protocol"] not in TCP:
            continue
        ports = entry.get("PortRange") or {}
        if ports and not int(ports["From"]) <= port <= int(ports["To"]):
            continue
        allows = entry["RuleAction"] == "allow"
        if _within(peer, entry["CidrBlock"]) or (allows and _within(entry["CidrBlock"], peer)):
            return bool(allows)
    return False


def egress_closed(live: Live, groups: Iterable[str]) -> str:
    """That security groups allow no request to port 443; what it may be sent to is not looked at."""
    names = sorted(groups)
    if any(_tcp(rule, HTTPS) for rule in live.rules if rule["IsEgress"] and rule["GroupId"] in names):
        return ""
    return f"the security group {', '.join(names)} allows no outbound traffic to port {HTTPS}" if names else ""


def _tcp(rule: Item, port: int) -> bool:
    if str(rule["IpProtocol"]) not in TCP:
        return False
    low, high = rule.get("FromPort", -1), rule.get("ToPort", -1)
    return str(rule["IpProtocol"]) == "-1" or low <= port <= high


def no_endpoint(live: Live, subnet: str, service: str, groups: Iterable[str]) -> str:
    """Why a service is not reached by an endpoint of the subnet's VPC; empty if it is. `service` is the full name."""
    vpc = live.subnets[subnet]["VpcId"]
    found = [one for one in live.endpoints if one["VpcId"] == vpc and one["ServiceName"] == service]
    reasons = [_unusable(live, one, subnet, frozenset(groups)) for one in found]
    if "" in reasons:
        return ""
    return reasons[0] if reasons else f"the VPC has no endpoint {service}"


def _unusable(live: Live, endpoint: Item, subnet: str, groups: frozenset[str]) -> str:
    name = endpoint["VpcEndpointId"]
    if str(endpoint["State"]).lower() != "available":
        return f"the endpoint {name} is {endpoint['State']}"
    if endpoint["VpcEndpointType"] == "Gateway":
        table = table_of(live, subnet)
        here = table is not None and table["RouteTableId"] in endpoint.get("RouteTableIds", ())
        return "" if here else f"the endpoint {name} is not in its route table"
    if not endpoint.get("PrivateDnsEnabled"):
        return f"the endpoint {name} has no private DNS name"
    inner = {one["GroupId"] for one in endpoint.get("Groups", ())}
    own = live.subnets[subnet]["CidrBlock"]
    if not inner or any(_from(rule, groups, own) for rule in live.rules if rule["GroupId"] in inner):
        return ""
    return f"the security group of the endpoint {name} allows no inbound traffic from the tasks to port {HTTPS}"


def _from(rule: Item, groups: frozenset[str], own: str) -> bool:
    if rule["IsEgress"] or not _tcp(rule, HTTPS):
        return False
    other = (rule.get("ReferencedGroupInfo") or {}).get("GroupId")
    if other is not None:
        return other in groups
    return "CidrIpv4" not in rule or _within(own, rule["CidrIpv4"])


def _within(inner: str, outer: str) -> bool:
    one, other = ip_network(inner, strict=False), ip_network(outer, strict=False)
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]  # of one version


def vpcs(subnets: Iterable[Item]) -> Iterator[str]:
    yield from sorted({one["VpcId"] for one in subnets})
