"""Observation of the account: every type in batches, types that build on others after them, the rest in parallel.

What cannot be read is *unknown*, not absent: the type is recorded in `ObservedState.unreadable` with the reason, and so
is every type that builds on it. Nothing is planned from an incomplete read. Details that take a call for each resource
are read last, and nothing waits for them (`ResourceType.observe_details`).

The exception is a type that the endpoint does not serve, and of which neither the specs nor the tag index nor the
previous pass know anything: an emulator without Application Auto Scaling is enough for a stack without it. A stack that
is destroyed does without such a type even where it may be served, and its answer cannot be understood, unless the tag
index may lack it.

It is one module because an observation is one value that its steps fill in.
"""

from __future__ import annotations

import graphlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from reconciler import errors, events
from reconciler.aws.client import AwsClient
from reconciler.log import log
from reconciler.model import moves, ownership
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import NOTHING, Address, Desired, Observed
from reconciler.model.resource_type import Depth, ResourceType, Scope
from reconciler.model.type_registry import ResourceTypes
from reconciler.reconcile.expectations import UNSEEN, Expectations
from reconciler.reconcile.read_plan import ReadPlan, Slice
from reconciler.reconcile.tag_index import OwnedTagIndex

NO_ANSWER = frozenset({"ConnectionFailed", "Garbled"})
"""Codes of errors after which nobody knows whether the endpoint serves a type at all."""

WIDTH = 16  # types read in parallel; the threads mostly wait for AWS


@dataclass(frozen=True, slots=True)
class StackId:
    """Account, region and name of a stack. `role_path`: the path of its IAM roles, if the Stack names one."""

    stack: str
    account: str
    region: str
    partition: str = "aws"
    role_path: str | None = None


def observe(
    aws: AwsClient,
    kinds: ResourceTypes,
    place: StackId,
    desired: Sequence[Desired[Any]],
    *,
    depth: Depth = Depth.FULL,
    expectations: Expectations | None = None,
    before: ObservedState | None = None,
    named: Mapping[str, frozenset[str]] = NOTHING,
    part: Slice | None = None,
    leaving: bool = False,
) -> ObservedState:
    """Everything that the stack owns or its specs declare, of every type.

    Writes in `expectations` that AWS does not show yet are included, marked as not actionable. `before` is the result
    of the previous pass with the same expectations: a pass of less than full depth takes over what it need not read,
    and names it in `ObservedState.carried`. A fast or narrow pass must have one. `named` are ids, by type, that are
    read in full at any depth; `part` of all other details are read by a medium pass. `leaving`: the stack is destroyed.

    Raises `errors.AwsError` if not even the tag index can be read.
    """
    written = frozenset() if expectations is None else expectations.kinds()
    with ThreadPoolExecutor(max_workers=WIDTH, thread_name_prefix="observe") as pool:
        if depth <= Depth.FAST and before is not None and not written:
            swept = OwnedTagIndex.of(before.swept)
        else:
            swept = OwnedTagIndex.begin(aws, place.stack, pool)
        reading = ReadPlan(depth, before, swept, written, named, part)
        seen = _Observation(aws, kinds, place, desired, reading, expectations, pool, leaving=leaving)
        seen.read()
        world = ObservedState(seen.found, seen.unreadable, frozenset(seen.carried), swept.found(), seen.narrowed)
    for one in world:
        created_at = one.facts.get("created_at")
        if created_at is not None:
            aws.propagation.made(one.id, (aws.clock.now() - created_at).total_seconds())
    log.debug(events.OBSERVED, found=sum(map(len, seen.found.values())), unreadable=sorted(seen.unreadable))
    return world if expectations is None else expectations.mark_pending(world)


class _Observation:
    """One observation in progress: what was found so far, and what is being read."""

    def __init__(
        self,
        aws: AwsClient,
        kinds: ResourceTypes,
        place: StackId,
        desired: Sequence[Desired[Any]],
        reading: ReadPlan,
        expectations: Expectations | None,
        pool: Executor,
        *,
        leaving: bool,
    ) -> None:
        self._leaving = leaving
        self.found: dict[str, tuple[Observed[Any], ...]] = {}
        self.unreadable: dict[str, errors.AwsError] = {}
        self.carried: set[str] = set()
        self.narrowed: dict[str, frozenset[str]] = {}
        self._aws, self._kinds, self._place, self._pool = aws, kinds, place, pool
        self._reading, self._expectations = reading, expectations
        self._ids: dict[Address, str] = {}
        self._wanted: dict[str, list[Desired[Any]]] = defaultdict(list)
        for want in desired:
            self._wanted[want.address.kind].append(want)
        needs = {name: [need for need in kinds[name].observe_after if need in kinds] for name in kinds}
        self._order = graphlib.TopologicalSorter(needs)
        self._batches: dict[Future[list[Observed[Any]]], tuple[str, Scope]] = {}
        self._singles: dict[str, tuple[Future[list[Observed[Any]]], frozenset[str]]] = {}

    def read(self) -> None:
        self._order.prepare()
        while self._order.is_active():
            # first the types of which something is wanted: the tag index may decide whether others are read
            for name in sorted(self._order.get_ready(), key=lambda each: (not self._wanted[each], each)):
                self._begin(name)
            if self._batches:
                answered, _ = wait(self._batches, return_when=FIRST_COMPLETED)
                for future in sorted(answered, key=lambda each: self._batches[each][0]):
                    self._batch_ended(future)
        if self._something_leaves():
            several = [name for name in self.found if _has_runs(self._kinds[name])]
            if self._reading.depth <= Depth.FAST and self._rests():
                self.found |= {name: self._reading.known(name) for name in several}
            else:
                self._singles |= {name: self._runs_of(name) for name in several}
        for name, (future, asked) in self._singles.items():
            self._singles_ended(name, future, asked)

    def _something_leaves(self) -> bool:
        """Whether the specs have something no more, so that it matters which tasks still use it."""
        wanted = {want.address for several in self._wanted.values() for want in several}
        everything = (one for found in self.found.values() for one in found)
        return any(one.address not in wanted and ownership.owner(one.tags) == self._place.stack for one in everything)

    def _rests(self) -> bool:
        """Whether nothing differs from the previous pass, so that the plan does not need to know more than it did."""
        return all(
            self._look_of(name, found) == self._look_of(name, self._reading.known(name))
            for name, found in self.found.items()
        )

    def _look_of(self, name: str, found: Iterable[Observed[Any]]) -> dict[str, Any]:
        kind = self._kinds[name]
        return {
            one.id: (one.address, one.spec, one.tags, None if _has_runs(kind) else kind.in_use(one)) for one in found
        }

    def _runs_of(self, name: str) -> tuple[Future[list[Observed[Any]]], frozenset[str]]:
        """The type with its running tasks. It has no details, which would be read of the same resources."""
        runs = self._kinds[name].observe_runs(self.found[name], self._scope(name, Depth.FULL))
        return self._pool.submit(self._aws.run, runs), frozenset(one.id for one in self.found[name])

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
        ids = self._reading.narrow(kind, self._wanted[name])
        if ids:
            self.narrowed[name] = ids
        scope = self._scope(name, depth, ids)
        self._batches[self._pool.submit(self._aws.run, kind.observe(scope))] = name, scope

    def _scope(self, name: str, depth: Depth, ids: frozenset[str] = frozenset()) -> Scope:
        """The input of a type; with `ids`, as if the stack had only these of it."""
        wanted, swept, before = self._wanted[name], self._reading.swept, self._reading.known(name)
        if ids:
            before = tuple(one for one in before if one.id in ids)
            here = {one.address for one in before}
            arns = ids | {arn for one in before if (arn := one.facts.get("arn"))}
            wanted = [want for want in wanted if want.address in here]
            swept = {arn: tags for arn, tags in swept.items() if arn in arns}
        return Scope(
            self._place.stack,
            self._place.region,
            self._place.account,
            self._place.partition,
            self._place.role_path,
            wanted=tuple(want.resolved(self._ids) for want in wanted),
            seen=dict(self.found),
            swept=swept,
            depth=depth,
            before=before,
        )

    def _batch_ended(self, future: Future[list[Observed[Any]]]) -> None:
        name, scope = self._batches.pop(future)
        try:
            found = tuple(future.result())
        except errors.AwsError as error:
            if self._does_without(name, error):
                log.warning(events.NOT_SERVED, kind=name, because=str(error))
                self.found[name] = self._filled(name, ())
            else:
                self.unreadable[name] = error
        else:
            kind, found = self._kinds[name], self._with_others(name, found)
            whole = scope.depth is Depth.FULL and name not in self.narrowed
            detailed = found if whole else self._reading.detailed(name, found)
            if kind.has_details and detailed:
                details = self._pool.submit(self._aws.run, kind.observe_details(detailed, scope))
                self._singles[name] = details, frozenset(one.id for one in detailed)
            self.found[name] = self._filled(name, found)
        self._done(name)

    def _with_others(self, name: str, read: tuple[Observed[Any], ...]) -> tuple[Observed[Any], ...]:
        """`read` with those that were not asked for, as the previous pass has them."""
        ids = self.narrowed.get(name)
        if ids is None:
            return read
        there = {one.id for one in read}
        return (*(one for one in self._reading.known(name) if one.id not in there and one.id not in ids), *read)

    def _does_without(self, name: str, error: errors.AwsError) -> bool:
        """Whether `error` says that the type is not served here, and nothing says that the stack has any of it."""
        left_out = self._leaving and self._kinds[name].indexed and error.code in NO_ANSWER
        if not isinstance(error, errors.Unserved) and not left_out:
            return False
        tagged = (ownership.address(tags) for tags in self._reading.swept.values())
        there = any(address is not None and address.kind == name for address in tagged)
        return not (self._wanted[name] or self._reading.known(name) or there)

    def _singles_ended(self, name: str, future: Future[list[Observed[Any]]], asked: frozenset[str]) -> None:
        """What was asked for and is not in the answer is gone; what was not asked for stays as it was read before."""
        try:
            read = {one.id: one for one in future.result()}
        except errors.AwsError as error:
            self.unreadable[name] = error
            del self.found[name]
        else:
            others = [one for one in self.found[name] if one.id not in asked]
            self.found[name] = self._filled(name, (*others, *read.values()))

    def _filled(self, name: str, read: tuple[Observed[Any], ...]) -> tuple[Observed[Any], ...]:
        found = moves.renamed(read, self._wanted[name], self._place.stack)
        return found if self._expectations is None else self._expectations.add_missing(name, found)

    def _done(self, name: str) -> None:
        self._ids |= {one.address: one.id for one in self.found.get(name, ())}
        self._order.done(name)


def _has_runs(kind: ResourceType[Any]) -> bool:
    return type(kind).observe_runs is not ResourceType.observe_runs


def made_meanwhile(
    aws: AwsClient,
    kinds: ResourceTypes,
    place: StackId,
    world: ObservedState,
    want: Desired[Any],
    old: Observed[Any] | None = None,
) -> Observed[Any] | None:
    """What is in the place of `want`, or excludes it, when its type is read again; the stack's own first.

    The first read may have been stale, and this very process may have created it before a restart. `old` becomes
    `want`, and excludes nothing.
    """
    kind = kinds[want.address.kind]
    seen = {name: tuple(found) for name, found in world.found.items()}
    scope = Scope(place.stack, place.region, place.account, place.partition, place.role_path, (want,), seen)
    found = moves.renamed(tuple(aws.run(kind.observe(scope))), (want,), place.stack)
    there = [
        one
        for one in found
        if not one.facts.get("deleting")
        and (old is None or one.id != old.id)
        and (one.address == want.address or kind.excludes(want.spec, one.spec))
    ]
    return min(
        there,
        key=lambda one: (ownership.owner(one.tags) != place.stack, one.address != want.address, one.id),
        default=None,
    )


def owned_ids(world: ObservedState, stack: str, adopting: Mapping[Address, Desired[Any]]) -> set[str]:
    """Every id and ARN that may be written to: resources with the stack's tag, and those that the specs adopt."""
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
