"""A subnet: a part of a VPC's address range, in one availability zone.

Its range, zone and VPC cannot be changed. No two subnets of a VPC may overlap, so a new one can stand beside the old
only with another range, and whatever already has the range that the specs want is in the way, whatever it is called.

An IPv6 range comes and goes without a new subnet. It is the /64 with a certain number in that of the VPC, which is
known once AWS has chosen it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Network, ip_network
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import JsonValue

from reconciler import errors
from reconciler.model import members, resource
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.permissions import Permissions
from reconciler.model.resource import Call, Calls, Desired, Link, Observed, Path, ResourceHealth
from reconciler.model.resource_type import FieldMark, Replace, ResourceType, Scope
from reconciler.resources import _ec2, _gone
from reconciler.resources._ec2 import IPV6, Cidr, Item, ec2

API: Final = ApiMembers(
    "ec2",
    create="CreateSubnet",
    described="Subnet",
    words={
        "VpcId": "the Network document",
        "CidrBlock": "cidr",
        "Ipv4NetmaskLength": "cidr",
        "Ipv6CidrBlock": "ipv6",
        "AvailabilityZone": "zone",
        "AvailabilityZoneId": "zone",
        "TagSpecifications": "the document's `tags`",
    },
    owned={
        "DryRun": "a plan shows what would be done",
        "Ipv6Native": "a subnet has an IPv4 range, its `cidr`",
    },
)


LENGTH: Final = 64  # bits of the prefix of a subnet's IPv6 range
AMAZON: Final = "::/56"
NO_RANGE: Final = "none"


class SubnetSpec(resource.Spec):
    """`ipv6` is the number of its /64 in the IPv6 range of the VPC."""

    api: ClassVar[ApiMembers] = API
    optional: ClassVar[Mapping[Path, Any]] = {IPV6: NO_RANGE}

    vpc: Annotated[Link, FieldMark.IMMUTABLE]
    cidr: Annotated[Cidr, FieldMark.IMMUTABLE]
    zone: Annotated[str, FieldMark.IMMUTABLE]
    public_ip_on_launch: bool | None = None
    ipv6: int | Literal["none"] | None = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}


class Subnet(ResourceType[SubnetSpec]):
    kind: ClassVar[str] = "subnet"
    Spec = SubnetSpec
    terraform: ClassVar[str] = "aws_subnet"
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::EC2::Subnet", "SubnetId")
    creates: ClassVar[tuple[str, ...]] = ("CreateSubnet",)
    adopted_by_id: ClassVar[bool] = True
    permissions: ClassVar[Permissions] = Permissions(ec2="subnet", made_inside=("vpc",))
    inside: ClassVar[tuple[str, str] | None] = ("vpc", "vpc")
    observe_after: ClassVar[tuple[str, ...]] = ("vpc",)
    replace: ClassVar[Replace] = Replace.CREATE_FIRST

    def required_properties(self, found: Observed[SubnetSpec]) -> Mapping[str, Any]:
        return {"VpcId": str(found.spec.vpc), "CidrBlock": found.spec.cidr, "AvailabilityZone": found.spec.zone}

    def observe(self, scope: Scope) -> Calls[list[Observed[SubnetSpec]]]:
        items = yield from _ec2.in_network(scope, ec2.describe_subnets, "Subnets", "subnet", "SubnetId")
        located = _ec2.located(self.kind, scope, items, "SubnetId", alike=_alike, blocking=_overlapping)
        wanted = {want.address: want.spec.aws for want in scope.wanted}
        ranges = {found.id: found.facts.get("ipv6_range") or "" for found in scope.seen.get("vpc", ())}
        return [
            _observed(address, item, wanted.get(address, {}), ranges.get(item["VpcId"], ""))
            for address, item in located
        ]

    def excludes(self, want: SubnetSpec, found: SubnetSpec) -> str:
        return want.cidr if want.vpc == found.vpc and _overlap(want.cidr, found.cidr) else ""

    def instead(self, want: SubnetSpec, found: Observed[SubnetSpec]) -> str:
        return f"choose a range that does not overlap {found.spec.cidr}"

    def create(self, new: Desired[SubnetSpec]) -> Calls[str]:
        numbered = isinstance(new.spec.ipv6, int)
        answer = yield ec2.create_subnet(
            VpcId=new.spec.vpc,
            CidrBlock=new.spec.cidr,
            Ipv6CidrBlock=(yield from _range(new.spec)) if numbered else None,
            AvailabilityZone=new.spec.zone,
            TagSpecifications=_ec2.specification("subnet", new.tags),
            **new.spec.aws,
        )
        identifier: str = answer["Subnet"]["SubnetId"]
        if new.spec.public_ip_on_launch:
            yield _public_ip_on_launch(identifier, True)
        return identifier

    def update(self, old: Observed[SubnetSpec], new: Desired[SubnetSpec], changes: tuple[Change, ...]) -> Calls[None]:
        fields = {change.field for change in changes}
        if "public_ip_on_launch" in fields and new.spec.public_ip_on_launch is not None:
            yield _public_ip_on_launch(old.id, new.spec.public_ip_on_launch)
        if "ipv6" in fields:
            # A subnet has one range at a time (EC2 API reference, AssociateSubnetCidrBlock).
            for association in old.facts["ids"]:
                yield from _ec2.let_go_of_range(ec2.disassociate_subnet_cidr_block(AssociationId=association))
            if isinstance(new.spec.ipv6, int):
                block = yield from _range(new.spec)
                yield ec2.associate_subnet_cidr_block(SubnetId=old.id, Ipv6CidrBlock=block)

    def delete(self, old: Observed[SubnetSpec]) -> Calls[None]:
        yield from _gone.let_go(ec2.delete_subnet(SubnetId=old.id))

    def update_tags(self, old: Observed[SubnetSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _ec2.update_tags(old, put, drop)


def _observed(address: resource.Address, item: Item, said: Mapping[str, Any], whole: str) -> Observed[SubnetSpec]:
    ready, tags = item["State"] == "available", _ec2.tags_of(item)
    blocks = _ec2.ipv6_blocks(item)
    return Observed(
        address,
        item["SubnetId"],
        SubnetSpec(
            vpc=item["VpcId"],
            cidr=item["CidrBlock"],
            zone=item["AvailabilityZone"],
            public_ip_on_launch=item["MapPublicIpOnLaunch"],
            ipv6=_number(blocks[0].range, whole) if blocks else NO_RANGE,
            aws=members.seen(API, said, item, tags, address) if said else {},
        ),
        tags=tags,
        health=ResourceHealth.READY if ready else ResourceHealth.PROGRESSING,
        reason="" if ready else f"the subnet is {item['State']}",
        facts={"ids": tuple(block.association for block in blocks)},
    )


def _range(spec: SubnetSpec) -> Calls[str]:
    """The IPv6 range with the number that `spec` states, in that of its VPC."""
    assert isinstance(spec.ipv6, int)
    answer = yield ec2.describe_vpcs(VpcIds=[spec.vpc])
    blocks = [block for item in answer["Vpcs"] for block in _ec2.ipv6_blocks(item) if block.usable]
    if not blocks:
        raise errors.Propagating("the IPv6 range of its network is not associated yet")
    whole = IPv6Network(blocks[0].range)
    if spec.ipv6 >= 1 << (LENGTH - whole.prefixlen):
        raise errors.Invalid(f"the IPv6 range {whole} of its network has no /{LENGTH} with the number {spec.ipv6}")
    return str(IPv6Network((int(whole.network_address) + (spec.ipv6 << 128 - LENGTH), LENGTH)))


def _number(block: str, whole: str) -> int:
    """That of a subnet's range in the range of its VPC. Amazon's are /56; only others have another length."""
    bits = LENGTH - IPv6Network(whole or AMAZON).prefixlen
    return int(IPv6Network(block).network_address) >> 128 - LENGTH & (1 << bits) - 1


def _alike(want: Desired[Any], item: Item) -> bool:
    return bool(want.spec.vpc == item["VpcId"] and want.spec.cidr == item["CidrBlock"])


def _overlapping(want: Desired[Any], item: Item) -> bool:
    return bool(want.spec.vpc == item["VpcId"] and _overlap(want.spec.cidr, item["CidrBlock"]))


def _overlap(one: str, other: str) -> bool:
    return ip_network(one).overlaps(ip_network(other))


def _public_ip_on_launch(identifier: str, on: bool) -> Call:
    return ec2.modify_subnet_attribute(SubnetId=identifier, MapPublicIpOnLaunch={"Value": on})
