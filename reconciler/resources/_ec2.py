"""What the EC2 types share: tags, and which VPCs to look into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.model import ownership
from reconciler.model.kind import Scope
from reconciler.model.resource import Address, Calls, Desired, Observed, Service

ec2 = Service("ec2")


def tags_of(item: Mapping[str, Any]) -> dict[str, str]:
    """EC2 answers tags inline, as `[{"Key": …, "Value": …}]`."""
    return ownership.without_aws({tag["Key"]: tag["Value"] for tag in item.get("Tags", ())})


def specification(resource_type: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """`TagSpecifications` of a create call."""
    return [{"ResourceType": resource_type, "Tags": pairs(tags)}]


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def retag(old: Observed[Any], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
    """Tags first, then untags; any EC2 resource, by its id."""
    yield from retag_id(old.id, put, drop)


def retag_id(identifier: str, put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
    if put:
        yield ec2.create_tags(Resources=[identifier], Tags=pairs(put))
    names = sorted(drop)
    if names:
        yield ec2.delete_tags(Resources=[identifier], Tags=[{"Key": name} for name in names])


def vpc_ids(scope: Scope) -> list[str]:
    """The VPCs to look into: the stack's own, and those that the specs name by a literal id."""
    own = {found.id for found in scope.ours("vpc")}
    literal = {vpc for wanted in scope.wanted if isinstance(vpc := getattr(wanted.spec, "vpc", None), str)}
    return sorted(own | literal)


def in_vpcs(scope: Scope) -> list[dict[str, Any]]:
    """The `Filters` that narrow a describe to `vpc_ids`."""
    return [{"Name": "vpc-id", "Values": vpc_ids(scope)}]


def address_of(kind: str, tags: Mapping[str, str], scope: Scope) -> Address | None:
    """The address of something that has no unique name in AWS.

    Its own tag says it; failing that, it is what the specs want under the same `Name` tag, so that somebody else's
    look-alike shows up as a conflict and can be adopted.
    """
    told = ownership.address(tags)
    if told is not None and ownership.owner(tags) == scope.stack:
        return told if told.kind == kind else None
    if ownership.owner(tags) is not None:
        return None
    return next((want.address for want in scope.wanted if named(want) == tags.get("Name")), None)


def named(want: Desired[Any]) -> str:
    """The `Name` tag that something desired will carry; the console shows it as the resource's name."""
    return want.tags.get("Name", want.address.name)
