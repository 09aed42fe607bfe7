"""A route table: where a subnet's traffic goes, with its routes and the subnets that use it.

Only routes that somebody chose are compared: not the VPC's own (`local`), not those that a VPN propagates, and none to
a prefix list, which gateway endpoints add by themselves. A route whose target is gone is a *blackhole*: it differs, and
is replaced. A subnet uses one table; it is moved without a moment on the VPC's main table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final

from reconciler import errors
from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.other_tools import CloudFormationImport, TerraformImport
from reconciler.model.permissions import Permissions
from reconciler.model.resource import Address, Calls, Desired, Link, Observed, ResourceHealth
from reconciler.model.resource_type import FieldMark, Replace, ResourceType, Scope
from reconciler.model.usage import Usage
from reconciler.resources import _ec2, _gone
from reconciler.resources._ec2 import Cidr, Item, ec2


class RouteTableSpec(resource.Spec):
    vpc: Annotated[Link, FieldMark.IMMUTABLE]
    routes: dict[Cidr, Link] | None = None
    subnets: Annotated[tuple[Link, ...] | None, FieldMark.UNORDERED] = None


class RouteTable(ResourceType[RouteTableSpec]):
    kind: ClassVar[str] = "route-table"
    Spec = RouteTableSpec
    creates: ClassVar[tuple[str, ...]] = ("CreateRouteTable",)
    adopted_by_id: ClassVar[bool] = True
    may_duplicate: ClassVar[bool] = True
    permissions: ClassVar[Permissions] = Permissions(ec2="route-table", made_inside=("vpc",))
    inside: ClassVar[tuple[str, str] | None] = ("vpc", "vpc")
    observe_after: ClassVar[tuple[str, ...]] = ("vpc",)
    replace: ClassVar[Replace] = Replace.CREATE_FIRST

    def retaining(
        self, old: Observed[RouteTableSpec], new: Desired[RouteTableSpec], usage: Usage
    ) -> Desired[RouteTableSpec]:
        """A subnet that leaves keeps its way out for as long as tasks run on it."""
        wanted = new.spec.subnets
        kept = [one for one in old.spec.subnets or () if one in usage.lost and one not in (wanted or ())]
        if wanted is None or not kept:
            return new
        return replace(new, spec=new.spec.model_copy(update={"subnets": (*wanted, *kept)}))

    def in_terraform(self, found: Observed[RouteTableSpec]) -> Iterator[TerraformImport]:
        yield TerraformImport("aws_route_table", found.id)
        for subnet in found.spec.subnets or ():
            yield TerraformImport("aws_route_table_association", f"{subnet}/{found.id}", str(subnet))

    def in_cloudformation(self, found: Observed[RouteTableSpec]) -> Iterator[CloudFormationImport]:
        table = {"RouteTableId": found.id}
        yield CloudFormationImport("AWS::EC2::RouteTable", table, {"VpcId": str(found.spec.vpc)})
        for cidr, target in (found.spec.routes or {}).items():
            place = {**table, "CidrBlock": cidr}
            properties = _to(found.id, cidr, target)
            yield CloudFormationImport("AWS::EC2::Route", place, properties, cidr)
        for subnet, association in found.facts["associations"].items():
            properties = {**table, "SubnetId": subnet}
            kind = "AWS::EC2::SubnetRouteTableAssociation"
            yield CloudFormationImport(kind, {"Id": association}, properties, subnet)

    def observe(self, scope: Scope) -> Calls[list[Observed[RouteTableSpec]]]:
        items = yield from _ec2.in_network(
            scope, ec2.describe_route_tables, "RouteTables", "route-table", "RouteTableId"
        )
        return [_observed(address, item) for address, item in _ec2.located(self.kind, scope, items, "RouteTableId")]

    def create(self, new: Desired[RouteTableSpec]) -> Calls[str]:
        answer = yield ec2.create_route_table(
            VpcId=new.spec.vpc, TagSpecifications=_ec2.specification("route-table", new.tags)
        )
        identifier: str = answer["RouteTable"]["RouteTableId"]
        yield from _set_routes(identifier, {}, new.spec.routes or {})
        yield from _associate(identifier, new.spec.subnets or ())
        return identifier

    def update(
        self, old: Observed[RouteTableSpec], new: Desired[RouteTableSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        changed = {change.field for change in changes}
        if "routes" in changed and new.spec.routes is not None:
            yield from _set_routes(old.id, old.spec.routes or {}, new.spec.routes)
        if "subnets" in changed and new.spec.subnets is not None:
            using = set(old.spec.subnets or ())
            yield from _associate(old.id, [subnet for subnet in new.spec.subnets if subnet not in using])
            yield from _disassociate(old, using.difference(new.spec.subnets))

    def delete(self, old: Observed[RouteTableSpec]) -> Calls[None]:
        yield from _disassociate(old, old.spec.subnets or ())
        yield from _gone.let_go(ec2.delete_route_table(RouteTableId=old.id))

    def update_tags(self, old: Observed[RouteTableSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _ec2.update_tags(old, put, drop)


TARGETS: Final = {
    "igw": "GatewayId",
    "vgw": "GatewayId",
    "nat": "NatGatewayId",
    "tgw": "TransitGatewayId",
    "pcx": "VpcPeeringConnectionId",
    "eni": "NetworkInterfaceId",
    "eigw": "EgressOnlyInternetGatewayId",
    "cagw": "CarrierGatewayId",
    "lgw": "LocalGatewayId",
    "vpce": "VpcEndpointId",
}
"""A target's parameter in CreateRoute, by the beginning of its id."""


def _observed(address: Address, item: Item) -> Observed[RouteTableSpec]:
    associations = {
        each["SubnetId"]: each for each in item["Associations"] if "SubnetId" in each and _state(each) in _HOLDING
    }
    failed = sorted(subnet for subnet, each in associations.items() if _state(each) == "failed")
    return Observed(
        address,
        item["RouteTableId"],
        RouteTableSpec(
            vpc=item["VpcId"],
            routes=dict(route for each in item["Routes"] if (route := _route(each)) is not None),
            subnets=tuple(sorted(associations)),
        ),
        tags=_ec2.tags_of(item),
        health=ResourceHealth.DEGRADED if failed else ResourceHealth.READY,
        reason=f"not associated with {', '.join(failed)}" if failed else "",
        facts={
            "associations": {subnet: each["RouteTableAssociationId"] for subnet, each in associations.items()},
            "ids": tuple(sorted(each["RouteTableAssociationId"] for each in associations.values())),
        },
    )


_HOLDING: Final = frozenset({"associating", "associated", "failed"})


def _state(association: Item) -> str:
    state: str = association.get("AssociationState", {}).get("State", "associated")
    return state


def _route(item: Item) -> tuple[str, str] | None:
    """A route as (destination, target), or None for one that nobody chose."""
    destination = item.get("DestinationCidrBlock") or item.get("DestinationIpv6CidrBlock")
    if destination is None or item.get("GatewayId") == "local" or item.get("Origin") == "EnableVgwRoutePropagation":
        return None
    target = next((item[name] for name in _ANSWERED if item.get(name)), "nowhere")
    return destination, f"{target} (blackhole)" if item.get("State") == "blackhole" else target


_ANSWERED: Final = ("GatewayId", *(name for name in TARGETS.values() if name != "GatewayId"), "CoreNetworkArn")


def _set_routes(identifier: str, have: Mapping[str, Link], want: Mapping[str, Link]) -> Calls[None]:
    for destination, target in want.items():
        if destination not in have:
            try:
                yield ec2.create_route(**_to(identifier, destination, target))
            except errors.Exists:
                yield ec2.replace_route(**_to(identifier, destination, target))
        elif have[destination] != target:
            try:
                yield ec2.replace_route(**_to(identifier, destination, target))
            except errors.Gone:
                yield ec2.create_route(**_to(identifier, destination, target))
    for destination in have:
        if destination not in want:
            yield from _gone.let_go(ec2.delete_route(RouteTableId=identifier, **_destination(destination)))


def _to(identifier: str, destination: str, target: Link) -> dict[str, Any]:
    prefix = str(target).partition("-")[0]
    if prefix not in TARGETS:
        raise errors.Invalid(f"a route to {destination} cannot lead to {target}: not one of {', '.join(TARGETS)}")
    return {"RouteTableId": identifier, **_destination(destination), TARGETS[prefix]: target}


def _destination(cidr: str) -> dict[str, str]:
    return {"DestinationIpv6CidrBlock" if ":" in cidr else "DestinationCidrBlock": cidr}


def _associate(identifier: str, subnets: Iterable[Link]) -> Calls[None]:
    """Let `subnets` use the table: those that use another one are moved, which AWS does without a gap."""
    wanted = [subnet for subnet in subnets if isinstance(subnet, str)]
    if not wanted:
        return
    answer = yield ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": sorted(wanted)}])
    elsewhere = {
        each["SubnetId"]: each["RouteTableAssociationId"]
        for item in answer["RouteTables"]
        for each in item["Associations"]
        if "SubnetId" in each and _state(each) in _HOLDING and item["RouteTableId"] != identifier
    }
    for subnet in wanted:
        if subnet in elsewhere:
            yield ec2.replace_route_table_association(AssociationId=elsewhere[subnet], RouteTableId=identifier)
        else:
            yield ec2.associate_route_table(SubnetId=subnet, RouteTableId=identifier)


def _disassociate(old: Observed[RouteTableSpec], subnets: Iterable[Link]) -> Calls[None]:
    for subnet in sorted(map(str, subnets)):
        yield from _gone.let_go(ec2.disassociate_route_table(AssociationId=old.facts["associations"][subnet]))
