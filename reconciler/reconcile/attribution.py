"""Attribution of drift: which write of somebody else made a difference, from CloudTrail records.

    Question ──► event_lookups.py    calls of LookupEvents; EventBridge delivers the same records
        │               │ records
        └───────────────┴──► attributed: the newest write that could have made it

What could have made it is derived: the operations are those that the methods of the resource type yield, and those
that the type says others use (`changed_by`). A write counts if it names the resource where targets stand, not deep
inside. If its parameters also name the field, it is the one; otherwise several may be, and that is said.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.aws.cloudtrail import OURS, ApiWrite, normalized
from reconciler.aws.ownership_guard import aliases
from reconciler.aws.retry import is_read
from reconciler.model.author import Author, by
from reconciler.model.permissions import Operation
from reconciler.model.resource import Address, Call, Observed
from reconciler.model.resource_type import ResourceType

LOOKBACK: Final = timedelta(days=1)
"""Age up to which a write may have made a difference that is found now."""
MOST: Final = 3
"""Callers that are named where each of several may be the one."""
SHORTEST: Final = 5
"""Letters from which on the beginning of a name stands for a field."""

TAGS: Final = "tags."


@dataclass(frozen=True, slots=True)
class Question:
    """Who made a difference at `address`? `paths` are its fields; empty if it was deleted.

    `names` is what calls may name it by, `index` the one that CloudTrail may find its events by. `inside` is a
    parameter that says what contains it, if one does, with what that goes by. `at` is when the difference was found:
    what was written later did not make it; nor did what was written up to `since`, when it was last corrected.
    """

    address: Address
    paths: tuple[str, ...]
    at: datetime
    names: frozenset[str]
    operations: tuple[Operation, ...]
    inside: tuple[str, frozenset[str]] | None = None
    depth: int = 2
    since: datetime | None = None
    index: str = ""

    @property
    def start(self) -> datetime:
        """The time of the oldest write that may have made it."""
        return max(self.at - LOOKBACK, self.since or self.at - LOOKBACK)

    def by(self, operations: Iterable[Operation]) -> Question:
        """The same, with the operations that the methods of its type yield."""
        return replace(self, operations=tuple(sorted({*self.operations, *operations})))

    def covers(self, at: datetime) -> bool:
        return self.start <= at <= self.at and at != self.since

    def named_by(self, write: ApiWrite) -> bool:
        """Whether `write` was to this resource."""
        if not any(
            depth <= self.depth and (text in self.names or f"{write.source}:{text}" in self.names)
            for text, depth in write.named.items()
        ):
            return False
        if self.inside is None:
            return True
        containers = write.values.get(self.inside[0], frozenset())
        known = self.inside[1]
        return not containers or any(text in known or f"{write.source}:{text}" in known for text in containers)


@dataclass(frozen=True, slots=True)
class Attribution:
    """Who made a difference, the newest first. `certain`: all of them did; otherwise one of them did. `exact`: their
    calls say that they set just these fields, or that they deleted it.
    """

    authors: tuple[Author, ...]
    certain: bool = True
    exact: bool = False

    def __str__(self) -> str:
        return by(self.authors, certain=self.certain)

    @property
    def details(self) -> dict[str, str]:
        """In fields, for events: the newest call, and whether it may also have been another."""
        author = self.authors[0]
        known = {
            "changed_by": author.name, "role": author.role, "account": author.account,
            "source_address": author.address, "tool": author.tool, "operation": author.operation,
            "event_id": author.event, "changed_at": author.at.isoformat(), "certain": "" if self.certain else "no",
        }  # fmt: skip
        return {name: text for name, text in known.items() if text}


def question(
    kind: ResourceType[Any], address: Address, paths: tuple[str, ...], at: datetime, seen: Iterable[Observed[Any]]
) -> Question:
    """`seen` is the resource as it is and as it was, where it was and is there. The operations are left to be added."""
    names, inside, index = set[str](), set[str](), list[str]()
    for one in seen:
        known = (one.id, one.parent, one.facts.get("arn"), *one.facts.get("ids", ()))
        index += [text for text in known if isinstance(text, str) and text]
        names |= {alias for text in known if isinstance(text, str) for alias in aliases(text)}
        if kind.named_by is not None and isinstance(name := getattr(one.spec, kind.named_by, None), str):
            names.add(name)
        if kind.inside is not None:
            inside |= aliases(str(getattr(one.spec, kind.inside[0], None) or ""))
    container = None if kind.inside is None else (normalized(kind.inside[0]), frozenset(inside))
    return Question(
        address, paths, at, frozenset(names - {""}), kind.changed_by, container if inside - {""} else None,
        kind.named_within, index=next((text for text in index if not {":", "/"} & {*text}), next(iter(index), "")),
    )  # fmt: skip


# -- the answer


def attributed(question: Question, writes: Iterable[ApiWrite], *, stack: str, own: str) -> Attribution | None:
    """None where none of `writes` could have made the difference. `own` is the ARN of this process, of a controller."""
    names = {name for _, name in candidates(question)}
    fitting = {
        write.author.event: write
        for write in writes
        if write.author.operation in names and question.covers(write.at) and question.named_by(write)
    }
    newest_first = sorted(fitting.values(), key=lambda write: (write.at, write.author.event), reverse=True)
    if not question.paths:
        return _of(_foreign(newest_first, stack, own, question.at)[:1], exact=True)
    exact: list[ApiWrite] = []
    for path in question.paths:
        found = [write for write in newest_first if _sets(write, path)]
        if not found:
            break
        exact += _foreign(found, stack, own, question.at)[:1]
    else:
        return _of(exact, exact=True)
    others = [write for write in newest_first if not _is_own(write, stack, own)]
    near = [write for write in others if any(_mentions(write, path) for path in question.paths)]
    return _of(near or others)


def _foreign(writes: Iterable[ApiWrite], stack: str, own: str, at: datetime) -> list[ApiWrite]:
    """Those of others after the last one of our own, which has overwritten what was written before.

    CloudTrail's times are in seconds: what we wrote in the second in which the difference was found corrects it.
    """
    found = at.replace(microsecond=0)
    earlier = (write for write in writes if write.at < found or not _is_own(write, stack, own))
    return list(itertools.takewhile(lambda write: not _is_own(write, stack, own), earlier))


def _is_own(write: ApiWrite, stack: str, own: str) -> bool:
    """The user agent alone proves nothing to a controller: everybody chooses it. `reconciler` is also the name of its
    sessions in other accounts. A person who asks has another principal than the controller, and says none.
    """
    same = not own or principal_of(write.principal) == principal_of(own) or write.author.name == OURS
    return write.of_stack(stack) and same


def principal_of(arn: str) -> str:
    """The account and the role of a session, whose ARN has neither the path of the role nor another session's name."""
    match = re.fullmatch(r"arn:[^:]+:(?:sts|iam)::(\d+):(?:assumed-role/([^/]+)/.+|role/(?:.+/)?([^/]+))", arn)
    return f"{match[1]}/{match[2] or match[3]}" if match else arn


def _of(writes: Iterable[ApiWrite], *, exact: bool = False) -> Attribution | None:
    """The newest call of each caller."""
    authors: dict[tuple[str, ...], Author] = {}
    for write in sorted(writes, key=lambda write: write.at, reverse=True):
        authors.setdefault(write.author.who, write.author)
    several = tuple(authors.values())[:MOST]
    return Attribution(several, exact or len(authors) == 1, exact) if several else None


def _sets(write: ApiWrite, path: str) -> bool:
    """Whether a write says that it set the field at `path`: by the name of the field, or by what it holds."""
    if path.startswith(TAGS):
        return path.removeprefix(TAGS).casefold() in write.words
    field, _, rest = path.partition(".")
    whole, last = normalized(path), normalized(rest.rpartition(".")[2] or field)
    if not write.keys.isdisjoint((whole, last)):
        return True
    named = (*write.keys, *map(normalized, write.words))  # attributes of ELB are items with a key and a value
    if len(whole) >= SHORTEST and any(name.startswith(whole) for name in named):
        return True
    values = {part for word in rest.casefold().split() for part in _parts(word)} - _FILLERS
    return len(values) > 1 and values <= write.words


def _mentions(write: ApiWrite, path: str) -> bool:
    """Whether it is about the field that `path` begins with: AuthorizeSecurityGroupIngress is about `ingress`."""
    name = normalized(path.partition(".")[0])
    return len(name) >= SHORTEST and (name in normalized(write.author.operation) or name in write.keys)


_FILLERS: Final = frozenset({"from", "all", "to"})


def _parts(word: str) -> tuple[str, ...]:
    """`80-90` is a range of ports."""
    return tuple(word.split("-")) if re.fullmatch(r"\d+-\d+", word) else (word,)


# -- operations


_REMOVES: Final = re.compile(r"^(Delete|Deregister|Release|Remove|Revoke|Terminate|Disassociate|Detach|Stop)")
_CHANGES: Final = re.compile(r"^(Update|Modify|Put|Set|Replace)")
_TAGS: Final = re.compile(r"Tag|^Untag")


def candidates(question: Question) -> tuple[Operation, ...]:
    """The operations that could have made the difference, the likeliest first."""
    writes = [one for one in question.operations if not is_read(Call(*one))]
    own = {service for service, name in writes if not _TAGS.search(name)}  # others only lend a type their tags
    writes = [one for one in writes if one[0] in own]
    if not question.paths:
        writes = [one for one in writes if not _TAGS.search(one[1])]
        found = [one for one in writes if _REMOVES.match(one[1])]
        noun = normalized(question.address.kind)
        return tuple(sorted(found or writes, key=lambda one: (noun not in normalized(one[1]), one)))
    tags = [path.startswith(TAGS) for path in question.paths]
    if all(tags):
        return tuple(sorted(one for one in writes if _TAGS.search(one[1])))
    fields = {normalized(path.partition(".")[0]) for path in question.paths}
    found = writes if any(tags) else [one for one in writes if not _TAGS.search(one[1])]

    noun = normalized(question.address.kind)

    def rank(one: Operation) -> tuple[bool, bool, bool, Operation]:
        name = normalized(one[1])
        whole = name in {f"create{noun}", f"delete{noun}"}
        return whole, not any(field in name for field in fields), _CHANGES.match(one[1]) is None, one

    return tuple(sorted(found, key=rank))
