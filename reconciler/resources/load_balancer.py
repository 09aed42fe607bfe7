"""An application or network load balancer.

Its name is unique in the account's region, so it is found by it. Listeners may be made while AWS is still making it
ready, so nothing waits for it. Its name, scheme and type cannot be changed, and another one would have another address
and could not share its target groups, so it is never replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import JsonValue

from reconciler import errors
from reconciler.model import members, resource
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.permissions import Permissions
from reconciler.model.quota import Quota
from reconciler.model.resource import Calls, Desired, Link, Observed, Path, ResourceHealth
from reconciler.model.resource_type import Depth, FieldMark, ResourceType, Scope
from reconciler.resources import _elb, _tags
from reconciler.resources._elb import elbv2

API: Final = ApiMembers(
    "elbv2",
    create="CreateLoadBalancer",
    update="ModifyIpPools",
    described="LoadBalancer",
    words={
        "Name": "the document's name, or `aws_name`",
        "Type": "type",
        "Scheme": "scheme",
        "Subnets": "subnets",
        "SubnetMappings": "subnets",
        "SecurityGroups": "security_groups",
        "IpAddressType": "ip_address_type",
        "Tags": "the document's `tags`",
    },
    others=("IpamPools",),
)


ADDRESSES: Final = ("ip_address_type",)
IDLE_TIMEOUT: Final = ("attributes", "idle_timeout.timeout_seconds")


class LoadBalancerSpec(resource.Spec):
    """The defaults are those of the ELB API Reference, CreateLoadBalancer and LoadBalancerAttribute."""

    api: ClassVar[ApiMembers] = API
    optional: ClassVar[Mapping[Path, Any]] = {ADDRESSES: "ipv4", IDLE_TIMEOUT: "60"}

    name: Annotated[str, FieldMark.IMMUTABLE]
    scheme: Annotated[str, FieldMark.IMMUTABLE]
    subnets: Annotated[tuple[Link, ...], FieldMark.UNORDERED]
    security_groups: Annotated[tuple[Link, ...], FieldMark.UNORDERED]
    type: Annotated[str, FieldMark.IMMUTABLE] = "application"
    ip_address_type: str | None = None
    attributes: Annotated[dict[str, str] | None, FieldMark.PARTIAL] = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}


def _quota(name: str, code: str, type_: str) -> Quota:
    def count(_: str) -> Calls[int]:
        answer = yield elbv2.describe_load_balancers()
        return sum(item["Type"] == type_ for item in answer["LoadBalancers"])

    return Quota("elasticloadbalancing", name, 50, code, count=count, applies=lambda spec: spec.type == type_)


class LoadBalancer(ResourceType[LoadBalancerSpec]):
    kind: ClassVar[str] = "load-balancer"
    Spec = LoadBalancerSpec
    terraform: ClassVar[str] = "aws_lb"
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::ElasticLoadBalancingV2::LoadBalancer", "LoadBalancerArn")
    creates: ClassVar[tuple[str, ...]] = ("CreateLoadBalancer",)
    owned_as: ClassVar[str] = "load-balancer"
    named_by: ClassVar[str | None] = "name"
    quotas: ClassVar[tuple[Quota, ...]] = (
        _quota("Application Load Balancers per Region", "L-53DA6B97", "application"),
        _quota("Network Load Balancers per Region", "L-69A177A2", "network"),
    )
    permissions: ClassVar[Permissions] = Permissions(linked_role="elasticloadbalancing.amazonaws.com")
    display_order: ClassVar[int] = 2
    depends_on: ClassVar[tuple[str, ...]] = ("internet-gateway", "route-table", "security-group-rules")

    def required_properties(self, found: Observed[LoadBalancerSpec]) -> Mapping[str, Any]:
        kind = {} if found.spec.type == "application" else {"Type": found.spec.type}
        return {**kind, "Subnets": [str(subnet) for subnet in found.spec.subnets]}

    def observe(self, scope: Scope) -> Calls[list[Observed[LoadBalancerSpec]]]:
        answer = yield elbv2.describe_load_balancers()
        items = _elb.relevant(answer["LoadBalancers"], "LoadBalancerName", "LoadBalancerArn", scope)
        arns = sorted(items) if scope.depth is Depth.FULL else []
        tags, read = yield from _elb.read(
            items, *(elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn) for arn in arns)
        )
        attributes = dict(zip(arns, read, strict=True))
        wanted = {want.spec.name: want for want in scope.wanted}
        found = []
        for arn, item in items.items():
            name = item["LoadBalancerName"]
            address = _tags.address_of(self.kind, name, tags.get(arn, {}), scope, wanted.get(name))
            if address is None or arn not in tags or (arn in attributes and attributes[arn] is None):
                continue
            health, reason = _health(item.get("State", {}))
            said = wanted[name].spec.aws if name in wanted else {}
            found.append(
                Observed(
                    address,
                    arn,
                    LoadBalancerSpec(
                        name=name,
                        scheme=item["Scheme"],
                        type=item["Type"],
                        subnets=tuple(sorted(zone["SubnetId"] for zone in item["AvailabilityZones"])),
                        security_groups=tuple(sorted(item.get("SecurityGroups", ()))),
                        ip_address_type=item.get("IpAddressType"),
                        attributes=_elb.attributes(attributes[arn]) if arn in attributes else None,
                        aws=members.seen(API, said, item, tags[arn], address) if said else {},
                    ),
                    tags=tags[arn],
                    health=health,
                    reason=reason,
                    unread=frozenset() if arn in attributes else frozenset({"attributes"}),
                    facts={
                        "dns_name": item["DNSName"],
                        "zone_id": item.get("CanonicalHostedZoneId"),
                        "item": item,
                        "unstated": members.unstated(API, said, item),
                    },
                )
            )
        return found

    def create(self, new: Desired[LoadBalancerSpec]) -> Calls[str]:
        spec = new.spec
        listing = elbv2.describe_load_balancers(Names=[spec.name])
        made = yield from _elb.made_before(listing, "LoadBalancers", "LoadBalancerArn", new)
        if made is not None:
            return made
        answer = yield elbv2.create_load_balancer(
            Name=spec.name,
            Scheme=spec.scheme,
            Type=spec.type,
            Subnets=sorted(map(str, spec.subnets)),
            SecurityGroups=sorted(map(str, spec.security_groups)) or None,
            IpAddressType=spec.ip_address_type,
            Tags=_tags.pairs(new.tags),
            **spec.aws,
        )
        arn: str = answer["LoadBalancers"][0]["LoadBalancerArn"]
        if spec.attributes:
            yield elbv2.modify_load_balancer_attributes(
                LoadBalancerArn=arn, Attributes=_elb.attribute_pairs(spec.attributes)
            )
        return arn

    def update(
        self, old: Observed[LoadBalancerSpec], new: Desired[LoadBalancerSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        fields = {change.field for change in changes}
        if "subnets" in fields:
            yield elbv2.set_subnets(LoadBalancerArn=old.id, Subnets=sorted(map(str, new.spec.subnets)))
        if "security_groups" in fields:
            groups = sorted(map(str, new.spec.security_groups))
            yield elbv2.set_security_groups(LoadBalancerArn=old.id, SecurityGroups=groups)
        if "ip_address_type" in fields:
            yield elbv2.set_ip_address_type(LoadBalancerArn=old.id, IpAddressType=new.spec.ip_address_type)
        if "aws" in fields:
            pools = members.changed(API, new.spec.aws, old.facts["item"], [change.path for change in changes])
            yield elbv2.modify_ip_pools(LoadBalancerArn=old.id, **pools)
        if "attributes" in fields and new.spec.attributes is not None:
            yield elbv2.modify_load_balancer_attributes(
                LoadBalancerArn=old.id, Attributes=_elb.attribute_pairs(new.spec.attributes, changes)
            )

    def delete(self, old: Observed[LoadBalancerSpec]) -> Calls[None]:
        try:
            yield elbv2.delete_load_balancer(LoadBalancerArn=old.id)
        except errors.Gone:
            return
        except errors.Protected as refusal:
            raise errors.Protected(
                f"{refusal.message}; apply it once with its deletion protection off before removing it",
                call=refusal.call,
                code=refusal.code,
                request_id=refusal.request_id,
            ) from refusal

    def update_tags(self, old: Observed[LoadBalancerSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _elb.update_tags(old, put, drop)


def _health(state: Mapping[str, str]) -> tuple[ResourceHealth, str]:
    """`active_impaired` still carries traffic, but AWS could not give it what it needs."""
    code = state.get("Code", "of unknown state")
    match code:
        case "active":
            return ResourceHealth.READY, ""
        case "failed" | "active_impaired":
            return ResourceHealth.DEGRADED, state.get("Reason") or f"the load balancer is {code}"
        case _:
            return ResourceHealth.PROGRESSING, f"the load balancer is {code}"
