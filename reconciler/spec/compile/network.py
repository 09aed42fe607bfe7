"""Compilation of a Network: VPC, subnets, gateways, endpoints and security groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model.members import with_fields
from reconciler.model.resource import Address, Desired, Keep, Link, Ref
from reconciler.resources.elastic_ip import ElasticIpSpec
from reconciler.resources.internet_gateway import InternetGatewaySpec
from reconciler.resources.nat_gateway import NatGatewaySpec
from reconciler.resources.route_table import RouteTableSpec
from reconciler.resources.security_group import SecurityGroupSpec
from reconciler.resources.security_group_rules import Rule, SecurityGroupRulesSpec
from reconciler.resources.subnet import SubnetSpec
from reconciler.resources.vpc import VpcSpec
from reconciler.resources.vpc_endpoint import VpcEndpointSpec
from reconciler.spec import members, names
from reconciler.spec.compile import role
from reconciler.spec.compile.context import Context, cidr, link, unstated
from reconciler.spec.documents import Network
from reconciler.spec.documents.network import NetworkEndpoint

ANYWHERE = "0.0.0.0/0"
GATEWAY_ENDPOINTS = frozenset({"s3", "dynamodb"})


def compile_network(context: Context, network: Network) -> Iterator[Desired[Any]]:
    vpc = Ref(Address("vpc", network.name))
    yield context.desired(
        network,
        vpc.address,
        VpcSpec(
            cidr=cidr(network.cidr),
            secondary=None if network.secondary_cidrs is None else tuple(map(cidr, network.secondary_cidrs)),
            dns_support=network.dns_support,
            dns_hostnames=network.dns_hostnames,
            aws=members.said(network),
        ),
        kept=unstated(network, dns_support="dns_support", dns_hostnames="dns_hostnames"),
        name=names.vpc(network.name_in_aws),
    )
    if any(subnet.access == "public" for subnet in network.subnets):
        yield context.desired(
            network,
            Address("internet-gateway", network.name),
            InternetGatewaySpec(vpc=vpc),
            name=names.internet_gateway(network.name_in_aws),
        )
    for number, subnet in enumerate(network.subnets):
        yield context.desired(
            network,
            Address("subnet", subnet.name),
            SubnetSpec(vpc=vpc, cidr=cidr(subnet.cidr), zone=subnet.zone, aws=members.said(subnet)),
            "subnets",
            number,
            name=names.subnet(network.name_in_aws, subnet.name),
            tags=subnet.tags,
        )
    yield from _nat_gateways(context, network)
    yield from _route_tables(context, network, vpc)
    yield from _security_groups(context, network, vpc)
    yield from _endpoints(context, network, vpc)


def nat_zones(network: Network) -> dict[str, str]:
    """Zone → the public subnet that its NAT gateway stands in."""
    public: dict[str, str] = {}
    for subnet in network.subnets:
        if subnet.access == "public":
            public.setdefault(subnet.zone, subnet.name)
    match network.nat:
        case "none":
            return {}
        case "single":
            return dict([next(iter(public.items()))])
        case _:
            private = {subnet.zone for subnet in network.subnets if subnet.access == "private"}
            return {zone: name for zone, name in public.items() if zone in private}


def _nat_gateways(context: Context, network: Network) -> Iterator[Desired[Any]]:
    for zone, subnet in nat_zones(network).items():
        name = f"{network.name}-{zone}"
        address = Address("elastic-ip", name)
        yield context.desired(
            network, address, ElasticIpSpec(), "nat", name=names.nat_gateway(network.name_in_aws, zone)
        )
        yield context.desired(
            network,
            Address("nat-gateway", name),
            NatGatewaySpec(subnet=Ref(Address("subnet", subnet)), elastic_ip=Ref(address)),
            "nat",
            name=names.nat_gateway(network.name_in_aws, zone),
        )


def _route_tables(context: Context, network: Network, vpc: Link) -> Iterator[Desired[Any]]:
    gateways = nat_zones(network)
    tables: dict[str, list[int]] = {}
    for number, subnet in enumerate(network.subnets):
        tables.setdefault(subnet.table, []).append(number)
    for table, numbers in tables.items():
        first = network.subnets[numbers[0]]
        routes: dict[str, Link] = {}
        if first.access == "public":
            routes[ANYWHERE] = Ref(Address("internet-gateway", network.name))
        elif gateways:
            zone = first.zone if first.zone in gateways else next(iter(gateways))
            routes[ANYWHERE] = Ref(Address("nat-gateway", f"{network.name}-{zone}"))
        routes |= {
            cidr(route.destination): route.target
            for route in network.routes
            if not route.tables or table in route.tables
        }
        yield context.desired(
            network,
            Address("route-table", table),
            RouteTableSpec(
                vpc=vpc,
                routes=routes,
                subnets=tuple(Ref(Address("subnet", network.subnets[number].name)) for number in numbers),
            ),
            "subnets",
            numbers[0],
            kept={("routes",): Keep.ITEMS, ("subnets",): Keep.ITEMS},
            name=names.route_table(network.name_in_aws, table),
        )


def _security_groups(context: Context, network: Network, vpc: Link) -> Iterator[Desired[Any]]:
    for number, group in enumerate(network.security_groups):
        address = Address("security-group", group.name)
        path = ("security_groups", number)
        yield context.desired(
            network,
            address,
            SecurityGroupSpec(vpc=vpc, group_name=group.name_in_aws, description=group.description),
            *path,
            kept=unstated(group, description="description"),
            name=group.name_in_aws,
            tags=group.tags,
        )
        egress = None if group.egress is None else tuple(_rule(network, entry) for entry in group.egress)
        yield context.desired(
            network,
            Address("security-group-rules", group.name),
            SecurityGroupRulesSpec(
                group=Ref(address), ingress=tuple(_rule(network, entry) for entry in group.ingress), egress=egress
            ),
            *path,
            kept=unstated(group, ingress="ingress"),
        )


def _rule(network: Network, entry: Any) -> Rule:
    """One Ingress or Egress entry as AWS keeps it: `-1` is every protocol, and has no ports."""
    ports: dict[str, int | None] = {"from_port": entry.port.first, "to_port": entry.port.last}
    protocol = entry.protocol
    if protocol == "all":
        protocol, ports = "-1", {"from_port": None, "to_port": None}
    elif protocol == "icmp":
        ports = {"from_port": -1, "to_port": -1}
    elif entry.port.all:
        ports = {"from_port": 0, "to_port": 65535}
    source: Link = entry.peer
    if entry.peer == "anywhere":
        source = ANYWHERE
    elif "/" not in entry.peer and not entry.peer.startswith("pl-"):
        source = link("security-group", entry.peer, literal="sg-")
    unstated = network.adopt and "description" not in entry.model_fields_set
    return Rule(protocol=protocol, source=source, description=None if unstated else entry.description, **ports)


def _endpoints(context: Context, network: Network, vpc: Link) -> Iterator[Desired[Any]]:
    prefix = f"com.amazonaws.{context.stack.region}"
    tables = tuple(dict.fromkeys(subnet.table for subnet in network.subnets))
    declared: dict[str, NetworkEndpoint] = {one.service: one for one in network.endpoints}
    for service in sorted(GATEWAY_ENDPOINTS & declared.keys()):
        yield context.desired(
            network,
            Address("vpc-endpoint", f"{network.name}-{service}"),
            VpcEndpointSpec(
                vpc=vpc,
                service=f"{prefix}.{service}",
                type="Gateway",
                route_tables=tuple(Ref(Address("route-table", table)) for table in tables),
                policy=_policy(declared[service]),
                **_members(declared[service]),
            ),
            "endpoints",
            kept={("route_tables",): Keep.ITEMS},
            name=names.endpoint(network.name_in_aws, service),
        )
    if not network.interface_endpoints:
        return
    group, in_aws = names.endpoint_group(network.name), names.endpoint_group(network.name_in_aws)
    address = Address("security-group", group)
    https = tuple(
        Rule(protocol="tcp", from_port=443, to_port=443, source=cidr(one), description=None) for one in network.cidrs
    )
    yield context.desired(
        network,
        address,
        SecurityGroupSpec(vpc=vpc, group_name=in_aws, description="VPC endpoints, from inside the VPC"),
        "endpoints",
        kept={("description",): Keep.VALUE},
        name=in_aws,
    )
    yield context.desired(
        network,
        Address("security-group-rules", group),
        SecurityGroupRulesSpec(group=Ref(address), ingress=https),
        "endpoints",
        kept={("ingress",): Keep.ITEMS},
    )
    inside = tuple(Ref(Address("subnet", name)) for name in _one_subnet_a_zone(network))
    for endpoint, service in network.interface_services:
        yield context.desired(
            network,
            Address("vpc-endpoint", f"{network.name}-{service}"),
            VpcEndpointSpec(
                vpc=vpc,
                service=f"{prefix}.{service}",
                type="Interface",
                subnets=inside,
                security_groups=(Ref(address),),
                policy=_policy(declared[endpoint]),
                **{"private_dns": True, **_members(declared[endpoint])},
            ),
            "endpoints",
            kept={("subnets",): Keep.ITEMS, ("security_groups",): Keep.PRESENT, ("private_dns",): Keep.VALUE},
            name=names.endpoint(network.name_in_aws, service),
        )


def _policy(endpoint: NetworkEndpoint) -> dict[str, Any] | None:
    """Of whoever is inside the network; what they may do at all, their own policies say."""
    if not endpoint.policy:
        return None
    return role.document({**role.written(statement), "Principal": "*"} for statement in endpoint.policy)


def _members(endpoint: NetworkEndpoint) -> dict[str, Any]:
    """The fields of an endpoint that its `aws` says."""
    aws, fields = with_fields(members.api_of(endpoint), members.said(endpoint))
    return {**fields, "aws": aws}


def _one_subnet_a_zone(network: Network) -> list[str]:
    """Private ones where there are any; AWS takes one subnet a zone for an interface endpoint."""
    private = [subnet for subnet in network.subnets if subnet.access == "private"]
    zones: dict[str, str] = {}
    for subnet in private or network.subnets:
        zones.setdefault(subnet.zone, subnet.name)
    return list(zones.values())
