"""Held counts: the number of tasks that a person asked for, in place of the specs' until a deadline.

A held count is a tag on the ECS service, `COUNT:DEADLINE:WHO[: WHY]`. Until its deadline the service is planned as if
the specs declared that count, so that drift, deferral and rollouts treat it like any other. Afterwards the same action
writes the specs' count and removes the tag. Nothing but a pass ends it, so it may end late, and never early.

Where autoscaling decides about the count, its minimum is held, and its maximum is as large at least.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.model import formats
from reconciler.model.observed_state import ObservedState
from reconciler.model.ownership import HELD_COUNT
from reconciler.model.plan import Note
from reconciler.model.resource import Address, Calls, Desired
from reconciler.model.tagging import unescaped, with_text
from reconciler.resources.scaling import held_at, in_force, limits_of
from reconciler.rollout.describe import described, ecs, listed, pairs

MOST = 5000
"""Tasks of a service, at most (ECS's quota)."""

SECOND = timedelta(seconds=1)
ENDED = datetime.fromtimestamp(0, UTC)
"""The deadline of a count that a person has ended; for an older version it is over as well."""


@dataclass(frozen=True, slots=True)
class HeldCount:
    """`by` is who asked for it, and why."""

    count: int
    until: datetime
    by: str

    def text(self) -> str:
        return with_text(f"{self.count}:{int(self.until.timestamp())}:", self.by)

    def holds(self, now: datetime) -> bool:
        return now < self.until

    @property
    def ended(self) -> bool:
        """Whether somebody has ended it; then `by` is who did."""
        return self.until == ENDED


def held_until(now: datetime, length: timedelta) -> datetime:
    """The deadline, rounded up to the whole seconds that a tag can hold."""
    return (now + length).replace(microsecond=0) + SECOND


def write(service: str, held: HeldCount) -> Calls[None]:
    yield ecs.tag_resource(resourceArn=service, tags=pairs({HELD_COUNT: held.text()} | formats.state_tags()))


def present(cluster: str, service: str) -> Calls[int]:
    """The desired count that ECS has."""
    (item,) = listed((yield described(cluster, [service])))
    count: int = item["desiredCount"]
    return count


def of_tags(tags: Mapping[str, str]) -> HeldCount | None:
    """The held count of a service, whether or not its time is over; None where there is none that makes sense."""
    match = re.fullmatch(r"(\d{1,4}):(\d{1,11}):(.*)", tags.get(HELD_COUNT, ""), re.DOTALL)
    if match is None or int(match[1]) > MOST:
        return None
    return HeldCount(int(match[1]), datetime.fromtimestamp(int(match[2]), UTC), unescaped(match[3]))


def with_held(
    wanted: Mapping[Address, Desired[Any]], world: ObservedState, now: datetime
) -> dict[Address, Desired[Any]]:
    """What is wanted, with the counts that are held. Only a count or limits that the specs declare can be held."""
    result = dict(wanted)
    for address, found in _held(wanted, world):
        want, scaling = wanted[address], wanted.get(scaling_of(address))
        if scaling is not None:
            limits = held_at(scaling.spec, found.count) if found.holds(now) else in_force(scaling.spec, now)
            result[scaling.address] = replace(scaling, spec=limits)
        if found.holds(now):
            held = {} if scaling is not None else {"desired_count": found.count}
            tags = {**want.tags, HELD_COUNT: found.text()}
            result[address] = replace(want, spec=want.spec.model_copy(update=held), tags=tags)
    return result


def with_limits(wanted: Mapping[Address, Desired[Any]], world: ObservedState) -> ObservedState:
    """The observed state, with the limits that AWS has where they are or were held: those of a period are no excuse."""
    scaled = {scaling_of(address) for address, _ in _held(wanted, world)} & wanted.keys()
    if not scaled:
        return world
    seen = world.found.get("scaling", ())  # what was just created and is not shown yet has nothing of AWS's
    found = [limits_of(one) if one.address in scaled and "item" in one.facts else one for one in seen]
    return replace(world, found={**world.found, "scaling": found})


def notes(wanted: Mapping[Address, Desired[Any]], world: ObservedState, now: datetime) -> tuple[Note, ...]:
    """The counts that are held, for the plan."""
    result = list[Note]()
    for address, found in _held(wanted, world):
        scaling, declared = wanted.get(scaling_of(address)), wanted[address].spec.desired_count
        if found.holds(now) and scaling is not None:
            limits = f"{scaling.spec.min} to {scaling.spec.max}"
            result.append(Note(scaling.address, f"min is {text(found)}; the specs declare {limits}"))
        elif found.holds(now):
            result.append(Note(address, f"desired_count is {text(found)}; the specs declare {declared}"))
    return tuple(result)


def scaling_of(service: Address) -> Address:
    """The address of the autoscaling of a service, if it has one."""
    return Address("scaling", service.name)


def text(held: HeldCount) -> str:
    """`held at 5 until Tue 01 Dec 13:05 UTC by ana: load test`"""
    return f"held at {held.count} until {held.until:%a %d %b %H:%M} UTC by {held.by}"


def _held(wanted: Mapping[Address, Desired[Any]], world: ObservedState) -> Iterator[tuple[Address, HeldCount]]:
    """The services of which something is held, or was: the tag is there still."""
    for one in world.found.get("service", ()):
        found = of_tags(one.tags)
        if found is None or one.address not in wanted:
            continue
        if scaling_of(one.address) in wanted or wanted[one.address].spec.desired_count is not None:
            yield one.address, found
