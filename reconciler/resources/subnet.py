"""A subnet: a part of a VPC's address range, in one availability zone.

Its range, zone and VPC cannot be changed. No two subnets of a VPC may overlap, so a new one can stand beside the old
only with another range, and whatever already has the range that the specs want is in the way, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from typing import Annotated, Any, ClassVar, Final

from pydantic import JsonValue

from reconciler.model import members, resource
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.permissions import Permissions
from reconciler.model.resource import Call, Calls, Desired, Link, Observed, ResourceHealth
from reconciler.model.resource_type import FieldMark, Replace, ResourceType, Scope
from reconciler.resources import _ec2, _gone
from reconciler.resources._ec2 import Cidr, Item, ec2

API: Final = ApiMembers(
    "ec2",
    create="CreateSubnet",
    described="Subnet",
    words={
        "VpcId": "the Network document",
        "CidrBlock": "cidr",
        "Ipv4NetmaskLength": "cidr",
        "AvailabilityZone": "zone",
        "AvailabilityZoneId": "zone",
        "TagSpecifications": "the document's `tags`",
    },
    owned={
        "DryRun": "a plan shows what would be done",
        "Ipv6Native": "a subnet has an IPv4 range, its `cidr`",
    },
    elsewhere={"Ipv6CidrBlock": "Ipv6CidrBlockAssociationSet"},
)


class SubnetSpec(resource.Spec):
    api: ClassVar[ApiMembers] = API

    vpc: Annotated[Link, FieldMark.IMMUTABLE]
    cidr: Annotated[Cidr, FieldMark.IMMUTABLE]
    zone: Annotated[str, FieldMark.IMMUTABLE]
    public_ip_on_launch: bool | None = None
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
        return [_observed(address, item, wanted.get(address, {})) for address, item in located]

    def excludes(self, want: SubnetSpec, found: SubnetSpec) -> str:
        return want.cidr if want.vpc == found.vpc and _overlap(want.cidr, found.cidr) else ""

    def instead(self, want: SubnetSpec, found: Observed[SubnetSpec]) -> str:
        return f"choose a range that does not overlap {found.spec.cidr}"

    def create(self, new: Desired[SubnetSpec]) -> Calls[str]:
        answer = yield ec2.create_subnet(
            VpcId=new.spec.vpc,
            CidrBlock=new.spec.cidr,
            AvailabilityZone=new.spec.zone,
            TagSpecifications=_ec2.specification("subnet", new.tags),
            **new.spec.aws,
        )
        identifier: str = answer["Subnet"]["SubnetId"]
        if new.spec.public_ip_on_launch:
            yield _public_ip_on_launch(identifier, True)
        return identifier

    def update(self, old: Observed[SubnetSpec], new: Desired[SubnetSpec], changes: tuple[Change, ...]) -> Calls[None]:
        if new.spec.public_ip_on_launch is not None:
            yield _public_ip_on_launch(old.id, new.spec.public_ip_on_launch)

    def delete(self, old: Observed[SubnetSpec]) -> Calls[None]:
        yield from _gone.let_go(ec2.delete_subnet(SubnetId=old.id))

    def update_tags(self, old: Observed[SubnetSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _ec2.update_tags(old, put, drop)


def _observed(address: resource.Address, item: Item, said: Mapping[str, Any]) -> Observed[SubnetSpec]:
    ready, tags = item["State"] == "available", _ec2.tags_of(item)
    ranges = [
        one["Ipv6CidrBlock"]
        for one in item.get("Ipv6CidrBlockAssociationSet") or ()
        if one.get("Ipv6CidrBlockState", {}).get("State") in ("associating", "associated")
    ]
    shown = {**item, "Ipv6CidrBlock": next(iter(ranges), None)}
    return Observed(
        address,
        item["SubnetId"],
        SubnetSpec(
            vpc=item["VpcId"],
            cidr=item["CidrBlock"],
            zone=item["AvailabilityZone"],
            public_ip_on_launch=item["MapPublicIpOnLaunch"],
            aws=members.seen(API, said, shown, tags, address) if said else {},
        ),
        tags=tags,
        health=ResourceHealth.READY if ready else ResourceHealth.PROGRESSING,
        reason="" if ready else f"the subnet is {item['State']}",
    )


def _alike(want: Desired[Any], item: Item) -> bool:
    return bool(want.spec.vpc == item["VpcId"] and want.spec.cidr == item["CidrBlock"])


def _overlapping(want: Desired[Any], item: Item) -> bool:
    return bool(want.spec.vpc == item["VpcId"] and _overlap(want.spec.cidr, item["CidrBlock"]))


def _overlap(one: str, other: str) -> bool:
    return ip_network(one).overlaps(ip_network(other))


def _public_ip_on_launch(identifier: str, on: bool) -> Call:
    return ec2.modify_subnet_attribute(SubnetId=identifier, MapPublicIpOnLaunch={"Value": on})
