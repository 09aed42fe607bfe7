"""A security group, without its rules: those are a resource of their own, so that groups may refer to each other.

Its name is unique in its VPC and, like its description, cannot be changed. It is never replaced: another group of the
same name cannot stand beside it, and it cannot be deleted while anything uses it. A group under another name is another
resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from reconciler import errors
from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.ownership import FIELDS
from reconciler.model.permissions import Permissions
from reconciler.model.quota import Quota, listed
from reconciler.model.resource import Calls, Desired, Link, Observed
from reconciler.model.resource_type import FieldMark, Replace, ResourceType, Scope
from reconciler.resources import _ec2, _gone
from reconciler.resources._ec2 import Item, ec2


class SecurityGroupSpec(resource.Spec):
    vpc: Annotated[Link, FieldMark.IMMUTABLE]
    group_name: Annotated[str, FieldMark.IMMUTABLE]
    description: Annotated[str, FieldMark.IMMUTABLE]


class SecurityGroup(ResourceType[SecurityGroupSpec]):
    kind: ClassVar[str] = "security-group"
    Spec = SecurityGroupSpec
    terraform: ClassVar[str] = "aws_security_group"
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::EC2::SecurityGroup", "Id")
    creates: ClassVar[tuple[str, ...]] = ("CreateSecurityGroup",)
    adopted_by_id: ClassVar[bool] = True
    named_by: ClassVar[str | None] = "group_name"
    quotas: ClassVar[tuple[Quota, ...]] = (
        Quota(
            "vpc",
            "VPC security groups per Region",
            2500,
            "L-E79EC296",
            count=listed(ec2.describe_security_groups, "SecurityGroups"),
        ),
    )
    permissions: ClassVar[Permissions] = Permissions(ec2="security-group", made_inside=("vpc",))
    inside: ClassVar[tuple[str, str] | None] = ("vpc", "vpc")
    observe_after: ClassVar[tuple[str, ...]] = ("vpc",)
    replace: ClassVar[Replace] = Replace.NEVER

    def continuing(
        self,
        new: Desired[SecurityGroupSpec],
        old: Observed[SecurityGroupSpec] | None,
        world: Iterable[Observed[Any]],
        promoted: Set[str],
        serving: Set[str],
    ) -> Desired[SecurityGroupSpec]:
        """With the tag of what its document has stated, until its rules are what they are without that. They come
        after the group, and remove the tag when they have been written."""
        if old is None or FIELDS not in old.tags or FIELDS in new.tags:
            return new
        if any(one.parent == old.id and one.facts.get("open") for one in world):
            return new
        return replace(new, tags={**new.tags, FIELDS: old.tags[FIELDS]})

    def required_properties(self, found: Observed[SecurityGroupSpec]) -> Mapping[str, Any]:
        return {
            "GroupName": found.spec.group_name,
            "GroupDescription": found.spec.description,
            "VpcId": str(found.spec.vpc),
        }

    def observe(self, scope: Scope) -> Calls[list[Observed[SecurityGroupSpec]]]:
        items = yield from _ec2.in_network(
            scope, ec2.describe_security_groups, "SecurityGroups", "security-group", "GroupId"
        )
        return [
            Observed(
                address,
                item["GroupId"],
                SecurityGroupSpec(vpc=item["VpcId"], group_name=item["GroupName"], description=item["Description"]),
                tags=_ec2.tags_of(item),
            )
            for address, item in _ec2.located(self.kind, scope, items, "GroupId", named=_named)
        ]

    def create(self, new: Desired[SecurityGroupSpec]) -> Calls[str]:
        try:
            made = yield ec2.create_security_group(
                VpcId=new.spec.vpc,
                GroupName=new.spec.group_name,
                Description=new.spec.description,
                TagSpecifications=_ec2.specification("security-group", new.tags),
            )
        except errors.Exists:
            answer = yield ec2.describe_security_groups(
                Filters=[
                    {"Name": "vpc-id", "Values": [new.spec.vpc]},
                    {"Name": "group-name", "Values": [new.spec.group_name]},
                ]
            )
            made = _ec2.mine(new, answer["SecurityGroups"])
            if made is None:
                raise
        identifier: str = made["GroupId"]
        return identifier

    def update(
        self, old: Observed[SecurityGroupSpec], new: Desired[SecurityGroupSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        yield from ()

    def delete(self, old: Observed[SecurityGroupSpec]) -> Calls[None]:
        yield from _gone.let_go(ec2.delete_security_group(GroupId=old.id))

    def update_tags(self, old: Observed[SecurityGroupSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _ec2.update_tags(old, put, drop)


def _named(want: Desired[Any], item: Item) -> bool:
    return bool(want.spec.group_name == item["GroupName"] and want.spec.vpc == item["VpcId"])
