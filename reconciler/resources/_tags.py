"""What tags say of something that has a name of its own in AWS: which address it is, and whether it is ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.model import ownership
from reconciler.model.resource import Address, Desired
from reconciler.model.resource_type import Scope


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """As elbv2, iam and ecr take them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def of_pairs(given: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return ownership.without_aws({tag["Key"]: tag["Value"] for tag in given})


def address_of(
    kind: str, name: str, tags: Mapping[str, str], scope: Scope, want: Desired[Any] | None
) -> Address | None:
    """The address of something found: `want`'s, if its name is wanted, whoever owns it; else what our own tags say.

    What is ours is never overlooked: without a usable tag it goes by its name in AWS.
    """
    if want is not None:
        return want.address
    if ownership.owner(tags) != scope.stack:
        return None
    told = ownership.address(tags)
    return told if told is not None and told.kind == kind else Address(kind, name)


def is_this(tags: Mapping[str, str], new: Desired[Any]) -> bool:
    """Whether what stands in a creation's way is what it was to create: made earlier, with the answer lost."""
    return all(key in tags and tags[key] == new.tags.get(key) for key in (ownership.STACK, ownership.ADDRESS))


def from_sweep(arn: str, scope: Scope, want: Desired[Any] | None) -> dict[str, str] | None:
    """The tags of `arn` as the sweep knows them, where they are what the specs want: nothing will follow from them.

    None means to ask AWS. The sweep lags, so that nothing is retagged or deleted because of what it says.
    """
    swept = scope.swept.get(arn)
    if swept is None or want is None:
        return None
    tags = ownership.without_aws(swept)
    return None if ownership.tag_changes(tags, want.tags) else tags


def plain(tags: Mapping[str, str]) -> dict[str, str]:
    """As logs answers them."""
    return ownership.without_aws(tags)
