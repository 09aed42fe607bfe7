"""An egress-only internet gateway: the way out to the internet over IPv6 for a private subnet.

A VPC has one (Amazon VPC User Guide, quotas), so whatever gateway the VPC that the specs name has already is in the way
of ours. EC2 filters gateways by their tags only, so all of the region are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.permissions import Permissions
from reconciler.model.resource import Calls, Desired, Link, Observed
from reconciler.model.resource_type import FieldMark, Replace, ResourceType, Scope
from reconciler.resources import _ec2, _gone
from reconciler.resources._ec2 import Item, ec2


class EgressOnlyInternetGatewaySpec(resource.Spec):
    vpc: Annotated[Link, FieldMark.IMMUTABLE]


class EgressOnlyInternetGateway(ResourceType[EgressOnlyInternetGatewaySpec]):
    kind: ClassVar[str] = "egress-only-internet-gateway"
    Spec = EgressOnlyInternetGatewaySpec
    terraform: ClassVar[str] = "aws_egress_only_internet_gateway"
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::EC2::EgressOnlyInternetGateway", "Id")
    creates: ClassVar[tuple[str, ...]] = ("CreateEgressOnlyInternetGateway",)
    adopted_by_id: ClassVar[bool] = True
    may_duplicate: ClassVar[bool] = True
    permissions: ClassVar[Permissions] = Permissions(ec2="egress-only-internet-gateway", made_inside=("vpc",))
    inside: ClassVar[tuple[str, str] | None] = ("vpc", "vpc")
    observe_after: ClassVar[tuple[str, ...]] = ("vpc",)
    replace: ClassVar[Replace] = Replace.CREATE_FIRST

    def observe(self, scope: Scope) -> Calls[list[Observed[EgressOnlyInternetGatewaySpec]]]:
        answer = yield ec2.describe_egress_only_internet_gateways()
        return [
            Observed(
                address,
                item["EgressOnlyInternetGatewayId"],
                EgressOnlyInternetGatewaySpec(vpc=_attached(item)),
                tags=_ec2.tags_of(item),
            )
            for address, item in _ec2.located(
                self.kind,
                scope,
                answer["EgressOnlyInternetGateways"],
                "EgressOnlyInternetGatewayId",
                alike=_alike,
                blocking=_alike,
            )
        ]

    def required_properties(self, found: Observed[EgressOnlyInternetGatewaySpec]) -> Mapping[str, Any]:
        return {"VpcId": found.spec.vpc}

    def excludes(self, want: EgressOnlyInternetGatewaySpec, found: EgressOnlyInternetGatewaySpec) -> str:
        return f"the egress-only internet gateway of {want.vpc}" if want.vpc == found.vpc else ""

    def create(self, new: Desired[EgressOnlyInternetGatewaySpec]) -> Calls[str]:
        answer = yield ec2.create_egress_only_internet_gateway(
            VpcId=new.spec.vpc, TagSpecifications=_ec2.specification("egress-only-internet-gateway", new.tags)
        )
        identifier: str = answer["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"]
        return identifier

    def update(
        self,
        old: Observed[EgressOnlyInternetGatewaySpec],
        new: Desired[EgressOnlyInternetGatewaySpec],
        changes: tuple[Change, ...],
    ) -> Calls[None]:
        yield from ()

    def delete(self, old: Observed[EgressOnlyInternetGatewaySpec]) -> Calls[None]:
        yield from _gone.let_go(ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=old.id))

    def update_tags(
        self, old: Observed[EgressOnlyInternetGatewaySpec], put: Mapping[str, str], drop: Iterable[str]
    ) -> Calls[None]:
        yield from _ec2.update_tags(old, put, drop)


def _attached(item: Item) -> str:
    return next((each["VpcId"] for each in item.get("Attachments", ()) if each["State"] in _HOLDING), "")


_HOLDING = frozenset({"attaching", "attached", "available"})


def _alike(want: Desired[Any], item: Item) -> bool:
    return bool(_attached(item) and _attached(item) == want.spec.vpc)
