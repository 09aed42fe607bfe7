"""What an AWS resource type is: one class that says calls and never makes them.

A type is a leaf: one file in `reconciler/resources/`, found by `discover`, known by no list. Its methods are
generators that yield `Call`s and are sent the answers; AWS's refusals are thrown in as `errors.AwsError`s, so a method
says what it expects with `except errors.Gone`. The rules, which `tests/laws/` holds every type to:

- No method waits. What is not ready yet is observed as PROGRESSING, and asked about again in a later pass.
- Everything is idempotent: creating what exists and is ours adopts it, deleting what is gone succeeds.
- `observe` writes AWS's answer in the words of the spec: order without meaning, defaults and spellings are ironed out
  there, so that the diff compares field by field over what was declared.
- Tags go into the create call where AWS takes them there.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from reconciler.model import ownership
from reconciler.model.resource import Batch, Calls, Desired, Observed, S

if TYPE_CHECKING:
    from reconciler.model.diff import Change


class FieldMark(StrEnum):
    """What is special about a field of a spec; written `Annotated[str, Mark.IMMUTABLE]`."""

    IMMUTABLE = "immutable"  # AWS cannot change it: another resource must take its place
    UNORDERED = "unordered"  # a tuple whose order means nothing; its items are told apart by str()
    PARTIAL = "partial"  # a mapping of which only the declared keys are ours
    SECRET = "secret"  # never shown
    ROLLS = "rolls"  # changing it starts new tasks: the deployment engine's work


@dataclass(frozen=True, slots=True)
class OwnedBy:
    """The field is set at creation and then belongs to `owner`: the planner never writes it again."""

    owner: str


class Replace(StrEnum):
    """How a type is replaced when a field that AWS cannot change is changed."""

    CREATE_FIRST = "create first"  # names allow both at once
    DELETE_FIRST = "delete first"  # a gap in service: only with consent
    NEVER = "never"  # it would take the stack with it, or its data


class Depth(IntEnum):
    """How much a pass reads.

    `FULL` is everything. `MEDIUM` leaves out what takes a call for each single resource, and only a person's hand can
    change: those fields are `unread`. `FAST` reads what moves by itself, and takes the rest from an earlier pass.
    """

    FAST = 0
    MEDIUM = 1
    FULL = 2


@dataclass(frozen=True, slots=True)
class Scope:
    """What `observe` is asked about.

    `wanted`: what the specs want of this kind, with the ids known so far. `seen`: what this pass has already read of
    the kinds in `observe_after`. `swept`: ARN → tags of everything the tagging service knows to be the stack's; it lags
    by minutes, so it says where to look, never what is. `before`: what an earlier pass has found of this kind, where
    this one need not read everything again.
    """

    stack: str
    region: str
    account: str
    partition: str = "aws"
    wanted: tuple[Desired[Any], ...] = ()
    seen: Mapping[str, tuple[Observed[Any], ...]] = field(default_factory=dict)
    swept: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    depth: Depth = Depth.FULL
    before: tuple[Observed[Any], ...] = ()

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"

    def swept_arns(self, service: str, prefix: str = "") -> Iterator[str]:
        """ARNs of the stack's resources of one service, sorted; `prefix` is how the ARN's last part begins."""
        for arn in sorted(self.swept):
            parts = arn.split(":", 5)
            if len(parts) == 6 and parts[2] == service and parts[5].startswith(prefix):
                yield arn

    def ours(self, kind: str) -> tuple[Observed[Any], ...]:
        """Of the kind read earlier: what this stack owns, and what its specs ask to adopt."""
        return tuple(found for found in self.seen.get(kind, ()) if ownership.owner(found.tags) == self.stack)


class ResourceType(ABC, Generic[S]):
    """One AWS resource type."""

    kind: ClassVar[str]
    Spec: type[S]

    depends_on: ClassVar[tuple[str, ...]] = ()
    """Kinds that must be in place before one of this kind, beyond what its spec refers to; backwards when deleting."""

    observe_after: ClassVar[tuple[str, ...]] = ()
    """Kinds whose observation `observe` builds on."""

    replace: ClassVar[Replace] = Replace.NEVER

    slow_to_create: ClassVar[bool] = False
    """AWS takes minutes to make one ready; what refers to it has to wait for a later pass."""

    slow_to_delete: ClassVar[bool] = False
    """Deleting one takes AWS minutes; what it stands on or follows stays until a later pass sees it gone."""

    revisions: ClassVar[bool] = False
    """A change makes a new revision with a new id beside the old one, which stays."""

    volatile: ClassVar[bool] = False
    """It changes without anybody writing to it: a fast pass reads it too, and `observe` heeds `Depth.FAST`."""

    lookup: ClassVar[bool] = False
    """Only ever looked up: neither made nor deleted by us (an image in a registry)."""

    serves_tasks: ClassVar[bool] = False
    """Tasks that run may need one through their task definition, and AWS deletes it all the same: it stays for as long
    as a service has tasks of more than one version."""

    def in_use(self, found: Observed[S]) -> frozenset[str]:
        """Ids and names of everything that tasks of `found` run on now, in any of their versions."""
        return frozenset()

    def retaining(self, old: Observed[S], new: Desired[S], used: Set[str]) -> Desired[S]:
        """`new`, and what `old` has of what is `used`, which goes as soon as no task uses it any more."""
        return new

    @abstractmethod
    def observe(self, scope: Scope) -> Calls[list[Observed[S]]]:
        """Everything of this kind that the stack owns or its specs name, in batches, whoever owns it."""

    def observe_details(self, found: Sequence[Observed[S]], scope: Scope) -> Calls[list[Observed[S]]]:
        """`found`, with what takes a call for each single resource and was `unread` in `observe`.

        A full pass asks for it, and what builds on this kind does not wait for it.
        """
        yield Batch.of(())
        return list(found)

    @property
    def has_details(self) -> bool:
        return type(self).observe_details is not ResourceType.observe_details

    @abstractmethod
    def create(self, new: Desired[S]) -> Calls[str]:
        """Make it and return its id. `new.spec` holds ids; tags travel in the create call."""

    @abstractmethod
    def update(self, old: Observed[S], new: Desired[S], changes: tuple[Change, ...]) -> Calls[str | None]:
        """Put `changes`, none of them immutable, right. Return the new id where the kind makes revisions."""

    @abstractmethod
    def delete(self, old: Observed[S]) -> Calls[None]:
        """Start its end. `errors.Blocked` leaves it for a later pass."""

    @abstractmethod
    def update_tags(self, old: Observed[S], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        """Write and remove tags; this is also how something is adopted."""


class ResourceTypes(Mapping[str, ResourceType[Any]]):
    """All resource types by name."""

    def __init__(self, kinds: Iterable[ResourceType[Any]]) -> None:
        self._kinds: dict[str, ResourceType[Any]] = {}
        for kind in kinds:
            if kind.kind in self._kinds:
                raise TypeError(f"two resource types call themselves {kind.kind!r}")
            self._kinds[kind.kind] = kind

    def __getitem__(self, name: str) -> ResourceType[Any]:
        return self._kinds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)


@cache
def discover() -> ResourceTypes:
    """Every type in reconciler/resources: a module each; those that begin with an underscore are what they share."""
    package = "reconciler.resources"
    found: list[ResourceType[Any]] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(importlib.import_module(package).__path__)):
        if module.startswith("_"):
            continue
        members = vars(importlib.import_module(f"{package}.{module}")).values()
        found += [
            member()
            for member in members
            if isinstance(member, type)
            and issubclass(member, ResourceType)
            and "kind" in vars(member)
            and member.__module__ == f"{package}.{module}"
        ]
    return ResourceTypes(found)
