"""A VPC: the network that everything else lives in.

It has no unique name in AWS, so it is found by its tags. DNS support comes before DNS host names, which need it, and
each attribute takes a call of its own (EC2 API reference, ModifyVpcAttribute). Its address range cannot be changed, and
everything in it would have to go with it, so it is never replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar

from reconciler import errors
from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.kind import Kind, Mark, Scope
from reconciler.model.resource import Call, Calls, Desired, Health, Observed, Together
from reconciler.resources import _ec2
from reconciler.resources._ec2 import ec2


class VpcSpec(resource.Spec):
    cidr: Annotated[str, Mark.IMMUTABLE]
    dns_support: bool | None = None
    dns_hostnames: bool | None = None


class Vpc(Kind[VpcSpec]):
    kind: ClassVar[str] = "vpc"
    Spec = VpcSpec

    def observe(self, scope: Scope) -> Calls[list[Observed[VpcSpec]]]:
        answer = yield ec2.describe_vpcs()
        found = []
        for item in answer["Vpcs"]:
            address = _ec2.address_of(self.kind, _ec2.tags_of(item), scope)
            if address is not None:
                found.append((address, item))
        answers = yield Together.of(
            ec2.describe_vpc_attribute(VpcId=item["VpcId"], Attribute=attribute)
            for _, item in found
            for attribute in ("enableDnsSupport", "enableDnsHostnames")
        )
        return [
            Observed(
                address,
                item["VpcId"],
                VpcSpec(
                    cidr=item["CidrBlock"],
                    dns_support=support["EnableDnsSupport"]["Value"],
                    dns_hostnames=hostnames["EnableDnsHostnames"]["Value"],
                ),
                tags=_ec2.tags_of(item),
                health=Health.READY if item["State"] == "available" else Health.PROGRESSING,
                reason="" if item["State"] == "available" else f"the VPC is {item['State']}",
            )
            for (address, item), support, hostnames in zip(found, answers[::2], answers[1::2], strict=True)
        ]

    def create(self, new: Desired[VpcSpec]) -> Calls[str]:
        answer = yield ec2.create_vpc(CidrBlock=new.spec.cidr, TagSpecifications=_ec2.specification("vpc", new.tags))
        identifier: str = answer["Vpc"]["VpcId"]
        # A new VPC has DNS support and no host names.
        if new.spec.dns_support is False:
            yield _support(identifier, False)
        if new.spec.dns_hostnames:
            yield _hostnames(identifier, True)
        return identifier

    def update(self, old: Observed[VpcSpec], new: Desired[VpcSpec], changes: tuple[Change, ...]) -> Calls[None]:
        attributes = {"dns_support": _support, "dns_hostnames": _hostnames}
        steps = [attributes[change.field](old.id, change.new) for change in changes]
        if new.spec.dns_support is False:
            steps.reverse()  # host names go off before the support that they need
        for step in steps:
            yield step

    def delete(self, old: Observed[VpcSpec]) -> Calls[None]:
        try:
            yield ec2.delete_vpc(VpcId=old.id)
        except errors.Gone:
            return

    def retag(self, old: Observed[VpcSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _ec2.retag(old, put, drop)


def _support(identifier: str, on: bool) -> Call:
    return ec2.modify_vpc_attribute(VpcId=identifier, EnableDnsSupport={"Value": on})


def _hostnames(identifier: str, on: bool) -> Call:
    return ec2.modify_vpc_attribute(VpcId=identifier, EnableDnsHostnames={"Value": on})
