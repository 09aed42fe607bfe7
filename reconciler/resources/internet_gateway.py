"""An internet gateway, and its attachment to a VPC.

A VPC holds one, so whatever gateway is attached to the VPC that the specs name is in the way of ours. A missing
attachment is a change of `vpc`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from reconciler import errors
from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.other_tools import CloudFormationImport
from reconciler.model.permissions import Permissions
from reconciler.model.quota import Quota, listed
from reconciler.model.resource import Calls, Desired, Link, Observed
from reconciler.model.resource_type import Replace, ResourceType, Scope
from reconciler.resources import _ec2, _gone
from reconciler.resources._ec2 import Item, ec2


class InternetGatewaySpec(resource.Spec):
    vpc: Link | None = None


class InternetGateway(ResourceType[InternetGatewaySpec]):
    kind: ClassVar[str] = "internet-gateway"
    Spec = InternetGatewaySpec
    terraform: ClassVar[str] = "aws_internet_gateway"
    creates: ClassVar[tuple[str, ...]] = ("CreateInternetGateway",)
    adopted_by_id: ClassVar[bool] = True
    may_duplicate: ClassVar[bool] = True
    quotas: ClassVar[tuple[Quota, ...]] = (
        Quota(
            "vpc",
            "Internet gateways per Region",
            5,
            "L-A4707A72",
            count=listed(ec2.describe_internet_gateways, "InternetGateways"),
        ),
    )
    permissions: ClassVar[Permissions] = Permissions(ec2="internet-gateway")
    inside: ClassVar[tuple[str, str] | None] = ("vpc", "vpc")
    observe_after: ClassVar[tuple[str, ...]] = ("vpc",)
    replace: ClassVar[Replace] = Replace.NEVER

    def in_cloudformation(self, found: Observed[InternetGatewaySpec]) -> Iterator[CloudFormationImport]:
        yield CloudFormationImport("AWS::EC2::InternetGateway", {"InternetGatewayId": found.id})
        if found.spec.vpc is not None:
            place = {"AttachmentType": "IGW", "VpcId": str(found.spec.vpc)}
            properties = {"VpcId": place["VpcId"], "InternetGatewayId": found.id}
            yield CloudFormationImport("AWS::EC2::VPCGatewayAttachment", place, properties, "attachment")

    def observe(self, scope: Scope) -> Calls[list[Observed[InternetGatewaySpec]]]:
        answer = yield ec2.describe_internet_gateways()
        return [
            Observed(
                address,
                item["InternetGatewayId"],
                InternetGatewaySpec(vpc=_attached(item)),
                tags=_ec2.tags_of(item),
            )
            for address, item in _ec2.located(
                self.kind,
                scope,
                answer["InternetGateways"],
                "InternetGatewayId",
                alike=_alike,
                blocking=_alike,
            )
        ]

    def excludes(self, want: InternetGatewaySpec, found: InternetGatewaySpec) -> str:
        return f"the attachment to {want.vpc}" if want.vpc is not None and want.vpc == found.vpc else ""

    def create(self, new: Desired[InternetGatewaySpec]) -> Calls[str]:
        answer = yield ec2.create_internet_gateway(
            TagSpecifications=_ec2.specification("internet-gateway", new.tags),
        )
        identifier: str = answer["InternetGateway"]["InternetGatewayId"]
        yield from _attach(identifier, new.spec.vpc)
        return identifier

    def update(
        self, old: Observed[InternetGatewaySpec], new: Desired[InternetGatewaySpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        yield from _detach(old)
        yield from _attach(old.id, new.spec.vpc)

    def delete(self, old: Observed[InternetGatewaySpec]) -> Calls[None]:
        yield from _detach(old)
        yield from _gone.let_go(ec2.delete_internet_gateway(InternetGatewayId=old.id))

    def update_tags(
        self, old: Observed[InternetGatewaySpec], put: Mapping[str, str], drop: Iterable[str]
    ) -> Calls[None]:
        yield from _ec2.update_tags(old, put, drop)


def _attached(item: Item) -> str | None:
    """An attachment's state is `available` once it holds; the enumeration in EC2's API reference leaves that out."""
    return next((each["VpcId"] for each in item["Attachments"] if each["State"] in {"available", "attached"}), None)


def _alike(want: Desired[Any], item: Item) -> bool:
    attached = _attached(item)
    return attached is not None and attached == want.spec.vpc


def _attach(identifier: str, vpc: Link | None) -> Calls[None]:
    if vpc is None:
        return
    try:
        yield ec2.attach_internet_gateway(InternetGatewayId=identifier, VpcId=vpc)
    except errors.Exists:
        return  # attached since it was observed; the next pass reads to what


def _detach(old: Observed[InternetGatewaySpec]) -> Calls[None]:
    if old.spec.vpc is None:
        return
    yield from _gone.let_go(ec2.detach_internet_gateway(InternetGatewayId=old.id, VpcId=old.spec.vpc))
