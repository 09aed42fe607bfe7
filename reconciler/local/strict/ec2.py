"""EC2: dependencies that block a delete, one gateway a VPC, one association a subnet, addresses in use.

Amazon VPC user guide and EC2 API reference, "Error codes for the Amazon EC2 API"; the operation's own page where one is
named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any
from xml.sax.saxutils import escape

from reconciler.local.network import attach
from reconciler.local.refusal import Refusal
from reconciler.local.strict.rule import After, Before, Form, groups
from reconciler.local.wire import Response
from reconciler.local.world import World


def _blocked(message: str) -> Refusal:
    return Refusal("DependencyViolation", message)


def _interfaces(world: World) -> Iterator[Any]:
    return iter(world.network.ec2.enis.values())


# ---- deletes --------------------------------------------------------------------------------------------------------


def delete_vpc(world: World, form: Form) -> None:
    """DeleteVpc: "You must detach or delete all gateways and resources that are associated with the VPC"."""
    ec2, vpc_id = world.network.ec2, form.get("VpcId", "")
    attached = any(gateway.vpc and gateway.vpc.id == vpc_id for gateway in ec2.internet_gateways.values())
    attached |= any(gateway.vpc_id == vpc_id for gateway in ec2.egress_only_internet_gateways.values())
    own_groups = any(not group.is_default for group in ec2.groups.get(vpc_id, {}).values())
    endpoints = any(item.vpc_id == vpc_id and item.state != "deleted" for item in ec2.vpc_end_points.values())
    if attached or own_groups or endpoints or any(item.vpc_id == vpc_id for item in _interfaces(world)):
        raise _blocked(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")


def delete_subnet(world: World, form: Form) -> None:
    """DeleteSubnet: "You must terminate all running instances in the subnet": every network interface in it blocks."""
    subnet_id = form.get("SubnetId", "")
    if any(item.subnet.id == subnet_id for item in _interfaces(world)):
        raise _blocked(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")


def delete_security_group(world: World, form: Form) -> None:
    """DeleteSecurityGroup: DependencyViolation while an interface or another group's rule uses it."""
    ec2, group_id = world.network.ec2, form.get("GroupId", "")
    group = ec2.get_security_group_from_id(group_id)
    if group is None:
        return
    if group.is_default:
        raise Refusal("CannotDelete", f'the specified group: "{group_id}" name: "default" cannot be deleted by a user')
    used = any(group_id in [one.id for one in item.group_set] for item in _interfaces(world))
    if used or any(_names(other, group_id) for by_vpc in ec2.groups.values() for other in by_vpc.values()):
        raise _blocked(f"resource {group_id} has a dependent object")


def _names(other: Any, group_id: str) -> bool:
    if other.id == group_id:
        return False
    return any(
        source.get("GroupId") == group_id
        for rule in [*other.ingress_rules, *other.egress_rules]
        for source in ([rule.source_group] if isinstance(rule.source_group, dict) else rule.source_group or [])
    )


def delete_route_table(world: World, form: Form) -> None:
    """DeleteRouteTable: "You can't delete the main route table"."""
    table_id = form.get("RouteTableId", "")
    table = world.network.ec2.route_tables.get(table_id)
    if table and any(item["Main"] for item in table.associations):
        raise _blocked(f"The routeTable '{table_id}' has dependencies and cannot be deleted.")


def detach_internet_gateway(world: World, form: Form) -> None:
    """DetachInternetGateway: "The VPC must not contain any running instances with … public IPv4 addresses"."""
    vpc_id = form.get("VpcId", "")
    if any(item.vpc_id == vpc_id and item.public_ip for item in _interfaces(world)):
        raise _blocked(
            f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before "
            "detaching the gateway."
        )


def delete_network_interface(world: World, form: Form) -> None:
    """DeleteNetworkInterface: "You must detach the network interface before you can delete it"."""
    interface = world.network.ec2.enis.get(form.get("NetworkInterfaceId", ""))
    if interface is not None and interface.status == "in-use":
        raise Refusal("InvalidNetworkInterface.InUse", f"Network interface '{interface.id}' is currently in use.")


def detach_network_interface(world: World, form: Form) -> None:
    """DetachNetworkInterface: what another service has attached is that one's to detach
    (hashicorp/terraform-provider-aws, waitForNLBNetworkInterfacesToDetach, quotes the refusal)."""
    attachment = form.get("AttachmentId", "")
    if any(item.requester_managed and item.attachment_id == attachment for item in _interfaces(world)):
        raise Refusal("OperationNotPermitted", "You are not allowed to manage 'ela-attach' attachments.")


def release_address(world: World, form: Form) -> None:
    """ReleaseAddress: an address that is associated must be disassociated first."""
    for address in world.network.ec2.addresses:
        if address.allocation_id == form.get("AllocationId") and address.association_id:
            raise Refusal("InvalidIPAddress.InUse", f"Address {address.public_ip} is in use.")


# ---- creates and changes --------------------------------------------------------------------------------------------


def create_subnet(world: World, form: Form) -> None:  # noqa: ARG001 — every rule has this signature
    """VPC user guide, "Subnet sizing for IPv4": between /28 and /16."""
    prefix = str(form.get("CidrBlock", "")).rpartition("/")[2]
    if prefix.isdigit() and not 16 <= int(prefix) <= 28:
        raise Refusal("InvalidSubnet.Range", f"The CIDR '{form['CidrBlock']}' is invalid.")


def attach_internet_gateway(world: World, form: Form) -> None:
    """VPC user guide, "Internet gateways": a VPC has one at most."""
    ec2, vpc_id = world.network.ec2, form.get("VpcId", "")
    for gateway in ec2.internet_gateways.values():
        if gateway.vpc and gateway.vpc.id == vpc_id and gateway.id != form.get("InternetGatewayId"):
            raise Refusal("InvalidParameterValue", f"Network {vpc_id} already has an internet gateway attached")


def create_nat_gateway(world: World, form: Form) -> None:
    """CreateNatGateway, "AllocationId": required for a public one; NAT guide: the VPC needs an internet gateway."""
    if form.get("ConnectivityType", "public") == "private":
        return
    if not form.get("AllocationId"):
        raise Refusal(
            "MissingParameter", "The request must include the AllocationId parameter. Add the required parameter."
        )
    subnet = world.network.subnet(form.get("SubnetId", ""))
    if subnet and not world.network.has_internet_gateway(subnet.vpc_id):
        raise Refusal("Gateway.NotAttached", f"Network {subnet.vpc_id} has no Internet gateway attached")


def delete_nat_gateway(world: World, form: Form) -> None:
    """DeleteNatGateway: NatGatewayNotFound, where moto falls over."""
    gateway_id = form.get("NatGatewayId", "")
    if gateway_id not in world.network.ec2.nat_gateways:
        raise Refusal("NatGatewayNotFound", f"The Nat Gateway {gateway_id} was not found")


def create_route(world: World, form: Form) -> None:
    """CreateRoute, "GatewayId": an internet gateway attached to the route table's VPC."""
    ec2 = world.network.ec2
    gateway = ec2.internet_gateways.get(form.get("GatewayId", ""))
    table = ec2.route_tables.get(form.get("RouteTableId", ""))
    if gateway and table and (gateway.vpc is None or gateway.vpc.id != table.vpc_id):
        raise Refusal(
            "InvalidParameterValue",
            f"route table {table.id} and network gateway {gateway.id} belong to different networks",
        )


def associate_route_table(world: World, form: Form) -> None:
    """VPC user guide, "Subnet route tables": a subnet has one table; associating the same again changes nothing."""
    subnet_id, wanted = form.get("SubnetId"), form.get("RouteTableId", "")
    for table in world.network.ec2.route_tables.values():
        if subnet_id and table.id != wanted and any(item.get("SubnetId") == subnet_id for item in table.associations):
            raise Refusal(
                "Resource.AlreadyAssociated",
                f"the specified association for route table {wanted} conflicts with an existing association",
            )


def disassociate_route_table(world: World, form: Form) -> None:
    """DisassociateRouteTable: the main association cannot be taken away, only replaced."""
    association = form.get("AssociationId", "")
    for table in world.network.ec2.route_tables.values():
        if any(item["Main"] and item["RouteTableAssociationId"] == association for item in table.associations):
            raise Refusal(
                "InvalidParameterValue", f"cannot disassociate the main route table association {association}"
            )


def authorize(world: World, form: Form) -> None:  # noqa: ARG001 — every rule has this signature
    """AuthorizeSecurityGroupIngress, "FromPort": ports from 0 to 65535, in order, for TCP and UDP."""
    for permission in groups(form, "IpPermissions"):
        protocol = permission.get("IpProtocol", "")
        if protocol not in ("tcp", "udp", "6", "17"):
            continue
        low, high = permission.get("FromPort"), permission.get("ToPort")
        if low is None or high is None:
            raise Refusal("MissingParameter", "The request must contain the parameter from_port and to_port")
        if not 0 <= int(low) <= int(high) <= 65535:
            raise Refusal("InvalidParameterValue", f"Invalid {protocol.upper()} port range ({low}-{high})")


def create_tags(world: World, form: Form) -> None:  # noqa: ARG001 — every rule has this signature
    """EC2 user guide, "Tag restrictions": `aws:` is reserved."""
    if any(str(tag.get("Key", "")).lower().startswith("aws:") for tag in groups(form, "Tag")):
        raise Refusal("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")


# ---- afterwards -----------------------------------------------------------------------------------------------------


def nat_gateway_created(world: World, form: Form, response: Response) -> Response | None:
    """moto's is available at once, at an address outside its subnet."""
    found = re.search(rb"<natGatewayId>(nat-[0-9a-f]+)", response.body)
    gateway = world.network.ec2.nat_gateways[found[1].decode()] if found else None
    if gateway is None:
        return None
    kind = gateway.connectivity_type = form.get("ConnectivityType", "public")
    body = response.body
    if b"<connectivityType>" not in body:
        body = body.replace(b"</natGateway>", f"<connectivityType>{kind}</connectivityType></natGateway>".encode())
    body = body.replace(gateway._eni.private_ip_address.encode(), world.network.readdress(gateway._eni).encode())
    gateway._eni.description = f"Interface for NAT Gateway {gateway.id}"
    attach(gateway._eni, "amazon-aws", "nat_gateway")
    seconds = world.timings.nat_gateway_provisioning
    if not seconds:
        return Response(response.status, response.headers, body)
    gateway.state = "pending"

    def available() -> None:
        if gateway.state == "pending":
            gateway.state = "available"

    world.after(seconds, available)
    return Response(response.status, response.headers, body.replace(b">available<", b">pending<"))


def nat_gateway_deleted(world: World, form: Form, response: Response) -> Response | None:  # noqa: ARG001 — see above
    """Its interface and its hold on the address go with it; moto keeps both."""
    ec2 = world.network.ec2
    gateway = ec2.nat_gateways[form["NatGatewayId"]]
    gateway.state = "deleting" if world.timings.nat_gateway_provisioning else "deleted"

    def deleted() -> None:
        gateway.state = "deleted"
        ec2.enis.pop(gateway._eni.id, None)
        for address in ec2.addresses:
            if address.eni is gateway._eni:
                address.eni, address.association_id = None, None

    if world.timings.nat_gateway_provisioning:
        world.after(world.timings.nat_gateway_provisioning, deleted)
    else:
        deleted()
    return None


def rules_described(world: World, form: Form, answer: Response) -> Response | None:  # noqa: ARG001
    """SecurityGroupRule, "Description", of a rule whose source is a group: moto leaves it out of every answer."""
    by_id = {
        rule.id: (rule.source_group or {}).get("Description")
        for by_vpc in world.network.ec2.groups.values()
        for group in by_vpc.values()
        for rule in (*group.ingress_rules, *group.egress_rules)
    }

    def with_description(found: re.Match[bytes]) -> bytes:
        text = by_id.get(found[1].decode())
        return found[0] if not text else found[0] + f"<description>{escape(text)}</description>".encode()

    body = re.sub(rb"<securityGroupRuleId>([^<]+)</securityGroupRuleId>", with_description, answer.body)
    return replace(answer, body=body)


def rules_modified(world: World, form: Form, answer: Response) -> Response | None:  # noqa: ARG001
    """ModifySecurityGroupRules: moto keeps the new description of a rule whose source is a group as one of a range."""
    group = world.network.ec2.get_security_group_from_id(form.get("GroupId", ""))
    for rule in () if group is None else (*group.ingress_rules, *group.egress_rules):
        if rule.source_group and "Description" in (rule.ip_range or {}):
            rule.source_group["Description"] = rule.ip_range.pop("Description")
    return None


def descriptions_updated(direction: str, world: World, form: Form, answer: Response) -> Response | None:  # noqa: ARG001
    """UpdateSecurityGroupRuleDescriptions…: a rule that is sent without a description loses the one that it had.

    moto leaves it, and does not find rules whose source is a group.
    """
    group = world.network.ec2.get_security_group_from_id(form.get("GroupId", ""))
    rules = [] if group is None else getattr(group, direction)
    for entry in groups(form, "IpPermissions"):
        ports = (entry["IpProtocol"], entry.get("FromPort", "None"), entry.get("ToPort", "None"))
        for name, key in (("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6"), ("Groups", "GroupId")):
            for named in groups(entry, name):
                for rule in rules:
                    source = (rule.source_group if key == "GroupId" else rule.ip_range) or {}
                    there = (rule.ip_protocol, str(rule.from_port), str(rule.to_port))
                    if there == ports and source.get(key) == named[key]:
                        source.pop("Description", None)
                        source.update({"Description": named["Description"]} if named.get("Description") else {})
    return None


BEFORE: dict[tuple[str, str], Before] = {
    ("ec2", "AssociateRouteTable"): associate_route_table,
    ("ec2", "AttachInternetGateway"): attach_internet_gateway,
    ("ec2", "AuthorizeSecurityGroupEgress"): authorize,
    ("ec2", "AuthorizeSecurityGroupIngress"): authorize,
    ("ec2", "CreateNatGateway"): create_nat_gateway,
    ("ec2", "CreateRoute"): create_route,
    ("ec2", "CreateSubnet"): create_subnet,
    ("ec2", "CreateTags"): create_tags,
    ("ec2", "DeleteNatGateway"): delete_nat_gateway,
    ("ec2", "DeleteNetworkInterface"): delete_network_interface,
    ("ec2", "DeleteRouteTable"): delete_route_table,
    ("ec2", "DeleteSecurityGroup"): delete_security_group,
    ("ec2", "DeleteSubnet"): delete_subnet,
    ("ec2", "DeleteVpc"): delete_vpc,
    ("ec2", "DetachInternetGateway"): detach_internet_gateway,
    ("ec2", "DetachNetworkInterface"): detach_network_interface,
    ("ec2", "DisassociateRouteTable"): disassociate_route_table,
    ("ec2", "ReleaseAddress"): release_address,
    ("ec2", "ReplaceRoute"): create_route,
}
AFTER: dict[tuple[str, str], After] = {
    ("ec2", "AuthorizeSecurityGroupEgress"): rules_described,
    ("ec2", "AuthorizeSecurityGroupIngress"): rules_described,
    ("ec2", "DescribeSecurityGroupRules"): rules_described,
    ("ec2", "ModifySecurityGroupRules"): rules_modified,
    ("ec2", "UpdateSecurityGroupRuleDescriptionsEgress"): partial(descriptions_updated, "egress_rules"),
    ("ec2", "UpdateSecurityGroupRuleDescriptionsIngress"): partial(descriptions_updated, "ingress_rules"),
    ("ec2", "CreateNatGateway"): nat_gateway_created,
    ("ec2", "DeleteNatGateway"): nat_gateway_deleted,
}
