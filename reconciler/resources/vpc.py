"""A VPC: the network that everything else lives in.

It has no unique name in AWS, so it is found by its tags. DNS support comes before DNS host names, which need it, and
each attribute takes a call of its own (EC2 API reference, ModifyVpcAttribute). Its address range cannot be changed, and
everything in it would have to go with it, so it is never replaced. Further ranges come and go, each with an id by which
it is taken away. So does an IPv6 range, which AWS chooses; it goes once no subnet has a part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import JsonValue

from reconciler.model import members, resource
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.other_tools import CloudFormationImport, TerraformImport
from reconciler.model.permissions import Permissions
from reconciler.model.quota import Quota, listed
from reconciler.model.resource import Call, Calls, Desired, Observed, Path, ResourceHealth
from reconciler.model.resource_type import Depth, FieldMark, ResourceType, Scope
from reconciler.resources import _ec2, _gone
from reconciler.resources._ec2 import IPV6, Cidr, Item, ec2

API: Final = ApiMembers(
    "ec2",
    create="CreateVpc",
    described="Vpc",
    words={
        "CidrBlock": "cidr",
        "Ipv4NetmaskLength": "cidr",
        "AmazonProvidedIpv6CidrBlock": "ipv6",
        "TagSpecifications": "the document's `tags`",
    },
    owned={"DryRun": "a plan shows what would be done"},
)


class VpcSpec(resource.Spec):
    """`ipv6`: whether it has an IPv6 range; one that it gets is Amazon's."""

    api: ClassVar[ApiMembers] = API
    optional: ClassVar[Mapping[Path, Any]] = {IPV6: False}

    cidr: Annotated[Cidr, FieldMark.IMMUTABLE]
    secondary: Annotated[tuple[Cidr, ...] | None, FieldMark.UNORDERED] = None
    dns_support: bool | None = None
    dns_hostnames: bool | None = None
    ipv6: bool | None = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}


class Vpc(ResourceType[VpcSpec]):
    kind: ClassVar[str] = "vpc"
    Spec = VpcSpec
    creates: ClassVar[tuple[str, ...]] = ("CreateVpc",)
    owned_as: ClassVar[str] = "network"
    adopted_by_id: ClassVar[bool] = True
    may_duplicate: ClassVar[bool] = True
    quotas: ClassVar[tuple[Quota, ...]] = (
        Quota("vpc", "VPCs per Region", 5, "L-F678F1CE", count=listed(ec2.describe_vpcs, "Vpcs")),
    )
    permissions: ClassVar[Permissions] = Permissions(ec2="vpc")
    display_order: ClassVar[int] = 1

    def in_terraform(self, found: Observed[VpcSpec]) -> Iterator[TerraformImport]:
        yield TerraformImport("aws_vpc", found.id)
        for cidr, association in found.facts["associations"].items():
            yield TerraformImport("aws_vpc_ipv4_cidr_block_association", association, cidr)

    def in_cloudformation(self, found: Observed[VpcSpec]) -> Iterator[CloudFormationImport]:
        yield CloudFormationImport("AWS::EC2::VPC", {"VpcId": found.id}, {"CidrBlock": found.spec.cidr})
        for cidr, association in found.facts["associations"].items():
            place = {"VpcId": found.id}
            properties = {**place, "CidrBlock": cidr}
            yield CloudFormationImport("AWS::EC2::VPCCidrBlock", {"Id": association, **place}, properties, cidr)

    def observe(self, scope: Scope) -> Calls[list[Observed[VpcSpec]]]:
        answer = yield ec2.describe_vpcs()
        located = _ec2.located(self.kind, scope, answer["Vpcs"], "VpcId")
        full = scope.depth is Depth.FULL
        attributes = yield from _gone.answers(
            [
                ec2.describe_vpc_attribute(VpcId=item["VpcId"], Attribute=attribute)
                for _, item in (located if full else ())
                for attribute in ("enableDnsSupport", "enableDnsHostnames")
            ]
        )
        found = []
        wanted = {want.address: want.spec.aws for want in scope.wanted}
        pairs = list(zip(attributes[::2], attributes[1::2], strict=True)) if full else [({}, {})] * len(located)
        for (address, item), (support, hostnames) in zip(located, pairs, strict=True):
            if support is None or hostnames is None:
                continue
            further, blocks = _further(item), _ec2.ipv6_blocks(item)
            said, tags = wanted.get(address, {}), _ec2.tags_of(item)
            spec = VpcSpec(
                cidr=item["CidrBlock"],
                secondary=tuple(sorted(further)),
                dns_support=support["EnableDnsSupport"]["Value"] if full else None,
                dns_hostnames=hostnames["EnableDnsHostnames"]["Value"] if full else None,
                ipv6=bool(blocks),
                aws=members.seen(API, said, item, tags, address) if said else {},
            )
            reason = _pending(item, blocks)
            found.append(
                Observed(
                    address,
                    item["VpcId"],
                    spec,
                    tags=tags,
                    health=ResourceHealth.PROGRESSING if reason else ResourceHealth.READY,
                    reason=reason,
                    unread=frozenset() if full else frozenset({"dns_support", "dns_hostnames"}),
                    facts={
                        "associations": further,
                        "blocks": tuple(block.association for block in blocks),
                        "ipv6_range": next((block.range for block in blocks), ""),
                        "ids": tuple(sorted([*further.values(), *(block.association for block in blocks)])),
                    },
                )
            )
        return found

    def create(self, new: Desired[VpcSpec]) -> Calls[str]:
        answer = yield ec2.create_vpc(
            CidrBlock=new.spec.cidr,
            AmazonProvidedIpv6CidrBlock=new.spec.ipv6 or None,
            TagSpecifications=_ec2.specification("vpc", new.tags),
            **new.spec.aws,
        )
        identifier: str = answer["Vpc"]["VpcId"]
        for cidr in new.spec.secondary or ():
            yield ec2.associate_vpc_cidr_block(VpcId=identifier, CidrBlock=cidr)
        # A new VPC has DNS support and no host names.
        if new.spec.dns_support is False:
            yield _support(identifier, False)
        if new.spec.dns_hostnames:
            yield _hostnames(identifier, True)
        return identifier

    def update(self, old: Observed[VpcSpec], new: Desired[VpcSpec], changes: tuple[Change, ...]) -> Calls[None]:
        if any(change.field == "secondary" for change in changes):
            wanted, there = set(new.spec.secondary or ()), old.facts["associations"]
            for cidr in sorted(wanted - there.keys()):
                yield ec2.associate_vpc_cidr_block(VpcId=old.id, CidrBlock=cidr)
            for cidr in sorted(there.keys() - wanted):
                yield from _ec2.let_go_of_range(ec2.disassociate_vpc_cidr_block(AssociationId=there[cidr]))
        attributes = {"dns_support": _support, "dns_hostnames": _hostnames}
        steps = [attributes[one.field](old.id, one.new) for one in changes if one.field in attributes]
        if new.spec.dns_support is False:
            steps.reverse()  # host names go off before the support that they need
        for step in steps:
            yield step
        if any(change.field == "ipv6" for change in changes):
            yield from _set_ipv6(old, new.spec.ipv6)

    def delete(self, old: Observed[VpcSpec]) -> Calls[None]:
        yield from _gone.let_go(ec2.delete_vpc(VpcId=old.id))

    def update_tags(self, old: Observed[VpcSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _ec2.update_tags(old, put, drop)


def _further(item: Item) -> dict[str, str]:
    """The ranges beside the first one, with the ids of their associations."""
    return {
        one["CidrBlock"]: one["AssociationId"]
        for one in item.get("CidrBlockAssociationSet") or ()
        if one["CidrBlock"] != item["CidrBlock"] and one["CidrBlockState"]["State"] in ("associating", "associated")
    }


def _pending(item: Item, blocks: Iterable[_ec2.Ipv6Block]) -> str:
    if item["State"] != "available":
        return f"the VPC is {item['State']}"
    return "" if all(block.usable for block in blocks) else "its IPv6 range is being associated"


def _set_ipv6(old: Observed[VpcSpec], on: bool | None) -> Calls[None]:
    if on:
        yield ec2.associate_vpc_cidr_block(VpcId=old.id, AmazonProvidedIpv6CidrBlock=True)
        return
    for association in old.facts["blocks"]:
        yield from _ec2.let_go_of_range(ec2.disassociate_vpc_cidr_block(AssociationId=association))


def _support(identifier: str, on: bool) -> Call:
    return ec2.modify_vpc_attribute(VpcId=identifier, EnableDnsSupport={"Value": on})


def _hostnames(identifier: str, on: bool) -> Call:
    return ec2.modify_vpc_attribute(VpcId=identifier, EnableDnsHostnames={"Value": on})
