"""Compilation of a Network: VPC, subnets, gateways, endpoints and security groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.model.member_values import merged
from reconciler.model.members import laid, with_fields
from reconciler.model.resource import Address, Desired, Keep, Link, Path, Ref
from reconciler.resources._ec2 import IPV6
from reconciler.resources.egress_only_internet_gateway import EgressOnlyInternetGatewaySpec
from reconciler.resources.elastic_ip import ElasticIpSpec
from reconciler.resources.internet_gateway import InternetGatewaySpec
from reconciler.resources.nat_gateway import NatGatewaySpec
from reconciler.resources.route_table import RouteTableSpec
from reconciler.resources.security_group import SecurityGroupSpec
from reconciler.resources.security_group_rules import Rule, SecurityGroupRulesSpec
from reconciler.resources.subnet import SubnetSpec
from reconciler.resources.vpc import VpcSpec
from reconciler.resources.vpc_endpoint import POLICY, VpcEndpointSpec
from reconciler.spec import members, names, queries
from reconciler.spec.compile import role
from reconciler.spec.compile.context import Context, cidr, unstated
from reconciler.spec.compile.security_group import ANYWHERE, ANYWHERE_IPV6, compile_security_groups
from reconciler.spec.compile.task_members import keeping
from reconciler.spec.documents import Network
from reconciler.spec.documents.network import NetworkEndpoint

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
            ipv6=network.ipv6,
            aws=members.said(network),
        ),
        kept=unstated(network, dns_support="dns_support", dns_hostnames="dns_hostnames"),
        members={} if network.ipv6 is None else {IPV6: Keep.STATED},
        name=names.vpc(network.name_in_aws),
    )
    if any(subnet.access == "public" for subnet in network.subnets):
        yield context.desired(
            network,
            Address("internet-gateway", network.name),
            InternetGatewaySpec(vpc=vpc),
            name=names.internet_gateway(network.name_in_aws),
        )
    if network.egress_only:
        yield context.desired(
            network,
            Address("egress-only-internet-gateway", network.name),
            EgressOnlyInternetGatewaySpec(vpc=vpc),
            name=names.egress_only_internet_gateway(network.name_in_aws),
        )
    for number, subnet in enumerate(network.subnets):
        yield context.desired(
            network,
            Address("subnet", subnet.name),
            SubnetSpec(vpc=vpc, cidr=cidr(subnet.cidr), zone=subnet.zone, ipv6=subnet.ipv6, aws=members.said(subnet)),
            "subnets",
            number,
            members={} if subnet.ipv6 is None else {IPV6: Keep.STATED},
            name=names.subnet(network.name_in_aws, subnet.name),
            tags=subnet.tags,
        )
    yield from _nat_gateways(context, network)
    yield from _route_tables(context, network, vpc)
    yield from compile_security_groups(context, network, vpc)
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
        if (out := _ipv6_route(network, numbers)) is not None:
            routes[ANYWHERE_IPV6] = out
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


def _ipv6_route(network: Network, numbers: Iterable[int]) -> Link | None:
    """What a table of the subnets with these numbers sends to the internet by, if one of them has an IPv6 range."""
    served = [network.subnets[number] for number in numbers if network.subnets[number].ipv6 is not None]
    if not served:
        return None
    if served[0].access == "public":
        return Ref(Address("internet-gateway", network.name))
    return Ref(Address("egress-only-internet-gateway", network.name)) if network.egress_only else None


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
            members=_stated(declared[service]),
            name=names.endpoint(network.name_in_aws, service),
        )
    if not network.interface_endpoints:
        return
    group, in_aws = names.endpoint_group(network.name), names.endpoint_group(network.name_in_aws)
    address = Address("security-group", group)
    # Nothing outside reaches the IPv6 addresses of an endpoint (AWS PrivateLink guide, "Interface VPC endpoints", IPv6)
    ipv6 = [ANYWHERE_IPV6] if any(queries.by_ipv6(declared[one]) for one in network.interface_endpoints) else []
    sources = [*map(cidr, network.cidrs), *ipv6]
    https = tuple(Rule(protocol="tcp", from_port=443, to_port=443, source=one, description=None) for one in sources)
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
    for endpoint, service in network.interface_services:
        subnets = queries.endpoint_subnets(network, declared[endpoint])
        yield context.desired(
            network,
            Address("vpc-endpoint", f"{network.name}-{service}"),
            VpcEndpointSpec(
                vpc=vpc,
                service=f"{prefix}.{service}",
                type="Interface",
                subnets=tuple(Ref(Address("subnet", name)) for name in subnets),
                security_groups=(Ref(address),),
                policy=_policy(declared[endpoint]),
                **{"private_dns": True, **_members(declared[endpoint])},
            ),
            "endpoints",
            kept={("subnets",): Keep.ITEMS, ("security_groups",): Keep.PRESENT, ("private_dns",): Keep.VALUE},
            members=_stated(declared[endpoint]),
            name=names.endpoint(network.name_in_aws, service),
        )


def _policy(endpoint: NetworkEndpoint) -> dict[str, Any] | None:
    """Of whoever is inside the network; what they may do at all, their own policies say."""
    if not endpoint.policy:
        return None
    return role.document({**role.written(statement), "Principal": "*"} for statement in endpoint.policy)


def _stated(endpoint: NetworkEndpoint) -> dict[Path, Keep]:
    return {**({POLICY: Keep.STATED} if endpoint.policy else {}), **keeping((), _addresses(endpoint))}


def _members(endpoint: NetworkEndpoint) -> dict[str, Any]:
    """The fields of an endpoint that its `aws` says, and the members that other fields of the document set."""
    aws, fields = with_fields(members.api_of(endpoint), members.said(endpoint))
    return {**fields, "aws": merged(aws, laid(_addresses(endpoint)))}


def _addresses(endpoint: NetworkEndpoint) -> dict[Path, Any]:
    stated = {("IpAddressType",): endpoint.ip_address_type, ("DnsOptions", "DnsRecordIpType"): endpoint.dns_records}
    return {path: value for path, value in stated.items() if value is not None}
