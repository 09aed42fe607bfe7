"""All rules of one security group, as one resource.

Apart from the group, so that groups may refer to each other in circles. They have no id of their own in AWS, and the
owner and tags of the group.
A rule is its protocol, ports and the other side; what is described differently is still the same rule. New rules come
before old ones go, so that no traffic falls between them.

A group with no rule at all is one whose rules are absent, unless that is what the specs ask for, or did.

It is one module because rules are read, compared and written by the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_network
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import field_validator, model_validator

from reconciler import errors
from reconciler.model import members, ownership, resource
from reconciler.model.diff import Change
from reconciler.model.other_tools import TERRAFORM, CloudFormationImport
from reconciler.model.permissions import Operation
from reconciler.model.quota import Quota
from reconciler.model.resource import Address, Batch, Call, Calls, Desired, Link, Observed, Path, T
from reconciler.model.resource_type import FieldMark, Replace, ResourceType, Scope
from reconciler.model.usage import Usage
from reconciler.resources import _ec2
from reconciler.resources._ec2 import Item, ec2

Direction = Literal["ingress", "egress"]
EGRESS: Final = ("egress",)

PROTOCOLS: Final = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": "-1"}
WITH_PORTS: Final = frozenset({"tcp", "udp"})
WITH_TYPES: Final = frozenset({"icmp", "icmpv6"})


class Rule(resource.Spec):
    """One rule; for ICMP the ports are type and code. `source` is the other side: an address range, a group or a list.

    Without ports it means all of them, which EC2 writes out for TCP and UDP and leaves away for other protocols.
    `description` undeclared leaves what is there; an empty one takes it away.
    """

    protocol: str
    from_port: int | None = None
    to_port: int | None = None
    source: Link
    description: str | None = None

    @field_validator("protocol")
    @classmethod
    def _protocol(cls, value: str) -> str:
        return PROTOCOLS.get(value.lower(), value.lower())

    @field_validator("source")
    @classmethod
    def _source(cls, value: Link) -> Link:
        return str(ip_network(value, strict=False)) if isinstance(value, str) and "/" in value else value

    @model_validator(mode="before")
    @classmethod
    def _ports(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        protocol = str(values.get("protocol")).lower()
        start, end = values.get("from_port"), values.get("to_port")
        if PROTOCOLS.get(protocol, protocol) in WITH_PORTS:
            start, end = (0, 65535) if start is None else (start, start if end is None else end)
        else:
            start, end = (None if port in (None, -1) else port for port in (start, end))
        return dict(values) | {"from_port": start, "to_port": end}

    def __str__(self) -> str:
        protocol = "all" if self.protocol == "-1" else self.protocol
        ports = "" if self.from_port is None else f" {self.from_port}"
        if self.to_port not in (None, self.from_port):
            ports += f"-{self.to_port}"
        return f"{protocol}{ports} from {self.source}"


Rules = Annotated[tuple[Rule, ...] | None, FieldMark.UNORDERED]


EVERYTHING: Final = tuple(Rule(protocol="-1", source=source) for source in ("0.0.0.0/0", "::/0"))
"""What AWS allows a new group to reach; the second rule is only given to one of a VPC with an IPv6 range."""


class SecurityGroupRulesSpec(resource.Spec):
    """`egress` undeclared leaves the rules that AWS gives a new group; `()` takes them away. That a document stated it
    is known from the group's tag."""

    optional: ClassVar[Mapping[Path, Any]] = {EGRESS: EVERYTHING}

    group: Annotated[Link, FieldMark.IMMUTABLE]
    ingress: Annotated[tuple[Rule, ...], FieldMark.UNORDERED]
    egress: Rules = None


def _most(spec: SecurityGroupRulesSpec) -> int:
    return max(len(spec.ingress), len(spec.egress or ()))


class SecurityGroupRules(ResourceType[SecurityGroupRulesSpec]):
    kind: ClassVar[str] = "security-group-rules"
    quotas: ClassVar[tuple[Quota, ...]] = (
        Quota("vpc", "Inbound or outbound rules per security group", 60, "L-0EA8095F", amount=_most),
    )
    Spec = SecurityGroupRulesSpec
    not_exported: ClassVar[Mapping[str, str]] = {TERRAFORM: "aws_security_group has its rules"}
    judges: ClassVar[bool] = True
    changed_by: ClassVar[tuple[Operation, ...]] = (("ec2", "ModifySecurityGroupRules"),)
    inside: ClassVar[tuple[str, str] | None] = ("group", "security-group")
    observe_after: ClassVar[tuple[str, ...]] = ("security-group",)
    replace: ClassVar[Replace] = Replace.NEVER

    def retaining(
        self, old: Observed[SecurityGroupRulesSpec], new: Desired[SecurityGroupRulesSpec], usage: Usage
    ) -> Desired[SecurityGroupRulesSpec]:
        """Rules by which requests reach the tasks of an older version, or leave them, stay as long as those run."""
        if not usage.several:
            return new
        kept: dict[str, tuple[Rule, ...]] = {}
        for direction in DIRECTIONS:
            present, wanted = getattr(old.spec, direction), getattr(new.spec, direction)
            if wanted is None:
                continue
            names = {str(rule) for rule in wanted}
            kept[direction] = tuple(
                rule
                for rule in present or ()
                if str(rule) not in names
                and not usage.used.isdisjoint((old.spec.group, rule.source))
                and usage.may_need(old.spec.group, rule.source)
            )
        if not any(kept.values()):
            return new
        update = {direction: (*getattr(new.spec, direction), *rules) for direction, rules in kept.items()}
        return replace(new, spec=new.spec.model_copy(update=update))

    def in_cloudformation(self, found: Observed[SecurityGroupRulesSpec]) -> Iterator[CloudFormationImport]:
        for item in found.facts["rules"]:
            direction = "Egress" if item["IsEgress"] else "Ingress"
            rule = item["SecurityGroupRuleId"]
            properties = _properties(item)
            yield CloudFormationImport(f"AWS::EC2::SecurityGroup{direction}", {"Id": rule}, properties, rule)

    def observe(self, scope: Scope) -> Calls[list[Observed[SecurityGroupRulesSpec]]]:
        groups = {group.id: group for group in scope.seen.get("security-group", ())}
        answers = yield Batch.of(
            ec2.describe_security_group_rules(Filters=each) for each in _ec2.filters("group-id", groups)
        )
        items: dict[str, list[Item]] = {identifier: [] for identifier in groups}
        for answer in answers:
            for item in answer["SecurityGroupRules"]:
                items[item["GroupId"]].append(item)
        wanted = {want.spec.group: want for want in scope.wanted}
        found = []
        for identifier, group in groups.items():
            want = wanted.get(identifier)
            if items[identifier] or _wants_none(want) or members.code(EGRESS) in members.stated_before(group.tags):
                address = Address(self.kind, group.address.name) if want is None else want.address
                found.append(_observed(address, group, items[identifier]))
        return found

    def create(self, new: Desired[SecurityGroupRulesSpec]) -> Calls[str]:
        group = str(new.spec.group)
        answer = yield ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
        yield from _arrange(group, answer["SecurityGroupRules"], new.spec)
        return _id(group)

    def update(
        self,
        old: Observed[SecurityGroupRulesSpec],
        new: Desired[SecurityGroupRulesSpec],
        changes: tuple[Change, ...],
    ) -> Calls[None]:
        yield from _arrange(str(new.spec.group), old.facts["rules"], new.spec)
        if ownership.FIELDS in old.tags and ownership.FIELDS not in new.tags and _is_open(new.spec):
            yield ec2.delete_tags(Resources=[new.spec.group], Tags=[{"Key": ownership.FIELDS}])

    def delete(self, old: Observed[SecurityGroupRulesSpec]) -> Calls[None]:
        """Not while anything is still in the group: taking its rules away would cut traffic off."""
        group = str(old.spec.group)
        try:
            answer = yield ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [group]}])
            using = sorted(item["NetworkInterfaceId"] for item in answer["NetworkInterfaces"] if item.get("Attachment"))
            if using:
                raise errors.Blocked(f"the group is still used by {', '.join(using)}")
            for direction in DIRECTIONS:
                ids = [item["SecurityGroupRuleId"] for item in old.facts["rules"] if _direction(item) == direction]
                yield from _revoke(direction, group, ids)
        except errors.Gone:
            return

    def update_tags(
        self, old: Observed[SecurityGroupRulesSpec], put: Mapping[str, str], drop: Iterable[str]
    ) -> Calls[None]:
        """The group's tags stand for those of its rules."""
        yield from ()


DIRECTIONS: Final[tuple[Direction, ...]] = ("ingress", "egress")


def _is_open(spec: SecurityGroupRulesSpec) -> bool:
    return {str(rule) for rule in spec.egress or ()} == {str(rule) for rule in EVERYTHING}


def _id(group: str) -> str:
    return f"{group}/rules"


def _wants_none(want: Desired[SecurityGroupRulesSpec] | None) -> bool:
    return want is not None and not want.spec.ingress and not want.spec.egress


def _observed(address: Address, group: Observed[Any], items: list[Item]) -> Observed[SecurityGroupRulesSpec]:
    rules: dict[Direction, tuple[Rule, ...]] = {
        direction: tuple(sorted((_rule(item) for item in items if _direction(item) == direction), key=str))
        for direction in DIRECTIONS
    }
    spec = SecurityGroupRulesSpec(group=group.id, **rules)
    facts = {"rules": items, "open": _is_open(spec)}
    return Observed(address, _id(group.id), spec, tags=group.tags, parent=group.id, facts=facts)


def _properties(item: Item) -> dict[str, Any]:
    """The properties of a rule in CloudFormation."""
    peer = "Destination" if item["IsEgress"] else "Source"
    found = {
        "GroupId": item["GroupId"],
        "IpProtocol": item["IpProtocol"],
        "FromPort": item.get("FromPort"),
        "ToPort": item.get("ToPort"),
        "CidrIp": item.get("CidrIpv4"),
        "CidrIpv6": item.get("CidrIpv6"),
        f"{peer}PrefixListId": item.get("PrefixListId"),
        f"{peer}SecurityGroupId": (item.get("ReferencedGroupInfo") or {}).get("GroupId"),
        "Description": item.get("Description"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _direction(item: Item) -> Direction:
    return "egress" if item["IsEgress"] else "ingress"


def _rule(item: Item) -> Rule:
    others = (
        item.get("CidrIpv4"),
        item.get("CidrIpv6"),
        item.get("PrefixListId"),
        item.get("ReferencedGroupInfo", {}).get("GroupId"),
    )
    return Rule(
        protocol=item["IpProtocol"],
        from_port=item.get("FromPort"),
        to_port=item.get("ToPort"),
        source=next(other for other in others if other),
        description=item.get("Description") or "",
    )


def _arrange(group: str, items: Iterable[Item], spec: SecurityGroupRulesSpec) -> Calls[None]:
    """Make the group's rules those of `spec`: the new ones, the descriptions, and at last the old ones away."""
    listed = list(items)
    for direction in DIRECTIONS:
        want = spec.ingress if direction == "ingress" else spec.egress
        if want is None:
            continue
        have = {str(rule): (rule, item) for item in listed if _direction(item) == direction for rule in [_rule(item)]}
        wanted = {str(rule): rule for rule in want}
        yield from _authorize(direction, group, [rule for name, rule in wanted.items() if name not in have])
        redescribed = [
            rule
            for name, rule in wanted.items()
            if name in have and rule.description not in (None, have[name][0].description)
        ]
        if redescribed:
            yield _CALLS[direction][1](GroupId=group, IpPermissions=[_permission(rule) for rule in redescribed])
        revoked = [item["SecurityGroupRuleId"] for name, (_, item) in have.items() if name not in wanted]
        yield from _revoke(direction, group, revoked)


_CALLS: Final = {
    "ingress": (
        ec2.authorize_security_group_ingress,
        ec2.update_security_group_rule_descriptions_ingress,
        ec2.revoke_security_group_ingress,
    ),
    "egress": (
        ec2.authorize_security_group_egress,
        ec2.update_security_group_rule_descriptions_egress,
        ec2.revoke_security_group_egress,
    ),
}


def _authorize(direction: Direction, group: str, rules: list[Rule]) -> Calls[None]:
    """All at once; one that is there already has AWS refuse them all, and then each is sent alone."""
    call = _CALLS[direction][0]
    yield from _together_or_alone(
        errors.Exists,
        rules,
        lambda some: call(GroupId=group, IpPermissions=[_permission(rule) for rule in some]),
    )


def _revoke(direction: Direction, group: str, ids: list[str]) -> Calls[None]:
    call = _CALLS[direction][2]
    yield from _together_or_alone(errors.Gone, ids, lambda some: call(GroupId=group, SecurityGroupRuleIds=some))


def _together_or_alone(expected: type[errors.AwsError], items: list[T], call: Callable[[list[T]], Call]) -> Calls[None]:
    if not items:
        return
    try:
        yield call(items)
    except expected:
        if len(items) == 1:
            return
        for item in items:
            yield from _together_or_alone(expected, [item], call)


def _permission(rule: Rule) -> dict[str, Any]:
    permission: dict[str, Any] = {"IpProtocol": rule.protocol}
    if rule.protocol in WITH_PORTS | WITH_TYPES:
        permission["FromPort"] = -1 if rule.from_port is None else rule.from_port
        permission["ToPort"] = -1 if rule.to_port is None else rule.to_port
    name, key = _source_parameter(str(rule.source))
    permission[name] = [{key: rule.source} | ({"Description": rule.description} if rule.description else {})]
    return permission


def _source_parameter(source: str) -> tuple[str, str]:
    if source.startswith("sg-"):
        return "UserIdGroupPairs", "GroupId"
    if source.startswith("pl-"):
        return "PrefixListIds", "PrefixListId"
    return ("Ipv6Ranges", "CidrIpv6") if ":" in source else ("IpRanges", "CidrIp")
