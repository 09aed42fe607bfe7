"""Schedule of passes: when the controller reads the account again, and how deeply."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import reduce
from typing import Final

from reconciler.clock import Clock
from reconciler.controller.event_index import Named, merged
from reconciler.model.resource_type import Depth
from reconciler.reconcile.read_plan import Slice

JITTER: Final = 0.1
AGAIN_EVERY: Final = 10.0
"""Seconds within which what is read once more is read together."""
MOST_DOUBLINGS: Final = 30
"""More make no pause longer, and in the end a number that is too large for a float."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals in seconds. A fast pass reads volatile types, a medium one editable settings, a full one everything.

    `first_pause` is the backoff after a failed pass, doubling up to `longest_pause`; it is also used while AWS is not
    ready, growing up to `longest_wait`. `after_write` is the time until a write is read back.
    """

    fast: float = 15.0
    medium: float = 300.0
    full: float = 1800.0
    first_pause: float = 5.0
    longest_pause: float = 300.0
    longest_wait: float = 5.0
    after_write: float = 2.0


COMMAND: Final = Intervals(
    fast=60.0,
    medium=float("inf"),
    full=float("inf"),
    first_pause=2.0,
    longest_pause=15.0,
    longest_wait=15.0,
    after_write=0.0,
)
"""Of a command that a person waits for: it looks at once whether AWS shows what was written, and once all is in place
only for a suspension of the stack and for what rollouts have made possible."""


@dataclass(frozen=True, slots=True)
class Relaxed:
    """Intervals in seconds while events of AWS are received, and nothing of the stack is changing.

    Every `Intervals.fast` a narrow pass reads whether anything has started or stopped, and whether the stack is
    suspended. Details that take a call for each resource are read in `slices`, one in each medium pass, and in no full
    pass. What an API call has changed is read once more after `again`, because AWS may have answered late; events that
    come together are read together, every `gap`.
    """

    fast: float = 300.0
    medium: float = 1800.0
    slices: int = 48
    again: float = 60.0
    gap: float = 2.0


@dataclass(slots=True)
class PassTimer:
    """Timer of the next pass. `touched`: something was or may have been written since the last pass.

    `relaxed` are the intervals while events say what changes; None where all changes are found by reading. `moved`:
    something has started or stopped. All times are the clock's `monotonic`.
    """

    clock: Clock
    rhythm: Intervals = field(default_factory=Intervals)
    touched: bool = False
    relaxed: Relaxed | None = None
    moved: bool = False
    _at: float = field(init=False, default=0.0)
    _named: dict[float, Named] = field(init=False, default_factory=dict)
    _narrow: bool = field(init=False, default=False)
    _slice: int = field(init=False, default=0)
    _sliced_at: float = field(init=False, default=float("-inf"))
    _anew: bool = field(init=False, default=True)
    _failures: int = field(init=False, default=0)
    _waits: int = field(init=False, default=0)
    _wrote: bool = field(init=False, default=False)
    _read_at: dict[Depth, float] = field(init=False, default_factory=dict)

    @property
    def rest(self) -> float:
        """Seconds until the next pass."""
        return max(0.0, min(self._at, *self._named, float("inf")) - self.clock.monotonic())

    def depth(self, now: float) -> Depth:
        """Depth of a pass at `now`."""
        full = self.rhythm.full if self.relaxed is None else float("inf")
        medium, fast = (self.rhythm.medium, 0.0) if self.relaxed is None else (self.relaxed.medium, self.relaxed.fast)
        if self._anew or now - self._read_at[Depth.FULL] >= full:
            return Depth.FULL
        if self.touched or now - self._read_at[Depth.MEDIUM] >= medium:
            return Depth.MEDIUM
        early = now < self._at and bool(self.named(now))
        return Depth.NARROW if early or (not self.moved and now - self._read_at[Depth.FAST] < fast) else Depth.FAST

    def part(self, depth: Depth, now: float) -> Slice | None:
        """What a pass of that depth reads of the details that full passes would read."""
        due = depth is Depth.MEDIUM and self.relaxed is not None and now - self._sliced_at >= self.relaxed.medium
        return Slice(self._slice, self.relaxed.slices) if due and self.relaxed is not None else None

    def named(self, now: float) -> Named:
        """What events have named that is to be read at `now`."""
        due = (named for at, named in self._named.items() if at <= now)
        return reduce(merged, due, {})

    def age(self, now: float) -> float:
        """Seconds since everything was looked at."""
        return now - self._read_at.get(Depth.FULL, float("-inf"))

    def looked(self, depth: Depth, at: float) -> None:
        """A pass of that depth has read everything, not before `at`, and what events had named by then."""
        if self.part(depth, at) is not None or depth is Depth.FULL:
            self._slice, self._sliced_at = self._slice + (depth is Depth.MEDIUM), at
        self.touched, self._narrow = False, depth is Depth.NARROW
        self.moved = self.moved and self._narrow
        self._named = {when: named for when, named in self._named.items() if when > at}
        self._read_at |= dict.fromkeys((one for one in Depth if one <= depth), at)

    def planned(self) -> None:
        """The desired state was compared with a full observation."""
        self._anew = False

    # -- from here on

    def reset(self) -> None:
        """Run a full pass immediately: the desired state is new, or another process may have written."""
        self._at, self._anew, self._failures = self.clock.monotonic(), True, 0

    def requeue(self) -> None:
        self._failures, self._waits, self._wrote = 0, 0, False
        if self._narrow and self.clock.monotonic() < self._at:
            return  # events do not put off the passes that are made without them
        self._in(self._jittered(self.rhythm.fast))

    def notified(self, named: Named, *, again: bool) -> None:
        """Read what events have named; after a failure, not before the next try. `again`: once more later."""
        relaxed, now = self.relaxed or Relaxed(), self.clock.monotonic()
        soon = self._at if self._failures else max(now, self._read_at.get(Depth.NARROW, now) + relaxed.gap)
        later = now + relaxed.again
        for at in (soon, later - later % AGAIN_EVERY + AGAIN_EVERY) if again else (soon,):
            self._named[at] = merged(self._named.get(at, {}), named)

    def requeue_soon(self, *, wrote: bool) -> None:
        """Run again soon: after a write quickly, otherwise when AWS had time to become ready."""
        self._failures, self.touched = 0, True
        first = wrote and not self._wrote
        self._wrote = wrote
        if wrote:
            self._waits = 0
        if first:
            self._in(self.rhythm.after_write)
        else:
            self._in(min(self.rhythm.longest_wait, self.rhythm.first_pause * 1.5 ** min(self._waits, MOST_DOUBLINGS)))
            self._waits += 1

    def requeue_now(self) -> None:
        """Run again immediately because of a change outside."""
        self.touched = True
        self._in(0.0)

    def requeue_within(self, seconds: float) -> None:
        """Run again in `seconds` at the latest; nothing of ours has changed."""
        self._at = min(self._at, self.clock.monotonic() + seconds)

    def backoff(self, *, at_most: float = float("inf")) -> None:
        """Retry after a failure. The pause doubles with each failure in a row, up to `at_most` seconds."""
        pause = min(
            at_most, self.rhythm.longest_pause, self.rhythm.first_pause * 2 ** min(self._failures, MOST_DOUBLINGS)
        )
        self._failures += 1
        self.touched = True
        self._in(self._jittered(pause))

    def _in(self, seconds: float) -> None:
        self._at = self.clock.monotonic() + seconds

    def _jittered(self, seconds: float) -> float:
        return seconds * random.uniform(1 - JITTER, 1 + JITTER)
