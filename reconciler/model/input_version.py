"""Version of what a task reads when it starts: a secret, a parameter, or a file with variables. Pure.

ECS takes the version of a secret in its reference, `ARN:key::version`, and always the latest of everything else. So a
reference in a spec is either pinned, or it has its version after ` #`, which is not part of what is registered: a tag
of the revision records it. One without either has a version that nobody knows.

Source: ECS developer guide, "Pass Secrets Manager secrets through Amazon ECS environment variables".
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.model.resource import Keep, Link, Ref
from reconciler.model.tagging import VALUE_LENGTH

SIGN: Final = " #"
"""Before the version of a reference that is not pinned. No reference of the specs has a space; a JSON key and the name
of a file may have the rest.
"""

RECORDS: Final = (
    "reconciler:versions-a",
    "reconciler:versions-b",
    "reconciler:versions-c",
    "reconciler:versions-d",
)
"""The tags of a revision with the versions that ECS does not pin, as they were when it was registered."""

SUFFIX: Final = 6
"""Characters that Secrets Manager adds to a name, after a hyphen."""

_SECRET_PARTS: Final = 7
_SHORT: Final = 8
_KEY: Final = 6
MOST: Final = len(RECORDS) * (VALUE_LENGTH // (_KEY + _SHORT + 2))
"""References that the tags have room for."""


@dataclass(frozen=True, slots=True)
class Input:
    """A reference, read. `version` is an id, or what is left of one after `#`; empty if it is not known."""

    source: str
    key: str = ""
    stage: str = ""
    version: str = ""
    pinned: bool = False

    def names(self, other: Input) -> bool:
        """Whether both are of one secret, and take the same of it. An ARN may lack the suffix of the name."""
        if self.key != other.key:
            return False
        one, two = sorted((self.source, other.source), key=len)
        return one == two or (":secretsmanager:" in one and two[: -SUFFIX - 1] == one)

    @property
    def short(self) -> str:
        return shortened(self.version)


def read(reference: str) -> Input:
    plain, _, version = reference.partition(SIGN)
    parts = plain.split(":")
    if len(parts) < _SECRET_PARTS or parts[2] != "secretsmanager":
        return Input(plain, version=version)
    key, stage, pinned = (*parts[_SECRET_PARTS:], "", "", "")[:3]
    return Input(":".join(parts[:_SECRET_PARTS]), key, stage, pinned or version, bool(pinned))


def plain(reference: Link) -> str:
    """The reference as ECS takes it; of one that is looked up, without a version."""
    return (reference.address.name if isinstance(reference, Ref) else reference).partition(SIGN)[0]


def shortened(version: str) -> str:
    """A version for a tag: a number as it is, and the beginning of the hash of anything longer."""
    return version if len(version) <= _SHORT else hashlib.sha256(version.encode()).hexdigest()[:_SHORT]


def with_version(reference: str, version: str) -> str:
    return f"{reference}{SIGN}{shortened(version)}" if version else reference


# -- what a resource keeps


def kept(want: str, have: str, how: Keep, *, late: bool) -> str:
    """`want`, or `have` where that is to stay.

    What is known stays where nobody knows the version that is wanted. Where `late`, the revision need not be registered
    for another reason: then so does the same version in another spelling, one that is not known, and any version of a
    secret whose rotations are ignored.
    """
    new, old = read(want), read(have)
    if not new.names(old):
        return want
    if not new.version:
        return have if old.version and how is not Keep.PINNED else want
    if not late:
        return want
    if how is Keep.PINNED:
        return have if old.pinned else want
    same = not old.version or old.short == new.short
    return have if same or how is Keep.ANY_VERSION else want


def rotated(before: str, after: str) -> bool:
    """Whether the second reference is to another version of the same."""
    new, old = read(after), read(before)
    return new.names(old) and bool(new.version and old.version) and new.short != old.short


# -- the record


def recorded(references: Iterable[str]) -> dict[str, str]:
    """The tags that record the versions of those that are not pinned. Of what has several, nothing is recorded: only
    one could be read back, and the others would be new versions for ever.
    """
    entries = {f"{_hashed(one)}:{one.partition(SIGN)[2]}" for one in references if SIGN in one}
    several = Counter(one.partition(":")[0] for one in entries)
    texts, left = [""], sorted(one for one in entries if several[one.partition(":")[0]] == 1)
    while left and len(texts) <= len(RECORDS):
        if len(texts[-1]) + len(left[0]) + 1 > VALUE_LENGTH:
            texts.append("")
        else:
            texts[-1] = f"{texts[-1]} {left.pop(0)}".strip()
    return {key: text for key, text in zip(RECORDS, texts, strict=False) if text}


def of_record(tags: Mapping[str, str]) -> dict[str, str]:
    """What the tags of a revision record; to be asked by `versioned`."""
    return dict(_entries(tags))


def versioned(reference: str, record: Mapping[str, str]) -> str:
    """A reference as it is registered, with the version that is recorded of it."""
    version = record.get(_hashed(reference), "") if record else ""
    return f"{reference}{SIGN}{version}" if version and not read(reference).pinned else reference


def _entries(tags: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key in RECORDS:
        for entry in tags.get(key, "").split():
            hashed, colon, version = entry.partition(":")
            if colon and version:
                yield hashed, version


def _hashed(reference: str) -> str:
    return hashlib.sha256(plain(reference).encode()).hexdigest()[:_KEY]
