"""Case: everything that is known before the doctor asks anything, which all checks share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from reconciler.doctor.workloads import Workload, workloads_of
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Action, Plan, Verb
from reconciler.model.resource import Address, Desired, Link, Observed, Ref
from reconciler.model.type_registry import ResourceTypes
from reconciler.reconcile.observe import StackId
from reconciler.rollout.spec import RolloutSpec


@dataclass(frozen=True, slots=True)
class Case:
    """`caller` is the ARN of who asks. `ahead` is by how much this machine's clock is ahead of AWS's. `holder` is who
    holds the lease of the stack, if anybody does, and `store_error` why that cannot be read; `table` is that of the
    lease, if it is in DynamoDB. `read_secrets`: values of secrets may be read. `boundary` is the permissions boundary
    that the Stack names for its roles.
    """

    kinds: ResourceTypes
    place: StackId
    caller: str
    plan: Plan
    world: ObservedState
    desired: tuple[Desired[Any], ...]
    deliveries: tuple[RolloutSpec, ...]
    now: datetime
    pending: frozenset[Address] = frozenset()
    ahead: timedelta = timedelta()
    holder: str = ""
    store_error: str = ""
    read_secrets: bool = False
    table: str | None = None
    boundary: str | None = None
    starting_only: bool = False
    """Only workloads of which the plan starts tasks are looked into."""
    workloads: tuple[Workload, ...] = field(init=False)
    found: Mapping[Address, Observed[Any]] = field(init=False)
    wanted: Mapping[Address, Desired[Any]] = field(init=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "found", {one.address: one for one in self.world})
        put(self, "wanted", {want.address: want for want in self.desired})
        every = workloads_of(self.plan, self.desired, self.found, self.deliveries, self.pending)
        put(self, "workloads", tuple(one for one in every if one.starts or not self.starting_only))

    @property
    def actions(self) -> Iterator[Action]:
        """All that the plan carries out, now or in a later pass."""
        yield from self.plan.actions
        yield from (entry.action for entry in self.plan.deferred)

    def created(self, kind: str) -> list[Desired[Any]]:
        """Resources of a type that the plan creates, replacements among them, which are made beside the old ones; and
        those that wait for what the plan creates before."""
        made = (action.new for action in self.actions if action.verb in (Verb.CREATE, Verb.REPLACE))
        return [self.resolved(new) for new in made if new is not None and new.address.kind == kind]

    def changes(self, kinds: Iterable[str]) -> bool:
        """Whether the plan writes to anything of these types."""
        names = frozenset(kinds)
        return any(action.address.kind in names for action in self.actions)

    def id_of(self, link: Link) -> str:
        """The id behind a link; empty for what does not exist yet."""
        if not isinstance(link, Ref):
            return link
        found = self.found.get(link.address)
        return "" if found is None else found.id

    def resolved(self, want: Desired[Any]) -> Desired[Any]:
        return want.resolved({address: one.id for address, one in self.found.items()})
