"""Load balancers: created, described, changed in place, deleted. They own network interfaces in their subnets."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.local.elb.checks import check_name, invalid, load_balancer, paged, tags_of
from reconciler.local.elb.routes import publish
from reconciler.local.elb.state import LoadBalancer, Params
from reconciler.local.network import AddressesExhausted, Subnet
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

HOSTED_ZONES = {
    "ap-northeast-1": "Z14GRHDCWA56QT",
    "ap-northeast-2": "ZWKZPGTI48KDX",
    "ap-northeast-3": "Z5LXEXXYW11ES",
    "ap-south-1": "ZP97RAFLXTNZK",
    "ap-southeast-1": "Z1LMS91P8CMLE5",
    "ap-southeast-2": "Z1GM3OXH4ZPM65",
    "ca-central-1": "ZQSVJUPU6J1EY",
    "eu-central-1": "Z215JYRZR1TBD5",
    "eu-north-1": "Z23TAZ6LKFMNIO",
    "eu-west-1": "Z32O12XQLNTSW2",
    "eu-west-2": "ZHURV8PSTC4K8",
    "eu-west-3": "Z3Q77PNBQS71R4",
    "sa-east-1": "Z2P70J7HTTTPLU",
    "us-east-1": "Z35SXDOTRQ7X7K",
    "us-east-2": "Z3AADJGX6KTTL2",
    "us-west-1": "Z368ELLRRE2KJ0",
    "us-west-2": "Z1H1FL5HABSF5",
}
"""AWS General Reference, "Elastic Load Balancing endpoints": the Route 53 hosted zone of each region's names."""
GROUPS_PER_INTERFACE = 5


def create_load_balancer(world: World, params: Params) -> Params:
    name = params["Name"]
    check_name(name, "Load balancer")
    if name.startswith("internal-"):
        raise invalid(f"Load balancer name '{name}' cannot begin with 'internal-'")
    kind = params.get("Type", "application")
    if kind not in ("application", "network"):
        raise Refusal("InvalidConfigurationRequest", f"The local AWS emulator has no load balancers of type {kind}")
    tags = tags_of(params)
    scheme = params.get("Scheme", "internet-facing")
    subnets = check_subnets(world, subnet_ids(params), kind)
    vpc_id = subnets[0].vpc_id
    given = params.get("SecurityGroups")
    groups = check_groups(world, given, vpc_id) if given or kind == "application" else []
    if existing := next((item for item in world.elb.load_balancers.values() if item.name == name), None):
        same = (
            existing.type,
            existing.scheme,
            set(existing.subnets),
            set(existing.security_groups),
            existing.ip_address_type,
        ) == (
            kind,
            scheme,
            {item.id for item in subnets},
            set(groups),
            params.get("IpAddressType", "ipv4"),
        )
        if same and existing.tags == tags:
            return {"LoadBalancers": [shown(world, existing)]}
        raise Refusal(
            "DuplicateLoadBalancerName",
            f"A load balancer with the same name '{name}' exists, but with different settings",
        )
    if scheme == "internet-facing" and not world.network.has_internet_gateway(vpc_id):
        raise Refusal("InvalidSubnet", f"VPC {vpc_id} has no internet gateway")
    identifier = world.ids.hexadecimal(16)
    part = "net" if kind == "network" else "app"
    zone = f"elb.{world.region}" if kind == "network" else f"{world.region}.elb"
    prefix = "internal-" if scheme == "internal" else ""
    made = LoadBalancer(
        arn=world.arn("elasticloadbalancing", f"loadbalancer/{part}/{name}/{identifier}"),
        name=name,
        identifier=identifier,
        dns_name=f"{prefix}{name}-{world.ids.digits(10)}.{zone}.amazonaws.com",
        scheme=scheme,
        vpc_id=vpc_id,
        subnets=[],
        security_groups=groups,
        created_at=world.now,
        type=kind,
        ip_address_type=params.get("IpAddressType", "ipv4"),
        tags=tags,
    )
    check_addresses(world, made.ip_address_type, made, [item.id for item in subnets])
    attach(world, made, subnets)
    world.elb.load_balancers[made.arn] = made
    world.after(world.timings.load_balancer_provisioning, lambda: _activate(world, made.arn))
    return {"LoadBalancers": [shown(world, made)]}


def subnet_ids(params: Params) -> list[str]:
    given = params.get("Subnets") or [item["SubnetId"] for item in params.get("SubnetMappings", [])]
    if not given:
        raise invalid("Subnets must be specified")
    return list(given)


def check_subnets(world: World, ids: list[str], kind: str) -> list[Subnet]:
    """CreateLoadBalancer and SetSubnets: one subnet a zone, one VPC, and at least two zones for applications."""
    found = []
    for subnet_id in dict.fromkeys(ids):
        subnet = world.network.subnet(subnet_id)
        if subnet is None:
            raise Refusal("SubnetNotFound", f"The subnet ID '{subnet_id}' does not exist")
        found.append(subnet)
    if len({subnet.vpc_id for subnet in found}) > 1:
        raise Refusal("InvalidSubnet", "All subnets must belong to the same VPC")
    if len({subnet.zone for subnet in found}) < len(found):
        raise Refusal(
            "InvalidConfigurationRequest",
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
        )
    if len(found) < 2 and kind == "application":
        raise invalid("At least two subnets in two different Availability Zones must be specified")
    return found


def check_addresses(world: World, kind: str, balancer: LoadBalancer, subnets: Iterable[str]) -> None:
    """SetIpAddressType; ELB user guides, "IP address type": every subnet of a dual-stack one has an IPv6 range."""
    if kind not in ("ipv4", "dualstack", "dualstack-without-public-ipv4"):
        raise invalid(f"'{kind}' is not a valid IP address type")
    of = (balancer.type, balancer.scheme)
    if kind == "dualstack-without-public-ipv4" and of != ("application", "internet-facing"):
        raise Refusal("InvalidConfigurationRequest", f"The IP address type {kind} is not supported for {' '.join(of)}")
    if kind != "ipv4" and (lacking := [item for item in subnets if not world.network.ipv6_range(item)]):
        raise Refusal("InvalidSubnet", f"You must specify subnets with an associated IPv6 CIDR block: {lacking[0]}")


def check_groups(world: World, ids: list[str] | None, vpc_id: str) -> list[str]:
    """The security groups, or the VPC's default group when none is named."""
    if not ids:
        default = world.network.default_group(vpc_id)
        return [default] if default else []
    if len(ids) > GROUPS_PER_INTERFACE:
        raise Refusal("InvalidConfigurationRequest", f"At most {GROUPS_PER_INTERFACE} security groups can be specified")
    for group in ids:
        if world.network.vpc_of_group(group) != vpc_id:
            raise Refusal("InvalidConfigurationRequest", "One or more security groups are invalid")
    return list(dict.fromkeys(ids))


def attach(world: World, balancer: LoadBalancer, subnets: Iterable[Subnet]) -> None:
    """The balancer's interfaces are in exactly these subnets."""
    wanted = {subnet.id for subnet in subnets}
    for subnet_id in [item for item in balancer.interfaces if item not in wanted]:
        _release(world, balancer.interfaces.pop(subnet_id))
    for subnet_id in sorted(wanted - set(balancer.interfaces)):
        description = f"ELB {balancer.in_arns}"
        public = balancer.scheme == "internet-facing"
        try:
            interface = world.network.open_interface(
                subnet_id,
                balancer.security_groups,
                description,
                requester="amazon-elb",
                public=public,
                ipv6=balancer.ip_address_type != "ipv4",
            )
        except AddressesExhausted as error:
            raise Refusal("InvalidSubnet", f"Not enough IP space available in {subnet_id}") from error
        balancer.interfaces[subnet_id] = interface.id
    balancer.subnets = sorted(wanted)


def _release(world: World, interface_id: str) -> None:
    world.after(world.timings.load_balancer_interfaces, lambda: world.network.close_interface(interface_id))


def _activate(world: World, arn: str) -> None:
    if balancer := world.elb.load_balancers.get(arn):
        balancer.state = "active"
        publish(world)


def shown(world: World, balancer: LoadBalancer) -> Params:
    zones = [subnet for item in balancer.subnets if (subnet := world.network.subnet(item))]
    return {
        "LoadBalancerArn": balancer.arn,
        "DNSName": balancer.dns_name,
        "CanonicalHostedZoneId": HOSTED_ZONES.get(world.region, f"Z{world.region.replace('-', '').upper()}"),
        "CreatedTime": balancer.created_at,
        "LoadBalancerName": balancer.name,
        "Scheme": balancer.scheme,
        "VpcId": balancer.vpc_id,
        "State": {"Code": balancer.state},
        "Type": balancer.type,
        "AvailabilityZones": [
            {"ZoneName": item.zone, "SubnetId": item.id, "LoadBalancerAddresses": []} for item in zones
        ],
        "SecurityGroups": list(balancer.security_groups),
        "IpAddressType": balancer.ip_address_type,
    }


def describe_load_balancers(world: World, params: Params) -> Params:
    every = world.elb.load_balancers
    if arns := params.get("LoadBalancerArns"):
        chosen = [every[arn] for arn in arns if arn in every]
        complete = len(chosen) == len(arns)
    elif names := params.get("Names"):
        chosen = [item for item in every.values() if item.name in names]
        complete = len(chosen) == len(set(names))
    else:
        chosen, complete = list(every.values()), True
    if not complete:
        raise Refusal("LoadBalancerNotFound", "One or more load balancers not found")
    return paged([shown(world, item) for item in chosen], params, "LoadBalancerArn", "LoadBalancers")


def delete_load_balancer(world: World, params: Params) -> Params:
    """Succeeds for one that is not there; takes its listeners and rules with it."""
    balancer = world.elb.load_balancers.get(params["LoadBalancerArn"])
    if balancer is None:
        return {}
    if balancer.attributes.get("deletion_protection.enabled") == "true":
        raise Refusal(
            "OperationNotPermitted",
            f"Load balancer '{balancer.arn}' cannot be deleted because deletion protection is enabled",
        )
    for listener in world.elb.listeners_of(balancer.arn):
        for rule in world.elb.rules_of(listener.arn):
            del world.elb.rules[rule.arn]
        del world.elb.listeners[listener.arn]
    for interface_id in balancer.interfaces.values():
        _release(world, interface_id)
    del world.elb.load_balancers[balancer.arn]
    publish(world)
    return {}


def set_subnets(world: World, params: Params) -> Params:
    balancer = load_balancer(world, params["LoadBalancerArn"])
    subnets = check_subnets(world, subnet_ids(params), balancer.type)
    if subnets[0].vpc_id != balancer.vpc_id:
        raise Refusal("InvalidSubnet", "All subnets must belong to the load balancer's VPC")
    check_addresses(world, balancer.ip_address_type, balancer, [item.id for item in subnets])
    attach(world, balancer, subnets)
    answer = shown(world, balancer)
    return {"AvailabilityZones": answer["AvailabilityZones"], "IpAddressType": balancer.ip_address_type}


def set_security_groups(world: World, params: Params) -> Params:
    balancer = load_balancer(world, params["LoadBalancerArn"])
    if balancer.type == "network" and not balancer.security_groups:
        raise Refusal("InvalidConfigurationRequest", "The load balancer was created without security groups")
    balancer.security_groups = check_groups(world, params["SecurityGroups"], balancer.vpc_id)
    for interface_id in balancer.interfaces.values():
        world.network.set_interface_groups(interface_id, balancer.security_groups)
    return {"SecurityGroupIds": list(balancer.security_groups)}


def set_ip_address_type(world: World, params: Params) -> Params:
    balancer = load_balancer(world, params["LoadBalancerArn"])
    check_addresses(world, params["IpAddressType"], balancer, balancer.subnets)
    balancer.ip_address_type = params["IpAddressType"]
    for interface_id in balancer.interfaces.values():
        world.network.set_ipv6(interface_id, balancer.ip_address_type != "ipv4")
    return {"IpAddressType": balancer.ip_address_type}
