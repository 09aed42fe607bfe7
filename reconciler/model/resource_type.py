"""Resource type: the interface of one AWS type, a class that yields calls and never sends them.

A type is a leaf: one file in `reconciler/resources/`, found by `discover`, in no list. Its methods are generators that
yield `Call`s and receive the responses; AWS's refusals are thrown in as `errors.AwsError`s, so a method handles what it
expects with `except errors.Gone`. The rules, which `tests/laws/` checks for every type:

- No method waits. What is not ready is observed as PROGRESSING, and read again in a later pass.
- Everything is idempotent: creating what exists and is owned adopts it, deleting what is gone succeeds.
- `observe` returns AWS's state in the form of the spec: order without meaning, defaults and spellings are normalized
  there, so that the diff compares field by field over what is declared.
- Tags are part of the create call if AWS takes them there.

It is one module because it is the whole contract: whoever adds a type reads this one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from reconciler.model import ownership
from reconciler.model.named_by_events import NamedByEvents
from reconciler.model.other_tools import KnownElsewhere
from reconciler.model.permissions import Binding, NamedArn, Permissions
from reconciler.model.quota import Quota
from reconciler.model.resource import Address, Batch, Calls, Desired, Link, Observed, Path, S, existing
from reconciler.model.tagging import TagRules
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
    MEMBERS = "members"  # members of the API; the spec's `api` says how each may be changed
    EVENT = "event"  # it says what has happened: a difference is acted on, but is neither drift nor a wish


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
    `FAST` reads volatile types, and takes the rest from an earlier pass. `NARROW` reads only what events have named.
    """

    NARROW = -1
    FAST = 0
    MEDIUM = 1
    FULL = 2


@dataclass(frozen=True, slots=True)
class Scope:
    """Input of `observe`.

    `wanted`: the desired resources of this type, with the ids known so far. `seen`: what this pass has already read of
    the types in `observe_after`. `swept`: the tag index, ARN → tags; it lags by minutes, so it says where to look and
    not what exists. `before`: the result of an earlier pass, if this one need not read everything again. `role_path`:
    the path of the stack's IAM roles, if its specs name one.
    """

    stack: str
    region: str
    account: str
    partition: str = "aws"
    role_path: str | None = None
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


class ResourceType(KnownElsewhere[S], NamedByEvents[S], ABC):
    """One AWS resource type."""

    kind: ClassVar[str]
    Spec: type[S]

    creates: ClassVar[tuple[str, ...]] = ()
    """Operations that create one. They are allowed although they name nothing that the stack owns yet."""

    may_duplicate: ClassVar[bool] = False
    """AWS creates a second one without an error, because neither a name nor a place is unique: only the tags tell."""

    permissions: ClassVar[Permissions] = Permissions()
    quotas: ClassVar[tuple[Quota, ...]] = ()
    tag_rules: ClassVar[TagRules] = TagRules()

    inside: ClassVar[tuple[str, str] | None] = None
    """Field of the spec that refers to the resource that contains it, and the type of that one."""

    named_by: ClassVar[str | None] = None
    """The field of its spec that is its name in AWS: AWS finds it by that, and cannot change it."""

    adopted_by_id: ClassVar[bool] = False
    """It has no name in AWS that is unique: a document may say by its id which one it adopts (`Desired.known_as`)."""

    adopted_by: ClassVar[str] = "set `adopt: true` in its document to take it over"
    """What the user writes to adopt one."""

    owned_as: ClassVar[str] = ""
    """What `import --own` calls it, if documents may own one or refer to it."""

    listed_by_name: ClassVar[bool] = False
    """CloudFormation's stacks list it by its name, and not by its id or ARN."""

    indexed: ClassVar[bool] = True
    """The tag index lists those that are tagged. It need not list what belongs to no region."""

    display_order: ClassVar[int] = 100
    """Position among its siblings in the tree of a stack; lower comes first."""

    depends_on: ClassVar[tuple[str, ...]] = ()
    """Types that must exist before one of this type, beyond its references; reversed for deletions."""

    observe_after: ClassVar[tuple[str, ...]] = ()
    """Types whose observation `observe` builds on."""

    replace: ClassVar[Replace] = Replace.NEVER

    slow_to_create: ClassVar[bool] = False
    """It takes minutes until one is ready; resources that refer to it wait for a later pass."""

    slow_to_delete: ClassVar[bool] = False
    """It takes minutes until one is deleted; its dependencies are kept until a later pass no longer finds it."""

    deleted_unused: ClassVar[bool] = False
    """AWS deletes one only once no service names it; one that is named is not replaced."""

    revisions: ClassVar[bool] = False
    """An update creates a new revision with a new id beside the old one, which stays."""

    volatile: ClassVar[bool] = False
    """It changes without a write: a fast pass reads it too, and `observe` respects `Depth.FAST`."""

    lookup: ClassVar[bool] = False
    """Only looked up, never created or deleted (model/looked_up_type.py)."""

    of_others: ClassVar[bool] = False
    """Others create and own it, and the specs refer to it: what is missing of it is refused where they do."""

    id_is_value: ClassVar[bool] = False
    """The id of one is a value that others publish, and is not shown as its address."""

    runs_to_completion: ClassVar[bool] = False
    """It does its work once and ends. One that is DEGRADED has failed, and is done again only on request; one that is
    PROGRESSING has not ended. It is not started before the images that it refers to have been pushed."""

    starts_tasks: ClassVar[bool] = False
    """It starts tasks again and again: one that leaves the stack goes before what those use that are running."""

    serves_tasks: ClassVar[bool] = False
    """Running tasks may use one by their task definition, and AWS deletes it nevertheless: kept in a rollout."""

    judges: ClassVar[bool] = False
    """A version may fail because of one that it uses, or that names what it uses, and be healthy once it changes."""

    exchanges: ClassVar[bool] = False
    """Two of them may change places in one call, where AWS allows one in each."""

    taken_over: ClassVar[bool] = False
    """One that leaves the specs becomes the one that has to take its place, such as a port, and is not replaced."""

    def excludes(self, want: S, found: S) -> str:
        """What of `want` AWS refuses for as long as `found` has it, such as `port 80`; empty if both may exist."""
        return ""

    def instead(self, want: S, found: Observed[S]) -> str:
        """What the user may declare instead of `want`, which `found` excludes or has the name of."""
        owned = self.named_by is not None and ownership.owner(found.tags) is not None
        return "give its document another `name`, or an `aws_name`" if owned else ""

    def renamed_from(self, old: str, new: str) -> str:
        """The name to write as `moved_from`, where an address has become `new` that was `old`."""
        return old

    def in_use(self, found: Observed[S]) -> frozenset[str]:
        """Ids and names of all resources that the tasks of `found` use, in any version."""
        return frozenset()

    def serving(self, found: Observed[S]) -> frozenset[str]:
        """Ids of the target groups in which every task of `found` is healthy, as long as nothing of it is changing."""
        return frozenset()

    def in_production(self, found: Observed[S]) -> frozenset[str]:
        """Ids of the target groups of the version of `found` that was promoted last, if a rollout shifts traffic."""
        return frozenset()

    def forwards(self, spec: S) -> Mapping[Link, int]:
        """Target groups that one of this type names, with the weights by which it sends requests to them."""
        return {}

    def claiming(self, old: Observed[S], new: Desired[S], owned: Set[str]) -> Desired[S]:
        """`new` with a field that another owner changes later, where that owner has not begun to; so it is set again.
        `owned` are the ids of what the stack owns, without what the service that it is for has tasks in."""
        return new

    def continuing(
        self,
        new: Desired[S],
        old: Observed[S] | None,
        world: Iterable[Observed[Any]],
        promoted: Set[str],
        serving: Set[str],
    ) -> Desired[S]:
        """`new` with the first value of a field that another owner changes later as that owner has it elsewhere now.

        `promoted` are the target groups `in_production`; `serving` is what the service that it is for has tasks in.
        """
        return new

    def succeeds(self, old: Observed[S] | None, new: Desired[S], other: Observed[Any]) -> bool:
        """Whether `new` is to take requests that `other` takes now, and `old` does not take yet."""
        return False

    def waiting(self, new: Desired[S]) -> Desired[S]:
        """`new` as it is created while others serve the requests that it is to take: it takes none."""
        return new

    def retaining(self, old: Observed[S], new: Desired[S], usage: Usage) -> Desired[S]:
        """`new` with the parts of `old` that cannot go yet: they are in use, or what replaces them is not healthy."""
        return new

    def grown(self, old: Observed[S], new: Desired[S]) -> Desired[S] | None:
        """The part of the update to `new` that adds capacity, which does not wait for a rollout; None if there is none.

        What lowers the capacity stays as it is until the release that comes with it is in production.
        """
        return None

    def grown_from_nothing(self, inside: Observed[Any], new: Desired[S]) -> Desired[S]:
        """The part of a creation within `inside` that does not lower the capacity."""
        return new

    def without(self, old: Observed[S], new: Desired[S], missing: Set[Address]) -> Desired[S]:
        """`new` without references to what is not usable yet, which an existing one need not have at once."""
        return new

    def rolled_out(self, found: Observed[S], new: Desired[S], changes: tuple[Change, ...]) -> tuple[Change, ...]:
        """`changes`, with those that the rollout does step by step where `found` is to be deployed in another way."""
        return changes

    def parent(self, found: Observed[S], others: Iterable[Observed[Any]]) -> Address | None:
        """The address of the resource among `others` that contains `found`, or None."""
        if self.inside is None:
            return None
        name, kind = self.inside
        link = str(getattr(found.spec, name) or "")
        candidates = (other for other in others if other.address.kind in (kind, existing(kind)))
        return next((one.address for one in candidates if link in (one.id, one.id.rpartition("/")[2])), None)

    def arns(self, spec: S) -> Mapping[Binding, tuple[NamedArn, ...]]:
        """ARNs that are known before it is created, by the permissions that IAM binds to them."""
        return {}

    def records(self, spec: S) -> Mapping[str, tuple[str, ...]]:
        """The DNS records that it writes: names, in which `*` stands for any characters, and types. They are in
        the zone in its field `zone`, which is reached by the role in its field `role`."""
        return {}

    @abstractmethod
    def observe(self, scope: Scope) -> Calls[list[Observed[S]]]:
        """Every resource of this type that the stack owns, or that its specs name, whoever owns that one.

        Raises `errors.AwsError` if AWS cannot be read: then the type is unknown and nothing is planned for it.
        """

    def observe_details(self, found: Sequence[Observed[S]], scope: Scope) -> Calls[list[Observed[S]]]:
        """`found` with the fields that `observe` left `unread`, at one call for each resource. Nothing waits for it."""
        yield Batch.of(())
        return list(found)

    def observe_runs(self, found: Sequence[Observed[S]], scope: Scope) -> Calls[list[Observed[S]]]:
        """`found` with what runs of them without a service, for `in_use`; read while something leaves the stack. A fast
        pass takes it over for as long as nothing has changed since the previous pass."""
        yield Batch.of(())
        return list(found)

    @property
    def has_details(self) -> bool:
        return type(self).observe_details is not ResourceType.observe_details

    @abstractmethod
    def create(self, new: Desired[S]) -> Calls[str]:
        """Create it and return its id. `new.spec` holds ids. Raises `errors.Exists` if another owner's has its name."""

    @abstractmethod
    def update(self, old: Observed[S], new: Desired[S], changes: tuple[Change, ...]) -> Calls[str | None]:
        """Apply `changes`, none of them immutable. Returns the new id if the type has revisions."""

    def lost(self, old: Observed[S], new: Desired[S], changes: tuple[Change, ...]) -> Mapping[Path, Any]:
        """What `changes` would drop of an adopted resource although no field of its spec shows it, with its value; the
        first step of each path is a field that changes."""
        return {}

    @abstractmethod
    def delete(self, old: Observed[S]) -> Calls[None]:
        """Start the deletion. `errors.Blocked` leaves it for a later pass."""

    @abstractmethod
    def update_tags(self, old: Observed[S], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        """Remove tags and then write the others; this is also how a resource is adopted.

        A pass may end in between. What the specs no longer set must be gone by then, because it is ours only as long as
        `ownership.MANAGED` names it; and IAM would remove `Team` under the name `team` as well.
        """
