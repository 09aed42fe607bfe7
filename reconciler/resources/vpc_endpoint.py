"""A VPC endpoint: a private way to an AWS service, as an interface in subnets or a gateway in route tables.

No client token: one derived from the spec would, for a day, bring back an endpoint that was deleted by hand. A second
one for the same service is refused by AWS where it would matter, by its route or by its private DNS name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import JsonValue

from reconciler import errors
from reconciler.model import member_values, members, resource
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.permissions import OnBehalf, Permissions
from reconciler.model.resource import Address, Calls, Desired, Link, Observed, Path, ResourceHealth
from reconciler.model.resource_type import FieldMark, Replace, ResourceType, Scope
from reconciler.resources import _ec2, _policy
from reconciler.resources._ec2 import Item, ec2

API: Final = ApiMembers(
    "ec2",
    create="CreateVpcEndpoint",
    update="ModifyVpcEndpoint",
    described="VpcEndpoint",
    words={
        "VpcId": "the Network document",
        "ServiceName": "service",
        "VpcEndpointType": "service",
        "RouteTableIds": "`subnets` of the Network",
        "SubnetIds": "`subnets` of the Network",
        "SecurityGroupIds": "the Network document",
        "PolicyDocument": "policy",
        "IpAddressType": "ip_address_type",
        "DnsOptions.DnsRecordIpType": "dns_records",
        "TagSpecifications": "the document's `tags`",
    },
    owned={
        "DryRun": "a plan shows what would be done",
        "ClientToken": "a token would bring back an endpoint that was deleted by hand",
        **dict.fromkeys(("ServiceNetworkArn", "ResourceConfigurationArn"), "it is an endpoint of an AWS service"),
    },
    fields={"PrivateDnsEnabled": "private_dns"},
    optional={"IpAddressType": "ipv4", "DnsOptions.DnsRecordIpType": "ipv4"},
)

POLICY: Final = ("policy",)
EVERYTHING: Final = {
    "Version": "2008-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
}
"""The policy that AWS gives an endpoint without one (VPC user guide, endpoint policies)."""

Links = Annotated[tuple[Link, ...] | None, FieldMark.UNORDERED]


class VpcEndpointSpec(resource.Spec):
    """`service` is the full name, `com.amazonaws.us-west-2.ecr.api`."""

    api: ClassVar[ApiMembers] = API
    optional: ClassVar[Mapping[Path, Any]] = {POLICY: _policy.document(EVERYTHING)}

    vpc: Annotated[Link, FieldMark.IMMUTABLE]
    service: Annotated[str, FieldMark.IMMUTABLE]
    type: Annotated[Literal["Interface", "Gateway"], FieldMark.IMMUTABLE]
    subnets: Links = None
    security_groups: Links = None
    route_tables: Links = None
    private_dns: bool | None = None
    policy: _policy.Document | None = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}


class VpcEndpoint(ResourceType[VpcEndpointSpec]):
    kind: ClassVar[str] = "vpc-endpoint"
    Spec = VpcEndpointSpec
    terraform: ClassVar[str] = "aws_vpc_endpoint"
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::EC2::VPCEndpoint", "Id")
    creates: ClassVar[tuple[str, ...]] = ("CreateVpcEndpoint",)
    adopted_by_id: ClassVar[bool] = True
    may_duplicate: ClassVar[bool] = True
    permissions: ClassVar[Permissions] = Permissions(
        ec2="vpc-endpoint",
        made_inside=("vpc", "subnet", "route-table", "security-group"),
        on_behalf=(
            OnBehalf(
                "NameEndpoints",
                "an endpoint's private name is set up in the caller's name",
                ("route53:AssociateVPCWithHostedZone",),
            ),
        ),
    )
    inside: ClassVar[tuple[str, str] | None] = ("vpc", "vpc")
    depends_on: ClassVar[tuple[str, ...]] = ("security-group-rules",)
    replace: ClassVar[Replace] = Replace.DELETE_FIRST
    slow_to_create: ClassVar[bool] = True
    slow_to_delete: ClassVar[bool] = True

    def required_properties(self, found: Observed[VpcEndpointSpec]) -> Mapping[str, Any]:
        return {
            "VpcId": str(found.spec.vpc),
            "ServiceName": found.spec.service,
            "VpcEndpointType": found.spec.type,
        }

    def observe(self, scope: Scope) -> Calls[list[Observed[VpcEndpointSpec]]]:
        answer = yield ec2.describe_vpc_endpoints()
        lasting = [
            item
            for item in answer["VpcEndpoints"]
            if _state(item) != "deleted" and item["VpcEndpointType"] in {"Interface", "Gateway"}
        ]
        wanted = {want.address: want.spec for want in scope.wanted}
        located = _ec2.located(self.kind, scope, lasting, "VpcEndpointId", blocking=_same_service)
        return [_observed(address, item, wanted.get(address)) for address, item in located]

    def excludes(self, want: VpcEndpointSpec, found: VpcEndpointSpec) -> str:
        """A route table has one route to a service, and a VPC one private name of it."""
        if (want.vpc, want.service, want.type) != (found.vpc, found.service, found.type):
            return ""
        if want.type == "Gateway":
            shared = set(want.route_tables or ()) & set(found.route_tables or ())
            return f"the route to {want.service}" if shared else ""
        return f"the private name of {want.service}" if want.private_dns and found.private_dns else ""

    def create(self, new: Desired[VpcEndpointSpec]) -> Calls[str]:
        spec = new.spec
        try:
            answer = yield ec2.create_vpc_endpoint(
                VpcId=spec.vpc,
                ServiceName=spec.service,
                VpcEndpointType=spec.type,
                SubnetIds=_list(spec.subnets),
                SecurityGroupIds=_list(spec.security_groups),
                RouteTableIds=_list(spec.route_tables),
                PrivateDnsEnabled=spec.private_dns,
                PolicyDocument=None if spec.policy is None else _policy.text(spec.policy),
                TagSpecifications=_ec2.specification("vpc-endpoint", new.tags),
                **spec.aws,
            )
            made: Item = answer["VpcEndpoint"]
        except errors.Exists:
            answer = yield ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [spec.vpc]}])
            earlier = _ec2.mine(new, (item for item in answer["VpcEndpoints"] if _state(item) not in GOING))
            if earlier is None:
                raise
            made = earlier
        identifier: str = made["VpcEndpointId"]
        return identifier

    def update(
        self, old: Observed[VpcEndpointSpec], new: Desired[VpcEndpointSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        changed = {change.field for change in changes}
        lists: dict[str, list[str]] = {}
        for name, parameter in LISTS.items():
            if name in changed:
                have, want = getattr(old.spec, name) or (), getattr(new.spec, name) or ()
                lists[f"Add{parameter}"] = sorted(set(want).difference(have))
                lists[f"Remove{parameter}"] = sorted(set(have).difference(want))
        yield ec2.modify_vpc_endpoint(
            VpcEndpointId=old.id,
            PolicyDocument=_policy.text(new.spec.policy) if new.spec.policy and "policy" in changed else None,
            PrivateDnsEnabled=new.spec.private_dns if "private_dns" in changed else None,
            **{parameter: values for parameter, values in lists.items() if values},
            **members.changed(API, new.spec.aws, old.facts.get("item", {}), [change.path for change in changes]),
        )

    def delete(self, old: Observed[VpcEndpointSpec]) -> Calls[None]:
        if old.facts.get("deleting"):
            return
        try:
            answer = yield ec2.delete_vpc_endpoints(VpcEndpointIds=[old.id])
        except errors.Gone:
            return
        for item in answer.get("Unsuccessful", ()):  # a refusal comes as a success
            code, message = item["Error"]["Code"], item["Error"].get("Message", "")
            if not code.endswith("NotFound"):
                raise errors.Blocked(message, call="ec2.DeleteVpcEndpoints", code=code)

    def update_tags(self, old: Observed[VpcEndpointSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _ec2.update_tags(old, put, drop)


LISTS: Final = {"subnets": "SubnetIds", "security_groups": "SecurityGroupIds", "route_tables": "RouteTableIds"}
GOING: Final = frozenset({"deleting", "deleted"})


def _list(links: tuple[Link, ...] | None) -> list[Link] | None:
    return None if links is None else list(links)


def _same_service(want: Desired[Any], item: Item) -> bool:
    return bool((want.spec.vpc, want.spec.service) == (item["VpcId"], item["ServiceName"]))


def _state(item: Item) -> str:
    """AWS answers `available` where its model says `Available`."""
    state: str = item["State"]
    return state.lower()


def _observed(address: Address, item: Item, want: VpcEndpointSpec | None) -> Observed[VpcEndpointSpec]:
    health, reason = _health(item)
    policy, said = (None, {}) if want is None else (want.policy, want.aws)
    tags = _ec2.tags_of(item)
    left = {} if want is None else members.left(API, said, item, tags)
    said = member_values.merged(said, members.laid(left))
    return Observed(
        address,
        item["VpcEndpointId"],
        VpcEndpointSpec(
            vpc=item["VpcId"],
            service=item["ServiceName"],
            type=item["VpcEndpointType"],
            subnets=tuple(item.get("SubnetIds", ())),
            security_groups=tuple(group["GroupId"] for group in item.get("Groups", ())),
            route_tables=tuple(item.get("RouteTableIds", ())),
            private_dns=item.get("PrivateDnsEnabled", False),
            policy=_policy.seen_as(item["PolicyDocument"], policy) if item.get("PolicyDocument") else None,
            aws=members.seen(API, said, item, tags, address) if said else {},
        ),
        tags=tags,
        health=health,
        reason=reason,
        facts={"item": item, members.LEFT: {(members.FIELD, *path): value for path, value in left.items()}}
        | ({"deleting": True} if _state(item) == "deleting" else {}),
    )


def _health(item: Item) -> tuple[ResourceHealth, str]:
    match _state(item):
        case "available":
            return ResourceHealth.READY, ""
        case "rejected" | "failed" | "expired" as state:
            return ResourceHealth.DEGRADED, item.get("LastError", {}).get("Message") or f"the VPC endpoint is {state}"
        case "pendingacceptance":
            return ResourceHealth.PROGRESSING, "the service's owner has to accept the VPC endpoint"
        case state:
            return ResourceHealth.PROGRESSING, f"the VPC endpoint is {state}"
