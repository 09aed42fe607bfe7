"""Read plan: what a pass reads, and what it takes over from the previous pass. Pure.

    FULL     everything
    MEDIUM   every type, without details that take a call for each resource. A type of which nothing is wanted, was
             found, or has appeared in the tag index since is left out
    FAST     only volatile types
    NARROW   only the resources that are `named`

Events of AWS name resources, and these are read in full at any depth (controller/event_index.py). While events say what
changes, full passes are left out, and each medium one takes a `slice` of what they would read.

At any depth, a type is read if something of it is in progress: it was written moments ago, is not ready yet or being
deleted, could not be read, or is wanted and missing. What is taken over was stable, and only a change outside the
controller can have affected it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Desired, Observed, ResourceHealth
from reconciler.model.resource_type import Depth, ResourceType

Found = Mapping[str, tuple[Observed[Any], ...]]


@dataclass(frozen=True, slots=True)
class Slice:
    """One of `of` equal parts of all details, which take a call for each resource."""

    number: int
    of: int

    def has(self, text: str) -> bool:
        return crc32(text.encode()) % self.of == self.number % self.of


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """What one pass reads. `written` are the types that this process has written to and may not see yet. `named` are
    ids of resources, by type, that are read in full whatever the depth."""

    depth: Depth
    before: ObservedState | None
    swept: Mapping[str, Mapping[str, str]]
    written: frozenset[str] = frozenset()
    named: Mapping[str, frozenset[str]] = field(default_factory=dict)
    slice: Slice | None = None

    def __post_init__(self) -> None:
        if self.depth <= Depth.FAST and self.before is None:
            raise ValueError(f"a {self.depth.name.lower()} pass needs the result of an earlier pass")

    def known(self, name: str) -> tuple[Observed[Any], ...]:
        return () if self.before is None else tuple(self.before.found.get(name, ()))

    def depth_of(self, kind: ResourceType[Any], wanted: Sequence[Desired[Any]], found: Found) -> Depth | None:
        """How to read `kind`, after those it builds on are `found`; None to take it from the previous pass."""
        if self.depth is Depth.FULL or self.before is None:
            return self.depth
        if kind.kind in self.written:
            return Depth.FULL
        if self._under_way(kind, wanted) or any(self._others(name, found) for name in kind.observe_after):
            return Depth.FULL if kind.kind in self.named else Depth.MEDIUM
        if kind.kind in self.named and (self.depth is not Depth.MEDIUM or not kind.has_details):
            return Depth.FULL
        if self.depth <= Depth.FAST:
            return Depth.FAST if kind.volatile and self.depth is Depth.FAST else None
        if self.slice is not None and not kind.has_details and self.slice.has(kind.kind):
            return Depth.FULL
        idle = not wanted and not self.known(kind.kind) and self.swept.keys() <= self.before.swept.keys()
        return None if idle else Depth.MEDIUM

    def narrow(self, kind: ResourceType[Any], wanted: Sequence[Desired[Any]]) -> frozenset[str]:
        """The ids to which the reading of a type is confined; none if all of it is read."""
        taken_over = self.depth is Depth.NARROW or (self.depth is Depth.FAST and not kind.volatile)
        if not taken_over or kind.kind in self.written or self._under_way(kind, wanted):
            return frozenset()
        return self.named.get(kind.kind, frozenset())

    def detailed(self, kind: str, found: Sequence[Observed[Any]]) -> list[Observed[Any]]:
        """Of `found`, of a type that is not read in full, those whose details are read."""
        named, part = self.named.get(kind, frozenset()), self.slice
        return [one for one in found if one.id in named or (part is not None and part.has(one.id))]

    def _under_way(self, kind: ResourceType[Any], wanted: Sequence[Desired[Any]]) -> bool:
        assert self.before is not None
        if kind.kind in self.before.unreadable or kind.kind not in self.before.found:
            return True
        if kind.volatile:
            return False  # read at any depth
        known = self.known(kind.kind)
        there = {one.address for one in known}
        unready = () if kind.runs_to_completion else known  # a task may run for hours: its outcome is read in time
        return (
            any(one.health is ResourceHealth.PROGRESSING for one in unready)
            or any(one.facts.get("deleting") for one in known)
            or any(want.address not in there and not want.if_needed for want in wanted)
        )

    def _others(self, name: str, found: Found) -> bool:
        """Whether a type has other resources than before."""
        return {one.id for one in found.get(name, ())} != {one.id for one in self.known(name)}
