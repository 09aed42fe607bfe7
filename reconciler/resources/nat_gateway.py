"""A NAT gateway: the way out to the internet for a private subnet.

Nothing of it but its tags can be changed, and as long as it lives its elastic IP serves no other gateway. A new one in
another subnet therefore cannot stand beside the old one: it is deleted first, with a gap. AWS takes minutes to make
one and minutes to delete it; one that failed shows why for about an hour, then AWS removes it and it is made anew.

No client token: one derived from the spec would, for a day, bring back a gateway that was deleted by hand. The elastic
IP is what keeps a second gateway from being made when the answer to the first call is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Final

from reconciler import errors
from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.permissions import Permissions
from reconciler.model.resource import Address, Calls, Desired, Link, Observed, ResourceHealth
from reconciler.model.resource_type import FieldMark, Replace, ResourceType, Scope
from reconciler.resources import _ec2, _gone
from reconciler.resources._ec2 import Item, ec2


class NatGatewaySpec(resource.Spec):
    """Without an elastic IP it is a private gateway, between networks."""

    subnet: Annotated[Link, FieldMark.IMMUTABLE]
    elastic_ip: Annotated[Link | None, FieldMark.IMMUTABLE] = None


class NatGateway(ResourceType[NatGatewaySpec]):
    kind: ClassVar[str] = "nat-gateway"
    Spec = NatGatewaySpec
    terraform: ClassVar[str] = "aws_nat_gateway"
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::EC2::NatGateway", "NatGatewayId")
    creates: ClassVar[tuple[str, ...]] = ("CreateNatGateway",)
    adopted_by_id: ClassVar[bool] = True
    may_duplicate: ClassVar[bool] = True
    permissions: ClassVar[Permissions] = Permissions(ec2="natgateway", made_inside=("subnet", "elastic-ip"))
    inside: ClassVar[tuple[str, str] | None] = ("subnet", "subnet")
    depends_on: ClassVar[tuple[str, ...]] = ("internet-gateway",)
    replace: ClassVar[Replace] = Replace.DELETE_FIRST
    slow_to_create: ClassVar[bool] = True
    slow_to_delete: ClassVar[bool] = True

    def required_properties(self, found: Observed[NatGatewaySpec]) -> Mapping[str, Any]:
        return {"SubnetId": str(found.spec.subnet)}

    def observe(self, scope: Scope) -> Calls[list[Observed[NatGatewaySpec]]]:
        answer = yield ec2.describe_nat_gateways()
        lasting = [item for item in answer["NatGateways"] if item["State"] != "deleted"]
        located = _ec2.located(self.kind, scope, lasting, "NatGatewayId", alike=_alike, blocking=_alike)
        return [_observed(address, item) for address, item in located]

    def excludes(self, want: NatGatewaySpec, found: NatGatewaySpec) -> str:
        held = want.elastic_ip is not None and want.elastic_ip == found.elastic_ip
        return f"the elastic IP {want.elastic_ip}" if held else ""

    def create(self, new: Desired[NatGatewaySpec]) -> Calls[str]:
        try:
            answer = yield ec2.create_nat_gateway(
                SubnetId=new.spec.subnet,
                AllocationId=new.spec.elastic_ip,
                ConnectivityType="public" if new.spec.elastic_ip else "private",
                TagSpecifications=_ec2.specification("natgateway", new.tags),
            )
            made: Item = answer["NatGateway"]
        except errors.Exists:
            answer = yield ec2.describe_nat_gateways(Filter=[{"Name": "subnet-id", "Values": [new.spec.subnet]}])
            earlier = _ec2.mine(new, (item for item in answer["NatGateways"] if item["State"] in ALIVE))
            if earlier is None:
                raise
            made = earlier
        identifier: str = made["NatGatewayId"]
        return identifier

    def update(
        self, old: Observed[NatGatewaySpec], new: Desired[NatGatewaySpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        yield from ()

    def delete(self, old: Observed[NatGatewaySpec]) -> Calls[None]:
        if old.facts.get("deleting"):
            return
        yield from _gone.let_go(ec2.delete_nat_gateway(NatGatewayId=old.id))

    def update_tags(self, old: Observed[NatGatewaySpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _ec2.update_tags(old, put, drop)


ALIVE: Final = frozenset({"pending", "available"})


def _observed(address: Address, item: Item) -> Observed[NatGatewaySpec]:
    health, reason = _health(item)
    return Observed(
        address,
        item["NatGatewayId"],
        NatGatewaySpec(subnet=item["SubnetId"], elastic_ip=_elastic_ip(item)),
        tags=_ec2.tags_of(item),
        health=health,
        reason=reason,
        facts={"deleting": True} if item["State"] == "deleting" else {},
    )


def _alike(want: Desired[Any], item: Item) -> bool:
    """Whatever holds the elastic IP that the specs want for theirs is in the way."""
    held = _elastic_ip(item)
    return held is not None and held == want.spec.elastic_ip


def _health(item: Item) -> tuple[ResourceHealth, str]:
    match item["State"]:
        case "available":
            return ResourceHealth.READY, ""
        case "failed":
            return (
                ResourceHealth.DEGRADED,
                f"{item.get('FailureCode', 'failed')}: {item.get('FailureMessage', 'no reason given')}",
            )
        case state:
            return ResourceHealth.PROGRESSING, f"the NAT gateway is {state}"


def _elastic_ip(item: Item) -> str | None:
    """The primary address is the one that the gateway was made with."""
    allocated = [each for each in item.get("NatGatewayAddresses", ()) if each.get("AllocationId")]
    primary = [each for each in allocated if each.get("IsPrimary", True)]
    return next((each["AllocationId"] for each in primary), None)
