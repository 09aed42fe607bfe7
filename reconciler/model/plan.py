"""Plan: what to do with each resource, why, and in which order. A value; creating one does nothing.

    desired ─┐
             ├─► plan() ─► Plan(actions, refusals, warnings) ─► guard ─► execute
    observed ┘

Each action concerns one resource. It comes after the actions that create what it refers to; a deletion comes after
everything that stops referring to what it deletes. If only a user can resolve an obstacle, there is a `Refusal`
instead.
"""

from __future__ import annotations

import graphlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reconciler.model.diff import Change
from reconciler.model.ownership import TagChange
from reconciler.model.resource import Address, Desired, Observed, Ref


class Verb(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    ROLL = "roll"
    ADOPT = "adopt"

    @property
    def past(self) -> str:
        return f"{self.removesuffix('e')}ed"


class Consequence(StrEnum):
    """Effect on what is running, mildest first."""

    NONE = "none"
    IN_PLACE = "in-place"
    NEW_TASKS = "new-tasks"
    REPLACE = "replace"
    DESTROY = "destroy"


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One node in the order of a plan. Most actions are one step; a replacement is two, `make` and `drop`."""

    address: Address
    part: str  # "make" | "drop"
    id: str = ""  # the resource to delete, if there are several at one address

    def __str__(self) -> str:
        return f"{self.address}:{self.part}{f':{self.id}' if self.id else ''}"


@dataclass(frozen=True, slots=True)
class Action:
    """One action on a resource. `because` is the reason. `moved_from` is the address that its tag still holds."""

    verb: Verb
    address: Address
    because: str
    changes: tuple[Change, ...] = ()
    tags: TagChange = field(default_factory=lambda: TagChange({}, ()))
    consequence: Consequence = Consequence.NONE
    old: Observed[Any] | None = None
    new: Desired[Any] | None = None
    create_first: bool = True
    unchanged: int = 0
    moved_from: Address | None = None

    @property
    def only_moves(self) -> bool:
        """Whether it is a rename in the specs and nothing else: only tags are written."""
        return self.moved_from is not None and self.verb is Verb.UPDATE and not self.changes

    @property
    def where(self) -> str:
        return self.new.where if self.new is not None else ""

    @property
    def rolls(self) -> bool:
        """Whether a rollout follows from it, also from an adoption."""
        return self.verb is not Verb.REPLACE and any(change.rolls for change in self.changes)

    @property
    def only_rolls(self) -> bool:
        """Whether the rollout does all of it, so that the plan writes nothing."""
        return self.verb is Verb.ROLL and not self.tags and all(change.rolls for change in self.changes)

    @property
    def only_notes(self) -> bool:
        """Whether it only reacts to what has happened, so that it needs no approval: the specs ask for nothing new."""
        noted = bool(self.changes) and all(change.event for change in self.changes)
        return self.verb is Verb.UPDATE and noted and not self.tags

    @property
    def signature(self) -> str:
        """The same for actions that do the same at the same address; a revision of it has another id each time."""
        verb, address, _, *rest = _row(self)
        return json.dumps([verb, address, rest], default=str)

    def steps(self) -> tuple[PlanStep, ...]:
        make = PlanStep(self.address, "make")
        match self.verb:
            case Verb.DELETE:
                return (self.drop,)
            case Verb.REPLACE:
                return (make, self.drop) if self.create_first else (self.drop, make)
            case _:
                return (make,)

    @property
    def summary(self) -> str:
        """What was done, once it is: `created`, `updated: cidr, tags`, `moved from service/web`."""
        if self.only_moves:
            return f"moved from {self.moved_from}"
        fields = [str(change) for change in self.changes] if self.verb is Verb.UPDATE else []
        return f"{self.verb.past}: {', '.join(fields)}" if fields else self.verb.past

    @property
    def drop(self) -> PlanStep:
        return PlanStep(self.address, "drop", self.old.id if self.old is not None else "")


class RefusalCode(StrEnum):
    """Reason for which a plan is not executed."""

    CONFLICT = "conflict"  # the name belongs to a resource that is not the stack's
    IMMUTABLE = "immutable"  # AWS cannot change the field, and replacing would cost data or service
    LOSS = "loss"  # an adopted resource would lose what its document does not mention
    PROTECTED = "protected"  # it carries `reconciler:protect`
    GUARD = "guard"  # too many deletions at once
    MISSING = "missing"  # a looked-up resource does not exist
    UNFIT = "unfit"  # a looked-up resource is of another type, or in another network, than what uses it
    READ_FAILED = "read-failed"  # a type could not be read; unknown is not absent
    SUSPENDED = "suspended"  # the stack is suspended
    UNKNOWN_FORMAT = "unknown-format"  # a newer version has stored what this one cannot read


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why this plan may not be executed: `code` for programs, `because` for people. `hint` is what to do.

    `about` is the load balancer to which a target group is attached that another one is to send requests to.
    """

    code: RefusalCode
    address: Address | None
    because: str
    hint: str = ""
    where: str = ""
    about: Address | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Information about a resource without an action in this plan. `rule`: the reason of the drift rule that it is
    about."""

    address: Address
    because: str
    rule: str = ""


class DeferralCode(StrEnum):
    """Reason for which an action is left to a later pass."""

    WITH_RELEASE = "with-release"  # it follows the rollout of the new version
    PRE_DEPLOYMENT = "pre-deployment"  # a pre-deployment task has to succeed first
    IMAGE = "image"  # an image has not been pushed
    IN_USE = "in-use"  # running tasks use it
    KEPT_TOGETHER = "kept-together"  # something that stays refers to it
    SEVERAL_VERSIONS = "several-versions"  # tasks of an older version may need it
    REFERRED_TO = "referred-to"  # something of the stack still refers to it
    SENDS_REQUESTS = "sends-requests"  # a listener still sends requests to it
    NOT_HEALTHY = "not-healthy"  # what replaces it was never healthy
    LACKS_TASKS = "lacks-tasks"  # it runs on demand what a service that stays lacks
    NOT_SERVED = "not-served"  # its requests are not served elsewhere
    TAKEN_LATER = "taken-later"  # another listener or rule does not take its requests yet
    TAKES_LATER = "takes-later"  # it takes requests once its targets are healthy
    TASKS_IN_GROUP = "tasks-in-group"  # tasks are in its target group
    IN_STEPS = "in-steps"  # the rest of an update whose first part is done now
    NOT_APPROVED = "not-approved"  # it was not part of the approved plan
    WRITTEN = "written"  # it was just done, and AWS returns it in another form
    ROLLOUT = "rollout"  # its service is being rolled out
    ENGINE = "engine"  # the engine of its service changes first
    UNKNOWN_FORMAT = "unknown-format"  # a newer version has stored the state of its service


@dataclass(frozen=True, slots=True)
class Deferred:
    """An action that is not due yet: `code` for programs, `because` for people.

    `waits_for` is the resource that it waits for, if it is a single one.
    """

    action: Action
    code: DeferralCode
    because: str
    waits_for: Address | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordered and complete.

    `waiting`: what cannot be planned until AWS is ready. `deferred`: actions that are left to a later pass on purpose.
    `unsettled`: resources that match the specs but are not ready, such as a service that is rolling out. `failed`:
    tasks that failed, and run again only on request. `names`: addresses by id. `allowed`: the guard's limits and what
    the user has allowed in advance, as they were when the plan was made. `new_attempts`: services whose version has
    failed, or may fail, by what the specs declare otherwise now, and is tried again. `only`: the addresses to
    which the plan is restricted, if it is, and `left_out` what it does not do for that reason.
    """

    stack: str
    actions: tuple[Action, ...] = ()
    after: Mapping[PlanStep, Set[PlanStep]] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[Note, ...] = ()
    waiting: tuple[Note, ...] = ()
    deferred: tuple[Deferred, ...] = ()
    unsettled: tuple[Note, ...] = ()
    failed: tuple[Note, ...] = ()
    names: Mapping[str, Address] = field(default_factory=dict)
    unchanged: int = 0
    allowed: tuple[str, ...] = ()
    new_attempts: tuple[Address, ...] = ()
    only: frozenset[Address] | None = None
    left_out: tuple[Action, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.actions)

    def waves(self) -> Iterator[tuple[PlanStep, ...]]:
        """Steps that may run in parallel, group by group, in a deterministic order."""
        sorter = graphlib.TopologicalSorter({step: self.after[step] for step in sorted(self.after, key=str)})
        sorter.prepare()
        while sorter.is_active():
            ready = sorted(sorter.get_ready(), key=str)
            yield tuple(ready)
            sorter.done(*ready)

    def count(self, *verbs: Verb) -> int:
        return sum(action.verb in verbs for action in self.actions)

    def deletions(self) -> tuple[Action, ...]:
        """Actions that delete something, permanently or for a while, including deferred ones."""
        every = (*self.actions, *(one.action for one in self.deferred))
        return tuple(action for action in every if action.verb in (Verb.DELETE, Verb.REPLACE))

    @property
    def digest(self) -> str:
        """Digest of everything that the plan does, now or later, of why it may not, and of what it was allowed.

        Plans with equal digests do the same with the same consent.
        """
        rows = [_row(action) for action in (*self.actions, *(one.action for one in self.deferred))]
        refusals = [[one.code, str(one.address), one.because] for one in self.refusals]
        parts = [self.stack, sorted(rows, key=json.dumps), sorted(refusals), list(self.allowed)]
        parts += [sorted(map(str, self.new_attempts))] if self.new_attempts else []
        text = json.dumps(parts, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def keyed(value: Any) -> str:
    """Stands for a secret: equal for equal values, and reveals nothing."""
    return "hash:" + hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _row(action: Action) -> list[Any]:
    changes = [
        [list(change.path), *(keyed(side) if change.secret else _text(side) for side in (change.old, change.new))]
        for change in action.changes
    ]
    made = keyed(action.new.spec.model_dump(mode="json", fallback=str)) if action.new is not None else ""
    tags = [dict(action.tags.put), list(action.tags.drop)]
    return [action.verb, str(action.address), action.old.id if action.old else "", made, changes, tags]


def _text(value: Any) -> Any:
    return f"after apply: {value}" if isinstance(value, Ref) else str(value)
