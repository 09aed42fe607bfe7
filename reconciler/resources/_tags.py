"""Tags of resources that have a unique name in AWS: their address and their owner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.model import ownership
from reconciler.model.resource import Address, Desired
from reconciler.model.resource_type import Scope


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as the calls of elbv2, iam and ecr take them, sorted by key."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def of_pairs(given: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Tags of a response of elbv2, iam or ecr, without AWS's own."""
    return ownership.without_aws({tag["Key"]: tag["Value"] for tag in given})


def address_of(
    kind: str, name: str, tags: Mapping[str, str], scope: Scope, want: Desired[Any] | None
) -> Address | None:
    """The address of an observed resource: that of `want`, which has its name, else that of its tags.

    None for a resource that neither the specs name nor the stack owns. A resource of the stack whose tag is not an
    address of this type is addressed by its name, so that it is never overlooked.
    """
    if want is not None:
        return want.address
    if ownership.owner(tags) != scope.stack:
        return None
    address = ownership.address(tags)
    return address if address is not None and address.kind == kind else Address(kind, name)


def is_this(tags: Mapping[str, str], new: Desired[Any]) -> bool:
    """Whether an existing resource is the one to create: created by an earlier attempt whose response was lost."""
    own = all(key in tags and tags[key] == new.tags.get(key) for key in (ownership.STACK, ownership.ADDRESS))
    return own and tags.get(ownership.REGION) == new.tags.get(ownership.REGION)


def in_region(tags: Mapping[str, str], scope: Scope) -> dict[str, str]:
    """`tags` of a resource that is in no region; of a stack of this name in another region, with that in its name."""
    owner, region = ownership.owner(tags), tags.get(ownership.REGION, scope.region)
    return {**tags, ownership.STACK: f"{owner} in {region}"} if owner and region != scope.region else dict(tags)


def from_sweep(arn: str, scope: Scope, want: Desired[Any] | None) -> dict[str, str] | None:
    """The tags of `arn` in the tag index, if they are the ones that the specs declare; else None: read them.

    The tag index lags by minutes, so nothing is retagged or deleted by what it holds.
    """
    swept = scope.swept.get(arn)
    if swept is None or want is None:
        return None
    tags = ownership.without_aws(swept)
    return None if ownership.tag_changes(tags, want.tags) else tags


def plain(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags of a response of logs, which are a mapping already, without AWS's own."""
    return ownership.without_aws(tags)
