"""What the EC2 types share: tags, where to look, and which of what is found concerns the stack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.resource import Address, Batch, Call, Calls, Desired, Observed, ServiceApi
from reconciler.model.resource_type import Scope
from reconciler.resources import _gone, _tags

ec2 = ServiceApi("ec2")

FILTER_VALUES = 200
"""Values that one filter of a describe call may list (EC2 API reference, Filter)."""

IPV6: Final = ("ipv6",)
"""The field of a VPC and a subnet that says whether they have an IPv6 range, and which."""

Item: TypeAlias = Mapping[str, Any]
Match: TypeAlias = Callable[[Desired[Any], Item], bool]


def _canonical(text: str) -> str:
    return str(ip_network(text, strict=False))


Cidr: TypeAlias = Annotated[str, AfterValidator(_canonical)]
"""An address range as EC2 stores it: without host bits, IPv6 in lower case and compressed."""


@dataclass(frozen=True, slots=True)
class Ipv6Block:
    """An IPv6 range of a VPC or a subnet; `usable` once it is associated."""

    range: str
    association: str
    usable: bool


def ipv6_blocks(item: Item) -> list[Ipv6Block]:
    """Those of a VPC or a subnet. EC2 lists associations that were taken away for a while."""
    states = {one["AssociationId"]: one["Ipv6CidrBlockState"]["State"] for one in _ipv6_associations(item)}
    return [
        Ipv6Block(_canonical(one["Ipv6CidrBlock"]), one["AssociationId"], states[one["AssociationId"]] == "associated")
        for one in _ipv6_associations(item)
        if states[one["AssociationId"]] in ("associating", "associated")
    ]


def _ipv6_associations(item: Item) -> Iterable[Item]:
    return item.get("Ipv6CidrBlockAssociationSet") or ()


def let_go_of_range(call: Call) -> Calls[None]:
    """Take a range away from a VPC or a subnet. EC2 refuses it while something has an address of it."""
    try:
        yield from _gone.let_go(call)
    except errors.Blocked as refusal:
        raise errors.InUse(
            refusal.message, call=refusal.call, code=refusal.code, request_id=refusal.request_id
        ) from refusal


def tags_of(item: Item) -> dict[str, str]:
    """EC2 answers tags inline."""
    return _tags.of_pairs(item.get("Tags", ()))


def specification(resource_type: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """`TagSpecifications` of a create call."""
    return [{"ResourceType": resource_type, "Tags": _tags.pairs(tags)}]


def update_tags(old: Observed[Any], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
    """Remove and then write tags of any EC2 resource, by its id."""
    names = sorted(drop)
    if names:
        yield ec2.delete_tags(Resources=[old.id], Tags=[{"Key": name} for name in names])
    if put:
        yield ec2.create_tags(Resources=[old.id], Tags=_tags.pairs(put))


def filters(name: str, values: Iterable[str]) -> list[list[dict[str, Any]]]:
    """`Filters` for one describe call after the other, as many as the values take."""
    ordered = sorted(set(values))
    return [
        [{"Name": name, "Values": ordered[start : start + FILTER_VALUES]}]
        for start in range(0, len(ordered), FILTER_VALUES)
    ]


def in_network(
    scope: Scope, describe: Callable[..., Call], answered: str, resource_type: str, identifier: str
) -> Calls[list[Item]]:
    """Everything of one type in the stack's VPCs, and what the tagging service says is the stack's elsewhere.

    `answered` is the key of the answer's list and `identifier` that of an item's id, `SubnetId`; the filter by it is
    the same word in kebab case, `subnet-id`. The second read happens only for what the first did not show: something
    whose VPC is no longer in the specs, or has lost its tags.
    """
    found: dict[str, Item] = {}
    for name, values in (
        ("vpc-id", _vpcs(scope)),
        (_kebab(identifier), {arn.rpartition("/")[2] for arn in scope.swept_arns("ec2", f"{resource_type}/")}),
    ):
        answers = yield Batch.of(describe(Filters=each) for each in filters(name, values - found.keys()))
        found |= {item[identifier]: item for answer in answers for item in answer[answered]}
    return list(found.values())


def _vpcs(scope: Scope) -> set[str]:
    """The VPCs to look into: the stack's own, one that it may come to adopt, and those named by a literal id."""
    seen = {found.id for found in scope.seen.get("vpc", ())}
    return seen | {vpc for wanted in scope.wanted if isinstance(vpc := getattr(wanted.spec, "vpc", None), str)}


def _kebab(camel: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in camel).strip("-")


def located(
    kind: str,
    scope: Scope,
    items: Iterable[Item],
    identifier: str,
    *,
    named: Match | None = None,
    alike: Match | None = None,
    blocking: Match | None = None,
) -> list[tuple[Address, Item]]:
    """Those of `items` that concern the stack, with their addresses.

    What is ours is where its tag says, unless AWS keeps a unique name for the type: then `named` decides. What is
    nobody's counts under the address whose document gives its id, else under the `Name` tag that the specs give, and
    whatever is `alike` counts because it is in the way of what they want; they come out as conflicts or can be adopted.
    A look-alike beside our own is of no interest, unless it is `blocking`: then it goes by its id. `identifier` is the
    key of an item's id.
    """
    by_id = {want.known_as: want.address for want in scope.wanted if want.known_as}
    scope = replace(scope, wanted=tuple(want for want in scope.wanted if not want.known_as)) if by_id else scope
    ours: list[tuple[Address, Item]] = []
    others: list[tuple[Address, Item]] = []
    every = list(items)
    for item in every:
        owner, tagged = ownership.owner(tags_of(item)), ownership.address(tags_of(item))
        address = _wanted_as(scope, item, named)
        if address is None and owner == scope.stack and tagged is not None:
            if tagged.kind != kind:
                continue  # tags copied from something else
            address = tagged
        if address is None:
            address = by_id.get(item[identifier])
        if address is None and named is None and owner in {None, scope.stack}:
            address = _wanted_as(scope, item, _namesake)
        if address is None:
            address = _wanted_as(scope, item, alike)
        if address is not None:
            (ours if owner == scope.stack else others).append((address, item))
    taken = {address for address, _ in ours}
    shown = ours + [(address, item) for address, item in others if address not in taken]
    if blocking is None:
        return shown
    known = {item[identifier] for _, item in shown}
    rest = [item for item in every if item[identifier] not in known and _wanted_as(scope, item, blocking) is not None]
    return shown + [(Address(kind, item[identifier]), item) for item in rest]


def _namesake(want: Desired[Any], item: Item) -> bool:
    """Carrying the `Name` that `want` will carry: the console shows it as the name of things that have none in AWS."""
    return tags_of(item).get("Name") == want.tags.get("Name", want.address.name)


def _wanted_as(scope: Scope, item: Item, match: Match | None) -> Address | None:
    if match is None:
        return None
    return next((want.address for want in scope.wanted if match(want, item)), None)


def mine(new: Desired[Any], items: Iterable[Item]) -> Item | None:
    """The one of `items` that an earlier try to create `new` has made, by its ownership tags."""
    return next((item for item in items if _tags.is_this(tags_of(item), new)), None)
