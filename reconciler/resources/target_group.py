"""A target group: the set of tasks that a load balancer sends requests to, and how it finds out that they are well.

Only its health check and its attributes can be changed; where versions take turns in it, the health check belongs to
the version, and the specs only say what it is at first. Another one could stand beside it only under another name, and
a service would have to be moved over to it, so it is never replaced. Which targets are registered is for ECS to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final

from pydantic import JsonValue

from reconciler.model import member_values, members, resource
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.quota import Quota, listed
from reconciler.model.resource import Address, Calls, Desired, Link, Observed, Path
from reconciler.model.resource_type import FieldMark, OwnedBy, ResourceType, Scope
from reconciler.resources import _elb, _gone, _tags
from reconciler.resources._elb import elbv2

API: Final = ApiMembers(
    "elbv2",
    create="CreateTargetGroup",
    update="ModifyTargetGroup",
    described="TargetGroup",
    words={
        "Name": "target_groups",
        "Protocol": "protocol",
        "ProtocolVersion": "protocol_version",
        "Port": "port",
        "VpcId": "`network` of the LoadBalancer",
        "HealthCheckPath": "health_check.path",
        "HealthCheckPort": "health_check.port",
        "HealthCheckProtocol": "health_check.protocol",
        "HealthCheckIntervalSeconds": "health_check.interval",
        "HealthCheckTimeoutSeconds": "health_check.timeout",
        "HealthyThresholdCount": "health_check.healthy_threshold",
        "UnhealthyThresholdCount": "health_check.unhealthy_threshold",
        "Matcher": "health_check.matcher",
        "Attributes": "attributes",
        "IpAddressType": "ip_address_type",
        "Tags": "the document's `tags`",
    },
    more={"Attributes": "ModifyTargetGroupAttributes"},
    fields={"TargetType": "target_type"},
)


ADDRESSES: Final = ("ip_address_type",)
STICKY: Final = ("attributes", "stickiness.enabled")
SLOW_START: Final = ("attributes", "slow_start.duration_seconds")
ALGORITHM: Final = ("attributes", "load_balancing.algorithm.type")
MITIGATION: Final = ("attributes", "load_balancing.algorithm.anomaly_mitigation")
CROSS_ZONE: Final = ("attributes", "load_balancing.cross_zone.enabled")

CONNECTIONS: Final = frozenset({"TCP", "TLS", "UDP", "TCP_UDP"})
"""Protocols of target groups of a network load balancer, which are checked by a connection of TCP."""


class HealthCheck(resource.Spec):
    """Seconds and counts. What is left out is as AWS has it; at creation it is what AWS documents, and sent."""

    path: str | None = None
    port: str | None = None
    protocol: str | None = None
    interval: int | None = None
    timeout: int | None = None
    healthy_threshold: int | None = None
    unhealthy_threshold: int | None = None
    matcher: str | None = None


class TargetGroupSpec(resource.Spec):
    """The defaults are those of the ELB API Reference, TargetGroupAttribute."""

    api: ClassVar[ApiMembers] = API
    optional: ClassVar[Mapping[Path, Any]] = {
        ADDRESSES: "ipv4",
        STICKY: "false",
        SLOW_START: "0",
        ALGORITHM: "round_robin",
        MITIGATION: "off",
        CROSS_ZONE: "use_load_balancer_configuration",
    }

    name: Annotated[str, FieldMark.IMMUTABLE]
    port: Annotated[int, FieldMark.IMMUTABLE]
    protocol: Annotated[str, FieldMark.IMMUTABLE]
    vpc: Annotated[Link, FieldMark.IMMUTABLE]
    target_type: Annotated[str, FieldMark.IMMUTABLE]
    protocol_version: Annotated[str | None, FieldMark.IMMUTABLE] = None
    ip_address_type: Annotated[str | None, FieldMark.IMMUTABLE] = None
    health_check: HealthCheck | None = None
    initial_health_check: Annotated[HealthCheck | None, OwnedBy("rollout")] = None
    attributes: Annotated[dict[str, str] | None, FieldMark.PARTIAL] = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}


class TargetGroup(ResourceType[TargetGroupSpec]):
    kind: ClassVar[str] = "target-group"
    quotas: ClassVar[tuple[Quota, ...]] = (
        Quota(
            "elasticloadbalancing",
            "Target Groups per Region",
            3000,
            "L-B22855CB",
            count=listed(elbv2.describe_target_groups, "TargetGroups"),
        ),
    )
    Spec = TargetGroupSpec
    terraform: ClassVar[str] = "aws_lb_target_group"
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::ElasticLoadBalancingV2::TargetGroup", "TargetGroupArn")
    judges: ClassVar[bool] = True
    creates: ClassVar[tuple[str, ...]] = ("CreateTargetGroup",)
    named_by: ClassVar[str | None] = "name"
    serves_tasks: ClassVar[bool] = True  # ECS shows those of a service's newest deployment only

    def parent(self, found: Observed[TargetGroupSpec], others: Iterable[Observed[Any]]) -> Address | None:
        """The load balancer that sends requests to it."""
        balancers = found.facts.get("load_balancers", ())
        return next((other.address for other in others if other.id in balancers), None)

    def observe(self, scope: Scope) -> Calls[list[Observed[TargetGroupSpec]]]:
        answer = yield elbv2.describe_target_groups()
        items = _elb.relevant(answer["TargetGroups"], "TargetGroupName", "TargetGroupArn", scope)

        def build(tags: _elb.Tags, _: list[Any]) -> list[Observed[TargetGroupSpec]]:
            return self._observed(scope, items, tags)

        return (yield from _elb.observed(scope, items, build))

    def observe_details(
        self, found: Sequence[Observed[TargetGroupSpec]], scope: Scope
    ) -> Calls[list[Observed[TargetGroupSpec]]]:
        """Attributes: AWS answers those of one group at a time. Nothing is written on hearsay here either."""
        calls = [elbv2.describe_target_group_attributes(TargetGroupArn=one.id) for one in found]
        answers = yield from _gone.answers(calls)
        read = {one.id: answer for one, answer in zip(found, answers, strict=True) if answer is not None}
        whole = [_with(one, read[one.id]) for one in found if one.id in read]
        doubted = _elb.doubted(whole, scope) - _elb.doubted(found, scope)
        if not doubted:
            return whole
        own, _ = yield from _elb.read(doubted)
        tags = {one.id: dict(one.tags) for one in whole if one.id not in doubted} | own
        items = {one.id: one.facts["item"] for one in whole}
        return [_with(one, read[one.id]) for one in self._observed(scope, items, tags)]

    def _observed(self, scope: Scope, items: Mapping[str, Any], tags: _elb.Tags) -> list[Observed[TargetGroupSpec]]:
        wanted = {want.spec.name: want for want in scope.wanted}
        found = []
        for arn, item in items.items():
            name = item["TargetGroupName"]
            address = _tags.address_of(self.kind, name, tags.get(arn, {}), scope, wanted.get(name))
            if address is None or arn not in tags:
                continue
            said = wanted[name].spec.aws if name in wanted else {}
            found.append(
                Observed(
                    address,
                    arn,
                    TargetGroupSpec(
                        name=name,
                        port=item.get("Port", 0),
                        protocol=item.get("Protocol", ""),
                        protocol_version=item.get("ProtocolVersion"),
                        vpc=item.get("VpcId", ""),
                        target_type=item["TargetType"],
                        ip_address_type=item.get("IpAddressType"),
                        health_check=read_check(item),
                        aws=members.seen(API, said, item, tags[arn], address) if said else {},
                    ),
                    tags=tags[arn],
                    unread=frozenset({"attributes"}),
                    facts={"item": item, "load_balancers": tuple(sorted(set(item.get("LoadBalancerArns", ()))))},
                )
            )
        return found

    def create(self, new: Desired[TargetGroupSpec]) -> Calls[str]:
        spec = new.spec
        listing = elbv2.describe_target_groups(Names=[spec.name])
        made = yield from _elb.made_before(listing, "TargetGroups", "TargetGroupArn", new)
        if made is not None:
            return made
        answer = yield elbv2.create_target_group(
            Name=spec.name,
            Port=spec.port,
            Protocol=spec.protocol,
            ProtocolVersion=spec.protocol_version,
            VpcId=spec.vpc,
            TargetType=spec.target_type,
            IpAddressType=spec.ip_address_type,
            Tags=_tags.pairs(new.tags),
            **member_values.merged(_written_check(spec, spec.initial_health_check), spec.aws),
        )
        arn: str = answer["TargetGroups"][0]["TargetGroupArn"]
        if spec.attributes:
            yield elbv2.modify_target_group_attributes(
                TargetGroupArn=arn, Attributes=_elb.attribute_pairs(spec.attributes)
            )
        return arn

    def update(
        self, old: Observed[TargetGroupSpec], new: Desired[TargetGroupSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        fields = {change.field for change in changes}
        settings = _written_check(new.spec, old.spec.health_check) if "health_check" in fields else {}
        if "aws" in fields:
            settings |= members.changed(API, new.spec.aws, old.facts["item"], [change.path for change in changes])
        if settings:
            yield elbv2.modify_target_group(TargetGroupArn=old.id, **settings)
        if "attributes" in fields and new.spec.attributes is not None:
            yield elbv2.modify_target_group_attributes(
                TargetGroupArn=old.id, Attributes=_elb.attribute_pairs(new.spec.attributes, changes)
            )

    def delete(self, old: Observed[TargetGroupSpec]) -> Calls[None]:
        yield from _gone.let_go(elbv2.delete_target_group(TargetGroupArn=old.id))

    def update_tags(self, old: Observed[TargetGroupSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _elb.update_tags(old, put, drop)


def _with(one: Observed[TargetGroupSpec], answer: Mapping[str, Any]) -> Observed[TargetGroupSpec]:
    spec = one.spec.model_copy(update={"attributes": _elb.attributes(answer)})
    return replace(one, spec=spec, unread=frozenset())


def read_check(item: Mapping[str, Any]) -> HealthCheck:
    matcher = item.get("Matcher", {})
    return HealthCheck(
        path=item.get("HealthCheckPath"),
        port=item.get("HealthCheckPort"),
        protocol=item.get("HealthCheckProtocol"),
        interval=item.get("HealthCheckIntervalSeconds"),
        timeout=item.get("HealthCheckTimeoutSeconds"),
        healthy_threshold=item.get("HealthyThresholdCount"),
        unhealthy_threshold=item.get("UnhealthyThresholdCount"),
        matcher=matcher.get("HttpCode") or matcher.get("GrpcCode"),
    )


def _written_check(spec: TargetGroupSpec, now: HealthCheck | None) -> dict[str, Any]:
    """Every health-check parameter: what is declared, else what is there, else AWS's documented default.

    AWS's defaults depend on other fields, and those it documents are not all those it applies.
    """
    grpc = spec.protocol_version == "GRPC"
    default = HealthCheck(
        path="/AWS.ALB/healthcheck" if grpc else "/",
        port="traffic-port",
        protocol="TCP" if spec.protocol in CONNECTIONS else spec.protocol,
        interval=30,
        timeout=5,
        healthy_threshold=5,
        unhealthy_threshold=2,
        matcher="12" if grpc else "200",
    )
    check: dict[str, Any] = default.model_dump()
    for layer in (now, spec.health_check):
        if layer is not None:
            check |= layer.model_dump(exclude_none=True)
    answer = {"HealthCheckPath": check["path"], "Matcher": {"GrpcCode" if grpc else "HttpCode": check["matcher"]}}
    return {
        **({} if check["protocol"] == "TCP" else answer),
        "HealthCheckPort": check["port"],
        "HealthCheckProtocol": check["protocol"],
        "HealthCheckIntervalSeconds": check["interval"],
        "HealthCheckTimeoutSeconds": check["timeout"],
        "HealthyThresholdCount": check["healthy_threshold"],
        "UnhealthyThresholdCount": check["unhealthy_threshold"],
    }
