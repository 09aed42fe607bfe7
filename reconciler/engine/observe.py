"""Read the account: every type in batches, those that build on others after them, the rest side by side.

What cannot be read is *unknown*, not absent: the type goes into `World.unreadable` with the reason, and so does every
type that builds on it. Nothing is planned from a short read. What takes a call for each single resource is read last
of its type, and nothing waits for it (`Kind.deepen`).
"""

from __future__ import annotations

import graphlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from reconciler import errors, events
from reconciler.aws.client import Aws
from reconciler.engine.expectations import UNSEEN, Expectations
from reconciler.engine.sweep import Sweep
from reconciler.engine.tiers import Reading
from reconciler.log import log
from reconciler.model import ownership
from reconciler.model.kind import Depth, Kinds, Scope
from reconciler.model.planner import World
from reconciler.model.resource import Address, Desired, Observed

WIDTH = 16  # types read side by side; they wait for AWS, and few have much to do


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stack lives."""

    stack: str
    account: str
    region: str
    partition: str = "aws"


def observe(
    aws: Aws,
    kinds: Kinds,
    place: Place,
    desired: Sequence[Desired[Any]],
    *,
    depth: Depth = Depth.FULL,
    expectations: Expectations | None = None,
    before: World | None = None,
) -> World:
    """Everything that the stack owns or its specs name, of every type.

    What `expectations` say was written and does not show yet is in it, marked as not to be acted on. `before` is what
    the last pass has observed, with the same expectations: what a pass of less than full depth need not read is taken
    from it, and named in `World.carried`. A fast pass must have one.
    Raises `errors.AwsError` when not even the sweep can be read.
    """
    written = frozenset() if expectations is None else expectations.kinds()
    wanted: dict[str, list[Desired[Any]]] = defaultdict(list)
    for want in desired:
        wanted[want.address.kind].append(want)
    sorter = graphlib.TopologicalSorter({name: [r for r in kinds[name].reads_after if r in kinds] for name in kinds})
    sorter.prepare()
    found: dict[str, tuple[Observed[Any], ...]] = {}
    ids: dict[Address, str] = {}
    unreadable: dict[str, errors.AwsError] = {}
    carried: set[str] = set()
    deeper: dict[str, Future[list[Observed[Any]]]] = {}
    with ThreadPoolExecutor(max_workers=WIDTH, thread_name_prefix="observe") as pool:
        if depth is Depth.FAST and before is not None and not written:
            swept = Sweep.of(before.swept)
        else:
            swept = Sweep.begin(aws, place.stack, pool)
        reading = Reading(depth, before, swept, written)
        under_way: dict[Future[list[Observed[Any]]], tuple[str, Scope]] = {}
        while sorter.is_active():
            for name in sorted(sorter.get_ready(), key=lambda each: (not wanted[each], each)):
                kind = kinds[name]
                cause = next((unreadable[r] for r in kind.reads_after if r in unreadable), None)
                at = None if cause is not None else reading.depth_of(kind, wanted[name], found)
                if cause is not None:
                    unreadable[name] = cause
                elif at is None:
                    found[name] = reading.known(name)
                    carried.add(name)
                else:
                    resolved = tuple(want.resolved(ids) for want in wanted[name])
                    scope = Scope(
                        place.stack,
                        place.region,
                        place.account,
                        place.partition,
                        resolved,
                        dict(found),
                        swept,
                        at,
                        reading.known(name),
                    )
                    under_way[pool.submit(aws.run, kind.observe(scope))] = name, scope
                    continue
                ids |= {one.address: one.id for one in found.get(name, ())}
                sorter.done(name)
            if not under_way:
                continue
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda each: under_way[each][0]):
                name, scope = under_way.pop(future)
                try:
                    found[name] = tuple(future.result())
                except errors.AwsError as error:
                    unreadable[name] = error
                else:
                    if scope.depth is Depth.FULL and kinds[name].deepens and found[name]:
                        deeper[name] = pool.submit(aws.run, kinds[name].deepen(found[name], scope))
                    found[name] = found[name] if expectations is None else expectations.filled(name, found[name])
                ids |= {one.address: one.id for one in found.get(name, ())}
                sorter.done(name)
        for name, future in deeper.items():
            try:
                whole = tuple(future.result())
            except errors.AwsError as error:
                unreadable[name] = error
                del found[name]
            else:
                found[name] = whole if expectations is None else expectations.filled(name, whole)
    log.debug(events.OBSERVED, found=sum(map(len, found.values())), unreadable=sorted(unreadable))
    world = World(found, unreadable, frozenset(carried), swept.found())
    return world if expectations is None else expectations.held(world)


def made_meanwhile(aws: Aws, kinds: Kinds, place: Place, world: World, want: Desired[Any]) -> bool:
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


def owned_ids(world: World, stack: str, adopting: Mapping[Address, Desired[Any]]) -> set[str]:
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
