"""Records of Route 53: how a zone is read and written, and how the owner of a record is known.

Records have no tags. Beside each that the stack makes there is a TXT record with its tags, at the same name below
`_reconciler`. Both are created and deleted in one call, which Route 53 carries out as a whole or not at all; a creation
says `CREATE`, which fails if there is anything, and a deletion names the values that it expects. So nothing is taken or
deleted that somebody else has made or changed since it was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote, unquote

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.resource import Call, Calls, Desired, ServiceApi
from reconciler.model.resource_type import Scope
from reconciler.resources import _gone, _tags

route53 = ServiceApi("route53")

ACCOUNT: Final = "reconciler:account"
"""The account of the stack: zones are used by several."""

OWNER: Final = (ownership.STACK, ownership.ADDRESS, ownership.PROTECT, ownership.REGION, ACCOUNT)

ADDRESSES: Final = ("A", "AAAA", "CNAME")
"""Types of records that say where a name leads."""

_OWNERS: Final = "_reconciler."
_ANY: Final = "_any."
"""In place of the `*.` of a wildcard. No host name has an underscore, so that the name is free."""

_TAG: Final = ownership.PREFIX
_HERITAGE: Final = "heritage=reconciler"
_TTL: Final = 300
_STRING: Final = 255
"""Longest string of a TXT record (RFC 1035); one has several."""

_MOST: Final = "50"
"""Record sets of one name that are read. Route 53 lists them by name and type."""

_ZONE: Final = re.compile(r"[A-Z0-9]{1,32}")


def is_zone(link: object) -> bool:
    """Whether it is the id of a hosted zone, and not what stands for one that was not found."""
    return isinstance(link, str) and _ZONE.fullmatch(link) is not None


def plain(name: str) -> str:
    """A name of an answer, in the spelling of the specs."""
    return name.rstrip(".").replace("\\052", "*").lower()


def owner_name(name: str) -> str:
    """Where the TXT record with the owner of a record is."""
    return _OWNERS + (_ANY + name[2:] if name.startswith("*.") else name)


def owner_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Those of `tags` that a TXT record has."""
    return {key: tags[key] for key in OWNER if key in tags}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record is: the hosted zone, the role by which it is reached, and the name."""

    zone: str
    role: str
    name: str


@dataclass(frozen=True, slots=True)
class Records:
    """The records at a name that say where it leads, and the TXT records that say whose they are."""

    items: tuple[Mapping[str, Any], ...] = ()
    owners: tuple[Mapping[str, Any], ...] = ()

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the owner; none if it is unowned, as far as is known."""
        for item in self.owners:
            for row in item.get("ResourceRecords", ()):
                found = _parsed(row["Value"])
                if found is not None:
                    return found
        return {}

    def ours(self, new: Desired[Any]) -> bool:
        return _tags.is_this(self.tags, new) and self.tags.get(ACCOUNT) == new.tags.get(ACCOUNT)

    def tags_in(self, scope: Scope) -> dict[str, str]:
        """The tags; of a stack of this name in another region or account, with that in its name."""
        found = _tags.in_region(self.tags, scope)
        account = found.get(ACCOUNT, scope.account)
        if account != scope.account and ownership.owner(found):
            return {**found, ownership.STACK: f"{ownership.owner(found)} in {account}"}
        return found


def read(places: Sequence[Place]) -> Calls[list[Records]]:
    """What is at each place; nothing where there is no such zone."""
    calls = [
        call for place in places for call in (_listing(place, place.name), _listing(place, owner_name(place.name)))
    ]
    answers = yield from _gone.answers(calls)
    found = []
    for number, place in enumerate(places):
        items, owners = answers[2 * number : 2 * number + 2]
        found.append(
            Records(
                _named(items, place.name, ADDRESSES),
                _named(owners, owner_name(place.name), ("TXT",)),
            )
        )
    return found


def read_one(place: Place) -> Calls[Records]:
    return (yield from read([place]))[0]


def write(place: Place, changes: Iterable[Mapping[str, Any]]) -> Calls[None]:
    """Carry out all changes, or none of them."""
    batch = {"Comment": "reconciler", "Changes": list(changes)}
    if batch["Changes"]:
        yield as_role(route53.change_resource_record_sets(HostedZoneId=place.zone, ChangeBatch=batch), place.role)


def as_role(call: Call, role: str) -> Call:
    return replace(call, role=role)


def creation(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"Action": "CREATE", "ResourceRecordSet": dict(item)}


def replacement(item: Mapping[str, Any]) -> dict[str, Any]:
    """Of a record that has our owner, or has none and is created."""
    return {"Action": "UPSERT", "ResourceRecordSet": dict(item)}


def deletion(item: Mapping[str, Any]) -> dict[str, Any]:
    """Of a record set as it was read."""
    return {"Action": "DELETE", "ResourceRecordSet": {**item, "Name": plain(item["Name"])}}


def owner_changes(place: Place, there: Records, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """The changes by which the record becomes that of the owner with `tags`; none if it is already.

    Raises `errors.Exists` for a TXT record of another kind, which nobody expects at such a name.
    """
    owner = owner_tags(tags)
    if there.tags == owner:
        return []
    if there.owners and not there.tags:
        raise errors.Exists(f"the TXT record {owner_name(place.name)} is not one of reconciler")
    item = {
        "Name": owner_name(place.name),
        "Type": "TXT",
        "TTL": _TTL,
        "ResourceRecords": [{"Value": _text(owner)}],
    }
    return [*map(deletion, there.owners), creation(item)]


def _listing(place: Place, name: str) -> Call:
    call = route53.list_resource_record_sets(HostedZoneId=place.zone, StartRecordName=name, MaxItems=_MOST)
    return as_role(call, place.role)


def _named(answer: Mapping[str, Any] | None, name: str, types: Sequence[str]) -> tuple[Mapping[str, Any], ...]:
    rows = () if answer is None else answer["ResourceRecordSets"]
    return tuple(row for row in rows if plain(row["Name"]) == name and row["Type"] in types)


def _text(tags: Mapping[str, str]) -> str:
    """`"heritage=reconciler,stack=my-app,…"`, in as many strings as it takes."""
    pairs = (f"{key.removeprefix(_TAG)}={quote(value, safe='/:@ ')}" for key, value in sorted(tags.items()))
    text = ",".join((_HERITAGE, *pairs))
    return " ".join(f'"{text[start : start + _STRING]}"' for start in range(0, len(text), _STRING))


def _parsed(value: str) -> dict[str, str] | None:
    text = "".join(re.findall(r'"([^"]*)"', value))
    first, *pairs = text.split(",")
    if first != _HERITAGE:
        return None
    return {f"{_TAG}{key}": unquote(part) for key, _, part in (pair.partition("=") for pair in pairs)}
