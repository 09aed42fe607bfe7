"""EC2: IPv6 ranges of VPCs and subnets, which stay for as long as something has an address of them.

Amazon VPC user guide, "IP addressing"; EC2 API reference, the operation's own page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv6Network, ip_address
from typing import Any

from reconciler.local.refusal import Refusal
from reconciler.local.strict import ec2, members
from reconciler.local.strict.rule import After, Before, Form
from reconciler.local.wire import Response
from reconciler.local.world import World


def _subnets(world: World) -> Iterator[Any]:
    return (subnet for by_zone in world.network.ec2.subnets.values() for subnet in by_zone.values())


def _ranges(subnet: Any) -> dict[str, IPv6Network]:
    """By the id of the association."""
    return {
        id_: IPv6Network(one["ipv6CidrBlock"])
        for id_, one in subnet.ipv6_cidr_block_associations.items()
        if one["ipv6CidrBlockState"]["State"] == "associated"
    }


def _of_vpc(vpc: Any) -> dict[str, IPv6Network]:
    every = vpc.get_cidr_block_association_set(ipv6=True) if vpc else []
    return {one["association_id"]: IPv6Network(one["cidr_block"]) for one in every}


def _check(world: World, vpc_id: str, block: str) -> None:
    """CreateSubnet, "Ipv6CidrBlock": a /64 of the VPC's range, of which no other subnet has a part."""
    wanted = IPv6Network(block)
    whole = _of_vpc(world.network.ec2.vpcs.get(vpc_id)).values()
    if wanted.prefixlen != 64 or not any(wanted.subnet_of(one) for one in whole):
        raise Refusal("InvalidSubnet.Range", f"The CIDR '{block}' is invalid.")
    taken = (one for subnet in _subnets(world) if subnet.vpc_id == vpc_id for one in _ranges(subnet).values())
    if any(wanted.overlaps(one) for one in taken):
        raise Refusal("InvalidSubnet.Conflict", f"The CIDR '{block}' conflicts with another subnet")


def create_subnet(world: World, form: Form) -> None:
    ec2.create_subnet(world, form)
    if block := form.get("Ipv6CidrBlock"):
        _check(world, form.get("VpcId", ""), block)


def associate_subnet_cidr_block(world: World, form: Form) -> None:
    """AssociateSubnetCidrBlock: "You can only associate a single IPv6 CIDR block with your subnet"."""
    subnet = next((one for one in _subnets(world) if one.id == form.get("SubnetId")), None)
    if subnet is None:
        return
    if _ranges(subnet):
        raise Refusal("InvalidParameterValue", f"The subnet {subnet.id} already has an IPv6 CIDR block")
    _check(world, subnet.vpc_id, form.get("Ipv6CidrBlock", ""))


def disassociate_subnet_cidr_block(world: World, form: Form) -> None:
    """DisassociateSubnetCidrBlock: "You must detach or delete all gateways and resources that are associated"."""
    for subnet in _subnets(world):
        block = _ranges(subnet).get(form.get("AssociationId", ""))
        for interface in world.network.ec2.enis.values() if block is not None else ():
            if block is not None and any(ip_address(one) in block for one in interface.ipv6_addresses):
                raise Refusal("InvalidCidrBlock.InUse", f"The CIDR block {block} is in use by {interface.id}")


def disassociate_vpc_cidr_block(world: World, form: Form) -> None:
    """DisassociateVpcCidrBlock: not while a subnet has a part of it."""
    for vpc in world.network.ec2.vpcs.values():
        block = _of_vpc(vpc).get(form.get("AssociationId", ""))
        for subnet in _subnets(world) if block is not None else ():
            if block is not None and any(one.subnet_of(block) for one in _ranges(subnet).values()):
                raise Refusal("InvalidCidrBlock.InUse", f"The CIDR block {block} is in use by {subnet.id}")


def _state(world: World, form: Form, response: Response) -> Response | None:  # noqa: ARG001 — see `After`
    """Ipv6CidrBlockState: moto writes the state as Python shows a structure."""
    wrong, right = b"<state>{'State': 'associated'}</state>", b"<state>associated</state>"
    return replace(response, body=response.body.replace(wrong, right)) if wrong in response.body else None


def _then(other: After) -> After:
    def after(world: World, form: Form, response: Response) -> Response | None:
        mended = _state(world, form, response) or response
        return other(world, form, mended) or mended

    return after


BEFORE: dict[tuple[str, str], Before] = {
    ("ec2", "AssociateSubnetCidrBlock"): associate_subnet_cidr_block,
    ("ec2", "CreateSubnet"): create_subnet,
    ("ec2", "DisassociateSubnetCidrBlock"): disassociate_subnet_cidr_block,
    ("ec2", "DisassociateVpcCidrBlock"): disassociate_vpc_cidr_block,
}
AFTER: dict[tuple[str, str], After] = {
    (service, name): _then(members.AFTER[service, name])
    for service, name in (("ec2", "CreateSubnet"), ("ec2", "DescribeSubnets"))
}
