"""The network as EC2 has it, and the interfaces that load balancers and tasks own in it.

Read from moto's EC2 state, and written in one respect only: network interfaces that belong to AWS.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from reconciler.local.refusal import Refusal
from reconciler.local.rest import Rest

RESERVED_ADDRESSES = 4
"""The first of a subnet, as its last (VPC user guide, "Subnet sizing"): network, router, name server, one kept."""


@dataclass(frozen=True, slots=True)
class Subnet:
    id: str
    vpc_id: str
    zone: str
    cidr: str


@dataclass(frozen=True, slots=True)
class Interface:
    """An elastic network interface."""

    id: str
    subnet: Subnet
    private_address: str
    public_address: str
    mac_address: str
    dns_name: str
    ipv6_address: str = ""


@dataclass(frozen=True, slots=True)
class Holder:
    """What moto takes for the instance that an interface is attached to: a service of AWS, which has no id."""

    owner_id: str
    id: None = None
    security_groups: tuple[Any, ...] = ()


def attach(interface: Any, owner: str, kind: str = "interface") -> None:
    """Attach one of moto's interfaces to the service of AWS that uses it, as DescribeNetworkInterfaces answers it:
    `amazon-elb`, or `amazon-aws` for NAT gateways and endpoints."""
    interface.instance, interface.device_index, interface.interface_type = Holder(owner), 1, kind
    interface.attachment_id = f"{'ela' if owner == 'amazon-aws' else 'eni'}-attach-{interface.id.partition('-')[2]}"
    interface.requester_managed, interface.status = True, "in-use"


class AddressesExhausted(Exception):
    """The subnet has no free address."""


@dataclass(slots=True)
class Network:
    rest: Rest
    _public: Iterator[int]  # numbers of public addresses, which no two regions share
    _cursors: dict[str, int] = field(default_factory=dict)

    @property
    def ec2(self) -> Any:
        return self.rest.state("ec2")

    def subnet(self, subnet_id: str) -> Subnet | None:
        for by_zone in self.ec2.subnets.values():
            if found := by_zone.get(subnet_id):
                return Subnet(found.id, found.vpc_id, found.availability_zone, found.cidr_block)
        return None

    def vpc_exists(self, vpc_id: str) -> bool:
        return vpc_id in self.ec2.vpcs

    def vpc_of_group(self, group_id: str) -> str | None:
        group = self.ec2.get_security_group_from_id(group_id)
        return str(group.vpc_id) if group else None

    def default_group(self, vpc_id: str) -> str | None:
        group = self.ec2.get_default_security_group(vpc_id)
        return str(group.id) if group else None

    def vpc_contains(self, vpc_id: str, address: str) -> bool:
        vpc = self.ec2.vpcs.get(vpc_id)
        blocks = [item["cidr_block"] for item in vpc.cidr_block_association_set] if vpc else []
        return any(ipaddress.ip_address(address) in ipaddress.ip_network(block) for block in blocks)

    def has_internet_gateway(self, vpc_id: str) -> bool:
        return any(gateway.vpc and gateway.vpc.id == vpc_id for gateway in self.ec2.internet_gateways.values())

    def reaches_registry(self, subnet_id: str, *, public: bool) -> bool:
        """Whether a task there gets at ECR: an internet gateway with a public address, NAT, or interface endpoints."""
        subnet = self.subnet(subnet_id)
        if subnet is None:
            return False
        tables = [table for table in self.ec2.route_tables.values() if table.vpc_id == subnet.vpc_id]
        own = [table for table in tables if any(item.get("SubnetId") == subnet_id for item in table.associations)] or [
            table for table in tables if any(item["Main"] for item in table.associations)
        ]
        routes = [route for table in own for route in table.routes if route.destination_cidr_block == "0.0.0.0/0"]
        if any(route.nat_gateway or (route.gateway and public) for route in routes):
            return True
        endpoints = [item for item in self.ec2.vpc_end_points.values() if item.vpc_id == subnet.vpc_id]
        services = {str(item.service_name).partition(f"{self.rest.region}.")[2] for item in endpoints}
        return {"ecr.api", "ecr.dkr", "s3"} <= services

    # ---- interfaces -------------------------------------------------------------------------------------------------

    def open_interface(
        self,
        subnet_id: str,
        groups: list[str],
        description: str,
        *,
        requester: str,
        public: bool,
        ipv6: bool = False,
    ) -> Interface:
        """A network interface that belongs to AWS (`RequesterManaged`), at the subnet's next free address; with `ipv6`
        at one of its IPv6 range as well, if it has one."""
        subnet = self.subnet(subnet_id)
        if subnet is None:
            raise Refusal("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")
        made = self.ec2.create_network_interface(
            self.ec2.get_subnet(subnet_id), self._free_address(subnet), group_ids=groups, description=description
        )
        made.requester_id = requester
        attach(made, requester)
        if public:
            number = next(self._public)
            made.public_ip = f"198.51.{100 + number // 254 % 100}.{number % 254 + 1}"
        return Interface(
            made.id,
            subnet,
            made.private_ip_address,
            made.public_ip or "",
            made.mac_address,
            f"ip-{made.private_ip_address.replace('.', '-')}.{self._private_domain}",
            self.set_ipv6(made.id, ipv6),
        )

    def ipv6_range(self, subnet_id: str) -> str:
        """That of a subnet; empty if it has none."""
        subnet = next((by_zone[subnet_id] for by_zone in self.ec2.subnets.values() if subnet_id in by_zone), None)
        ranges = subnet.ipv6_cidr_block_associations.values() if subnet else ()
        return next((one["ipv6CidrBlock"] for one in ranges if one["ipv6CidrBlockState"]["State"] == "associated"), "")

    def set_ipv6(self, interface_id: str, on: bool) -> str:
        """Give an interface an IPv6 address, or take it away; the address that it has then, if any."""
        interface = self.ec2.enis[interface_id]
        block = self.ipv6_range(interface.subnet.id) if on else ""
        if not block:
            interface.ipv6_addresses = []
            return ""
        if not interface.ipv6_addresses:
            number = next(self._public)
            interface.ipv6_addresses = [str(ipaddress.IPv6Network(block)[RESERVED_ADDRESSES + number])]
        return str(interface.ipv6_addresses[0])

    @property
    def _private_domain(self) -> str:
        """VPC user guide, "DNS attributes for your VPC": us-east-1 has a domain of its own."""
        return "ec2.internal" if self.rest.region == "us-east-1" else f"{self.rest.region}.compute.internal"

    def close_interface(self, interface_id: str) -> None:
        self.ec2.enis.pop(interface_id, None)

    def readdress(self, interface: Any) -> str:
        """Give an interface of moto's, which has an address from anywhere, one of its subnet."""
        subnet = self.subnet(interface.subnet.id)
        assert subnet is not None
        address = interface.private_ip_address = self._free_address(subnet)
        interface.private_ip_addresses = [{"Primary": True, "PrivateIpAddress": address}]
        return address

    def set_interface_groups(self, interface_id: str, groups: list[str]) -> None:
        if interface_id in self.ec2.enis:
            self.ec2.modify_network_interface_attribute(interface_id, groups)

    def _free_address(self, subnet: Subnet) -> str:
        """In turn, not the lowest: an address that has just been freed may still be draining somewhere."""
        network = ipaddress.ip_network(subnet.cidr)
        taken = {item.private_ip_address for item in self.ec2.enis.values() if item.subnet.id == subnet.id}
        usable = network.num_addresses - RESERVED_ADDRESSES - 1
        start = self._cursors.get(subnet.id, 0)
        for step in range(usable):
            offset = (start + step) % usable
            address = str(network[RESERVED_ADDRESSES + offset])
            if address not in taken:
                self._cursors[subnet.id] = offset + 1
                return address
        raise AddressesExhausted(subnet.id)
