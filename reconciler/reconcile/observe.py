"""Read the account: every type in batches, those that build on others after them, the rest side by side.

What cannot be read is *unknown*, not absent: the type goes into `ObservedState.unreadable` with the reason, and so does
every type that builds on it. Nothing is planned from a short read. What takes a call for each single resource is read
last of its type, and nothing waits for it (`ResourceType.observe_details`).
"""

from __future__ import annotations

import graphlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from reconciler import errors, events
from reconciler.aws.client import AwsClient
from reconciler.log import log
from reconciler.model import ownership
from reconciler.model.planner import ObservedState
from reconciler.model.resource import Address, Desired, Observed
from reconciler.model.resource_type import Depth, ResourceTypes, Scope
from reconciler.reconcile.expectations import UNSEEN, Expectations
from reconciler.reconcile.read_plan import ReadPlan
from reconciler.reconcile.tag_index import OwnedTagIndex

WIDTH = 16  # types read side by side; they wait for AWS, and few have much to do


@dataclass(frozen=True, slots=True)
class StackId:
    """Where a stack lives."""

    stack: str
    account: str
    region: str
    partition: str = "aws"


def observe(
    aws: AwsClient,
    kinds: ResourceTypes,
    place: StackId,
    desired: Sequence[Desired[Any]],
    *,
    depth: Depth = Depth.FULL,
    expectations: Expectations | None = None,
    before: ObservedState | None = None,
) -> ObservedState:
    """Everything that the stack owns or its specs name, of every type.

    What `expectations` say was written and does not show yet is in it, marked as not to be acted on. `before` is what
    the last pass has observed, with the same expectations: what a pass of less than full depth need not read is taken
    from it, and named in `ObservedState.carried`. A fast pass must have one.
    Raises `errors.AwsError` when not even the sweep can be read.
    """
    written = frozenset() if expectations is None else expectations.kinds()
    with ThreadPoolExecutor(max_workers=WIDTH, thread_name_prefix="observe") as pool:
        if depth is Depth.FAST and before is not None and not written:
            swept = OwnedTagIndex.of(before.swept)
        else:
            swept = OwnedTagIndex.begin(aws, place.stack, pool)
        reading = ReadPlan(depth, before, swept, written)
        seen = _Observation(aws, kinds, place, desired, reading, expectations, pool)
        seen.read()
        world = ObservedState(seen.found, seen.unreadable, frozenset(seen.carried), swept.found())
    log.debug(events.OBSERVED, found=sum(map(len, seen.found.values())), unreadable=sorted(seen.unreadable))
    return world if expectations is None else expectations.held(world)


class _Observation:
    """One pass over the account: what was found so far, and what is being asked for just now."""

    def __init__(
        self,
        aws: AwsClient,
        kinds: ResourceTypes,
        place: StackId,
        desired: Sequence[Desired[Any]],
        reading: ReadPlan,
        expectations: Expectations | None,
        pool: Executor,
    ) -> None:
        self.found: dict[str, tuple[Observed[Any], ...]] = {}
        self.unreadable: dict[str, errors.AwsError] = {}
        self.carried: set[str] = set()
        self._aws, self._kinds, self._place, self._pool = aws, kinds, place, pool
        self._reading, self._expectations = reading, expectations
        self._ids: dict[Address, str] = {}
        self._wanted: dict[str, list[Desired[Any]]] = defaultdict(list)
        for want in desired:
            self._wanted[want.address.kind].append(want)
        needs = {name: [need for need in kinds[name].observe_after if need in kinds] for name in kinds}
        self._order = graphlib.TopologicalSorter(needs)
        self._batches: dict[Future[list[Observed[Any]]], tuple[str, Scope]] = {}
        self._singles: dict[str, Future[list[Observed[Any]]]] = {}

    def read(self) -> None:
        self._order.prepare()
        while self._order.is_active():
            # first those of which something is wanted: whether others are read at all, the sweep may have to say
            for name in sorted(self._order.get_ready(), key=lambda each: (not self._wanted[each], each)):
                self._begin(name)
            if self._batches:
                answered, _ = wait(self._batches, return_when=FIRST_COMPLETED)
                for future in sorted(answered, key=lambda each: self._batches[each][0]):
                    self._batch_ended(future)
        for name, future in self._singles.items():
            self._singles_ended(name, future)

    def _begin(self, name: str) -> None:
        kind = self._kinds[name]
        cause = next((self.unreadable[need] for need in kind.observe_after if need in self.unreadable), None)
        if cause is not None:
            self.unreadable[name] = cause
            self._done(name)
            return
        depth = self._reading.depth_of(kind, self._wanted[name], self.found)
        if depth is None:
            self.found[name] = self._reading.known(name)
            self.carried.add(name)
            self._done(name)
            return
        scope = self._scope(name, depth)
        self._batches[self._pool.submit(self._aws.run, kind.observe(scope))] = name, scope

    def _scope(self, name: str, depth: Depth) -> Scope:
        return Scope(
            self._place.stack,
            self._place.region,
            self._place.account,
            self._place.partition,
            wanted=tuple(want.resolved(self._ids) for want in self._wanted[name]),
            seen=dict(self.found),
            swept=self._reading.swept,
            depth=depth,
            before=self._reading.known(name),
        )

    def _batch_ended(self, future: Future[list[Observed[Any]]]) -> None:
        name, scope = self._batches.pop(future)
        try:
            found = tuple(future.result())
        except errors.AwsError as error:
            self.unreadable[name] = error
        else:
            kind = self._kinds[name]
            if scope.depth is Depth.FULL and kind.has_details and found:
                self._singles[name] = self._pool.submit(self._aws.run, kind.observe_details(found, scope))
            self.found[name] = self._filled(name, found)
        self._done(name)

    def _singles_ended(self, name: str, future: Future[list[Observed[Any]]]) -> None:
        try:
            self.found[name] = self._filled(name, tuple(future.result()))
        except errors.AwsError as error:
            self.unreadable[name] = error
            del self.found[name]

    def _filled(self, name: str, found: tuple[Observed[Any], ...]) -> tuple[Observed[Any], ...]:
        return found if self._expectations is None else self._expectations.filled(name, found)

    def _done(self, name: str) -> None:
        self._ids |= {one.address: one.id for one in self.found.get(name, ())}
        self._order.done(name)


def made_meanwhile(
    aws: AwsClient, kinds: ResourceTypes, place: StackId, world: ObservedState, want: Desired[Any]
) -> bool:
    """Whether a second look, right before `want` is made, finds that it is there.

    The first look may have been stale, and whoever made it may be this very process before it was restarted.
    """
    seen = {kind: tuple(found) for kind, found in world.found.items()}
    scope = Scope(place.stack, place.region, place.account, place.partition, (want,), seen)
    found = aws.run(kinds[want.address.kind].observe(scope))
    return any(
        one.address == want.address and ownership.owner(one.tags) == place.stack and not one.facts.get("deleting")
        for one in found
    )


def owned_ids(world: ObservedState, stack: str, adopting: Mapping[Address, Desired[Any]]) -> set[str]:
    """Every id and ARN that may be written to: what carries the stack's tag, and what its specs ask to adopt."""
    ids: set[str] = set()
    for one in world:
        if UNSEEN in one.facts:
            continue
        want, owner = adopting.get(one.address), ownership.owner(one.tags)
        if owner == stack or (owner is None and want is not None and want.adopt):
            arn = one.facts.get("arn")
            ids |= {arn or one.id, *one.facts.get("ids", ())}
            if arn is None or not arn.endswith(one.id):
                ids.add(one.id)
    return ids
