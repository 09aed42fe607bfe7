"""IPv6 in the emulated network: ranges of VPCs and subnets, and what has addresses of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.control_plane.stage import Stage, refused


def block(stage: Stage) -> str:
    """The IPv6 range of the VPC, which gets one."""
    stage.ec2.associate_vpc_cidr_block(VpcId=stage.vpc, AmazonProvidedIpv6CidrBlock=True)
    (found,) = stage.ec2.describe_vpcs(VpcIds=[stage.vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"]
    return str(found["Ipv6CidrBlock"])


def part(whole: str, number: int) -> str:
    return whole.replace("00::/56", f"{number:02x}::/64")


def shown(stage: Stage, subnet: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0][
        "Ipv6CidrBlockAssociationSet"
    ]
    return found


def test_a_subnet_has_one_part_of_the_range_of_its_network(plain: Stage) -> None:
    """VPC user guide, "Subnet sizing for IPv6"; AssociateSubnetCidrBlock."""
    whole, (first, second) = block(plain), plain.subnets
    plain.ec2.associate_subnet_cidr_block(SubnetId=first, Ipv6CidrBlock=part(whole, 1))
    (found,) = shown(plain, first)
    assert (found["Ipv6CidrBlock"], found["Ipv6CidrBlockState"]["State"]) == (part(whole, 1), "associated")

    with refused("InvalidSubnet.Conflict"):
        plain.ec2.associate_subnet_cidr_block(SubnetId=second, Ipv6CidrBlock=part(whole, 1))
    with refused("InvalidSubnet.Range"):
        plain.ec2.associate_subnet_cidr_block(SubnetId=second, Ipv6CidrBlock="2001:db8::/64")
    with refused("InvalidParameterValue"):
        plain.ec2.associate_subnet_cidr_block(SubnetId=first, Ipv6CidrBlock=part(whole, 2))
    made = plain.ec2.create_subnet(
        VpcId=plain.vpc, CidrBlock="10.0.9.0/24", AvailabilityZone="us-west-2a", Ipv6CidrBlock=part(whole, 9)
    )["Subnet"]
    assert made["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlockState"] == {"State": "associated"}


@pytest.mark.parametrize("kind", ["task", "load balancer"])
def test_a_range_stays_while_something_has_an_address_of_it(plain: Stage, kind: str) -> None:
    """DisassociateSubnetCidrBlock, DisassociateVpcCidrBlock: what is associated has to go first."""
    whole = block(plain)
    for number, subnet in enumerate(plain.subnets):
        plain.ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock=part(whole, number))
    plain.load_balancer()
    if kind == "task":
        plain.cluster().definition()
        plain.service()
        plain.advance(60)
    else:
        plain.elb.set_ip_address_type(LoadBalancerArn=plain.alb, IpAddressType="dualstack")
    associations = [shown(plain, subnet)[0]["AssociationId"] for subnet in plain.subnets]
    taken = [one for one in plain.ec2.describe_network_interfaces()["NetworkInterfaces"] if one.get("Ipv6Addresses")]
    assert taken
    with refused("InvalidCidrBlock.InUse"):
        for association in associations:
            plain.ec2.disassociate_subnet_cidr_block(AssociationId=association)
    (whole_one,) = plain.ec2.describe_vpcs(VpcIds=[plain.vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"]
    with refused("InvalidCidrBlock.InUse"):
        plain.ec2.disassociate_vpc_cidr_block(AssociationId=whole_one["AssociationId"])


def test_a_dual_stack_load_balancer_needs_dual_stack_subnets(plain: Stage) -> None:
    """ELB user guide, "IP address type"; SetIpAddressType."""
    plain.load_balancer()
    with refused("InvalidSubnet", "IPv6 CIDR block"):
        plain.elb.set_ip_address_type(LoadBalancerArn=plain.alb, IpAddressType="dualstack")


def test_a_vpc_goes_after_its_egress_only_gateway(plain: Stage) -> None:
    """DeleteVpc: "You must detach or delete all gateways"."""
    vpc = plain.ec2.create_vpc(CidrBlock="10.1.0.0/20", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
    gateway = plain.ec2.create_egress_only_internet_gateway(VpcId=vpc)["EgressOnlyInternetGateway"]
    with refused("DependencyViolation"):
        plain.ec2.delete_vpc(VpcId=vpc)
    plain.ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=gateway["EgressOnlyInternetGatewayId"])
    plain.ec2.delete_vpc(VpcId=vpc)


def test_tasks_are_in_a_target_group_by_an_address_of_its_type(plain: Stage) -> None:
    """CreateTargetGroup, "IpAddressType"; DescribeTasks shows both addresses."""
    whole = block(plain)
    for number, subnet in enumerate(plain.subnets):
        plain.ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock=part(whole, number))
    plain.load_balancer()
    group = plain.target_group("six", IpAddressType="ipv6")
    plain.cluster().definition()
    plain.elb.modify_listener(
        ListenerArn=plain.production, DefaultActions=[{"Type": "forward", "TargetGroupArn": group}]
    )
    plain.service(loadBalancers=plain.behind(group), desiredCount=1)
    plain.advance(60)
    (task,) = plain.tasks()
    address = task["containers"][0]["networkInterfaces"][0]["ipv6Address"]
    assert any(address.startswith(part(whole, number).removesuffix("::/64")) for number in range(2))
    targets = plain.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    assert [one["Target"]["Id"] for one in targets] == [address]
