"""Shared parts of the load-balancing types: tags, attributes, and addresses."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.adoption import adopted
from reconciler.model.diff import Change, diff
from reconciler.model.resource import Address, Call, Calls, Desired, Observed, Ref, ServiceApi
from reconciler.model.resource_type import Depth, Scope
from reconciler.resources import _gone, _tags

elbv2 = ServiceApi("elbv2")

TAGS_AT_ONCE = 20
"""Maximum number of ARNs in one call (ELB API Reference, DescribeTags)."""

T = TypeVar("T")

Tags: TypeAlias = dict[str, dict[str, str]]
"""ARN → tags."""


def read(arns: Iterable[str], *more: Call) -> Calls[tuple[dict[str, dict[str, str]], list[Any]]]:
    """The tags of `arns` and the responses to `more`, in parallel; no tags, or None, for a deleted resource."""
    names = sorted(arns)
    groups = [names[start : start + TAGS_AT_ONCE] for start in range(0, len(names), TAGS_AT_ONCE)]
    answers = yield from _gone.answers([*map(_describe_tags, groups), *more])
    found = answers[: len(groups)]
    missed = [arn for group, answer in zip(groups, found, strict=True) if answer is None for arn in group]
    found += yield from _gone.answers([_describe_tags([arn]) for arn in missed])
    tags = {
        item["ResourceArn"]: _tags.of_pairs(item["Tags"])
        for answer in found
        if answer is not None
        for item in answer["TagDescriptions"]
    }
    return tags, answers[len(groups) :]


def observed(
    scope: Scope, arns: Iterable[str], build: Callable[[Tags, list[Any]], list[Observed[Any]]], *more: Call
) -> Calls[list[Observed[Any]]]:
    """The result of `build` for the tags of `arns` and the responses to `more`.

    DescribeTags takes few ARNs, so tags that are known are used first: in a fast pass those of the earlier pass, else
    those of the tag index if they are just what the specs declare. Tags of resources that would then be written to are
    read again, because nothing is written by tags that lag.
    """
    names = sorted(arns)
    cached = _cached_tags(names, scope)
    read_tags, answers = yield from read((arn for arn in names if arn not in cached), *more)
    found = build(cached | read_tags, answers)
    unsure = doubted(found, scope) & cached.keys()
    if not unsure:
        return found
    read_again, _ = yield from read(unsure)
    confirmed = {arn: tags for arn, tags in cached.items() if arn not in unsure}
    return build(confirmed | read_tags | read_again, answers)


def doubted(found: Iterable[Observed[Any]], scope: Scope) -> set[str]:
    """ARNs of the resources that would be written to, judged by `found`."""
    wanted = {want.address: want for want in scope.wanted}
    return {one.id for one in found if _would_be_written(one, wanted.get(one.address))}


def _would_be_written(one: Observed[Any], want: Desired[Any] | None) -> bool:
    """A field that refers to a resource without a known id is not compared."""
    return want is None or any(not isinstance(change.new, Ref) for change in diff(one, adopted(want, one).spec))


def _cached_tags(arns: Iterable[str], scope: Scope) -> Tags:
    if scope.depth is Depth.FAST:
        earlier = {one.id: dict(one.tags) for one in scope.before}
        return {arn: earlier[arn] for arn in arns if arn in earlier}
    wanted = {want.address: want for want in scope.wanted}
    found = {}
    for arn in arns:
        address = ownership.address(scope.swept.get(arn, {}))
        tags = None if address is None else _tags.from_sweep(arn, scope, wanted.get(address))
        if tags is not None:
            found[arn] = tags
    return found


def known(
    items: Mapping[str, T], places: Mapping[str, tuple[Any, ...]], wanted: Container[tuple[Any, ...]], scope: Scope
) -> dict[str, T]:
    """The items that this pass observes, by ARN.

    A fast pass leaves out items that the earlier pass did not have, because it does not read their tags, except in
    places (a port, a priority) that the specs want.
    """
    if scope.depth is not Depth.FAST:
        return dict(items)
    earlier = {one.id for one in scope.before}
    return {arn: item for arn, item in items.items() if arn in earlier or places[arn] in wanted}


def relevant(items: Iterable[Mapping[str, Any]], named: str, arn: str, scope: Scope) -> dict[str, Mapping[str, Any]]:
    """ARN → item of a listing of the whole account, where the specs want its name or the tag index has its ARN."""
    names = {want.spec.name for want in scope.wanted}
    return {item[arn]: item for item in items if item[named] in names or item[arn] in scope.swept}


def made_before(listing: Call, items: str, arn: str, new: Desired[Any]) -> Calls[str | None]:
    """The ARN of the resource if an earlier attempt created it and the response was lost, else None.

    It is read before the create call, which AWS answers with an existing resource of that name and the same settings,
    whoever owns it (ELB API Reference, CreateLoadBalancer). `listing` reads by the name, `items` and `arn` are members
    of its response. Raises `errors.Exists` if the name belongs to another owner.
    """
    answer = yield from _gone.answer(listing)
    if answer is None or not answer[items]:
        return None
    there: str = answer[items][0][arn]
    tags, _ = yield from read([there])
    if not _tags.is_this(tags.get(there, {}), new):
        raise errors.Exists(f"{there} has that name and is not {new.address}")
    return there


def addresses(
    kind: str,
    places: Mapping[str, tuple[Any, ...]],
    wanted: Mapping[tuple[Any, ...], Address],
    tags: Mapping[str, Mapping[str, str]],
    scope: Scope,
) -> dict[str, Address]:
    """ARN → address, of resources that have a unique place (a port, a priority) instead of a name.

    The stack's own have the address in their tags. Another owner's resource in a place that the specs want has the
    address that is wanted there, unless the stack's own exists in another place and is to be moved; then it is shown by
    its ARN.
    """
    ours = {
        arn: address
        for arn in places
        if (address := _tags.address_of(kind, arn.rpartition("/")[2], tags[arn], scope, None)) is not None
    }
    others = {arn: wanted[place] for arn, place in places.items() if arn not in ours and place in wanted}
    taken = set(ours.values())
    return ours | {
        arn: Address(kind, arn.rpartition("/")[2]) if address in taken else address for arn, address in others.items()
    }


def renamed_part(old: str, new: str) -> str:
    """What is different in two addresses of the form `load balancer-listener`: the name that was renamed."""
    was, now = old.split("-"), new.split("-")
    while len(was) > 1 and len(now) > 1 and was[0] == now[0]:
        was, now = was[1:], now[1:]
    while len(was) > 1 and len(now) > 1 and was[-1] == now[-1]:
        was, now = was[:-1], now[:-1]
    return "-".join(was)


def attributes(answer: Mapping[str, Any]) -> dict[str, str]:
    """`Attributes` of a response, by key."""
    return {item["Key"]: str(item["Value"]) for item in answer["Attributes"]}


def attribute_pairs(wanted: Mapping[str, str], changes: Iterable[Change] | None = None) -> list[dict[str, str]]:
    """`Attributes` of a modify call: those in `changes`, or all that are wanted. AWS keeps those that are left out."""
    keys = sorted(wanted)
    if changes is not None:
        changed = {change.path[1:2] for change in changes if change.field == "attributes"}
        keys = [key for key in keys if (key,) in changed or () in changed]
    return [{"Key": key, "Value": wanted[key]} for key in keys]


def update_tags(old: Observed[Any], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
    """Remove and then write tags."""
    names = sorted(drop)
    if names:
        yield elbv2.remove_tags(ResourceArns=[old.id], TagKeys=names)
    if put:
        yield elbv2.add_tags(ResourceArns=[old.id], Tags=_tags.pairs(put))


def _describe_tags(arns: list[str]) -> Call:
    return elbv2.describe_tags(ResourceArns=arns)
