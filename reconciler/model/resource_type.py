"""Resource type: the interface of one AWS type, a class that yields calls and never sends them.

A type is a leaf: one file in `reconciler/resources/`, found by `discover`, in no list. Its methods are generators that
yield `Call`s and receive the responses; AWS's refusals are thrown in as `errors.AwsError`s, so a method handles what it
expects with `except errors.Gone`. The rules, which `tests/laws/` checks for every type:

- No method waits. What is not ready is observed as PROGRESSING, and read again in a later pass.
- Everything is idempotent: creating what exists and is owned adopts it, deleting what is gone succeeds.
- `observe` returns AWS's state in the form of the spec: order without meaning, defaults and spellings are normalized
  there, so that the diff compares field by field over what is declared.
- Tags are part of the create call if AWS takes them there.
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
from reconciler.model.permissions import Binding, NamedArn, Permissions
from reconciler.model.resource import Address, Batch, Calls, Desired, Link, Observed, S
from reconciler.model.usage import Usage

if TYPE_CHECKING:
    from reconciler.model.diff import Change


class FieldMark(StrEnum):
    """Property of a field of a spec; written `Annotated[str, Mark.IMMUTABLE]`."""

    IMMUTABLE = "immutable"  # AWS cannot change it: the resource has to be replaced
    UNORDERED = "unordered"  # a tuple without order; items are distinguished by str()
    PARTIAL = "partial"  # a mapping of which only the declared keys are owned
    SECRET = "secret"  # never shown
    ROLLS = "rolls"  # changing it starts new tasks, which the deployment engine does


@dataclass(frozen=True, slots=True)
class OwnedBy:
    """The field is set at creation and then belongs to `owner`; the planner never writes it again."""

    owner: str


class Replace(StrEnum):
    """How a resource is replaced when an immutable field changes."""

    CREATE_FIRST = "create first"  # names allow both at once
    DELETE_FIRST = "delete first"  # interrupts service: only with consent
    NEVER = "never"  # would destroy the stack or its data


class Depth(IntEnum):
    """How much a pass reads.

    `FULL` is everything. `MEDIUM` leaves out details that take a call for each resource: those fields are `unread`.
    `FAST` reads volatile types, and takes the rest from an earlier pass.
    """

    FAST = 0
    MEDIUM = 1
    FULL = 2


@dataclass(frozen=True, slots=True)
class Scope:
    """Input of `observe`.

    `wanted`: the desired resources of this type, with the ids known so far. `seen`: what this pass has already read of
    the types in `observe_after`. `swept`: the tag index, ARN → tags; it lags by minutes, so it says where to look and
    not what exists. `before`: the result of an earlier pass, if this one need not read everything again.
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
        """ARNs in the tag index of one service, sorted; `prefix` is the start of the ARN's last part."""
        for arn in sorted(self.swept):
            parts = arn.split(":", 5)
            if len(parts) == 6 and parts[2] == service and parts[5].startswith(prefix):
                yield arn

    def ours(self, kind: str) -> tuple[Observed[Any], ...]:
        """Of a type that was read earlier: what this stack owns or its specs adopt."""
        return tuple(found for found in self.seen.get(kind, ()) if ownership.owner(found.tags) == self.stack)


class ResourceType(ABC, Generic[S]):
    """One AWS resource type."""

    kind: ClassVar[str]
    Spec: type[S]

    creates: ClassVar[tuple[str, ...]] = ()
    """The operations that make one: they may leave though nothing they name is known to be the stack's yet."""

    may_duplicate: ClassVar[bool] = False
    """AWS makes a second one without complaint: no name and no place tells the two apart, only our tags."""

    permissions: ClassVar[Permissions] = Permissions()

    inside: ClassVar[tuple[str, str] | None] = None
    """The field of its spec that says what it is a part of, and that one's kind."""

    display_order: ClassVar[int] = 100
    """Where it stands among its siblings in the tree of a stack; lower comes first."""

    depends_on: ClassVar[tuple[str, ...]] = ()
    """Types that must exist before one of this type, beyond its references; reversed for deletions."""

    observe_after: ClassVar[tuple[str, ...]] = ()
    """Types whose observation `observe` builds on."""

    replace: ClassVar[Replace] = Replace.NEVER

    slow_to_create: ClassVar[bool] = False
    """AWS takes minutes to make one ready; what refers to it waits for a later pass."""

    slow_to_delete: ClassVar[bool] = False
    """AWS takes minutes to delete one; its dependencies stay until a later pass sees that it is gone."""

    revisions: ClassVar[bool] = False
    """An update creates a new revision with a new id beside the old one, which stays."""

    volatile: ClassVar[bool] = False
    """It changes without a write: a fast pass reads it too, and `observe` respects `Depth.FAST`."""

    lookup: ClassVar[bool] = False
    """Only looked up, never created or deleted (an image in a registry)."""

    serves_tasks: ClassVar[bool] = False
    """Running tasks may need one in a way that is not observed, although AWS would delete it: it is kept as long as
    a service has tasks of more than one version.
    """

    def in_use(self, found: Observed[S]) -> frozenset[str]:
        """Ids and names of everything that the tasks of `found` use now, in any version."""
        return frozenset()

    def serving(self, found: Observed[S]) -> frozenset[str]:
        """Ids of the target groups in which every task of `found` is healthy, as long as nothing of it is changing."""
        return frozenset()

    def forwards(self, spec: S) -> Mapping[Link, int]:
        """Target groups that one of this type names, with the weights by which it sends requests to them."""
        return {}

    def claiming(self, old: Observed[S], new: Desired[S], owned: Set[str]) -> Desired[S]:
        """`new` with a field that another owner changes later, where that owner has not begun to; so it is set again.

        `owned` are the ids of what the stack owns.
        """
        return new

    def retaining(self, old: Observed[S], new: Desired[S], usage: Usage) -> Desired[S]:
        """`new` with the parts of `old` that cannot go yet: they are in use, or what replaces them is not healthy."""
        return new

    def place(self, spec: S) -> tuple[Any, ...] | None:
        """What only one of this type can have at a time and is not its name, such as a port; None if there is none."""
        return None

    def parent(self, found: Observed[S], others: Iterable[Observed[Any]]) -> Address | None:
        """What `found` is a part of, among `others`; None where it is a part of nothing of ours."""
        if self.inside is None:
            return None
        name, kind = self.inside
        link = str(getattr(found.spec, name) or "")
        candidates = (other for other in others if other.address.kind == kind)
        return next((one.address for one in candidates if link in (one.id, one.id.rpartition("/")[2])), None)

    def arns(self, spec: S) -> Mapping[Binding, tuple[NamedArn, ...]]:
        """ARNs that are known before it is made, by what IAM binds to them."""
        return {}

    @abstractmethod
    def observe(self, scope: Scope) -> Calls[list[Observed[S]]]:
        """Every resource of this type that the stack owns or its specs name, in batches, whoever owns it."""

    def observe_details(self, found: Sequence[Observed[S]], scope: Scope) -> Calls[list[Observed[S]]]:
        """`found` with the details that were `unread` in `observe`, one call for each resource.

        A full pass calls it, and types that build on this one do not wait for it.
        """
        yield Batch.of(())
        return list(found)

    @property
    def has_details(self) -> bool:
        return type(self).observe_details is not ResourceType.observe_details

    @abstractmethod
    def create(self, new: Desired[S]) -> Calls[str]:
        """Create it and return its id. `new.spec` holds ids; tags are part of the create call."""

    @abstractmethod
    def update(self, old: Observed[S], new: Desired[S], changes: tuple[Change, ...]) -> Calls[str | None]:
        """Apply `changes`, none of them immutable. Returns the new id if the type has revisions."""

    @abstractmethod
    def delete(self, old: Observed[S]) -> Calls[None]:
        """Start the deletion. `errors.Blocked` leaves it for a later pass."""

    @abstractmethod
    def update_tags(self, old: Observed[S], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        """Write and remove tags; this is also how a resource is adopted."""


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
    """Every type in reconciler/resources, one module each; modules with an underscore are shared."""
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
