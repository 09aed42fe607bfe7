"""Schedule of passes: when the controller reads the account again, and how deeply."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

from reconciler.clock import Clock
from reconciler.model.resource_type import Depth

JITTER: Final = 0.1
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


@dataclass(slots=True)
class PassTimer:
    """Timer of the next pass. `touched`: something was or may have been written since the last pass.

    All times are the clock's `monotonic`.
    """

    clock: Clock
    rhythm: Intervals = field(default_factory=Intervals)
    touched: bool = False
    _at: float = field(init=False, default=0.0)
    _anew: bool = field(init=False, default=True)
    _failures: int = field(init=False, default=0)
    _waits: int = field(init=False, default=0)
    _wrote: bool = field(init=False, default=False)
    _read_at: dict[Depth, float] = field(init=False, default_factory=dict)

    @property
    def rest(self) -> float:
        """Seconds until the next pass."""
        return max(0.0, self._at - self.clock.monotonic())

    def depth(self, now: float) -> Depth:
        """Depth of a pass at `now`."""
        if self._anew or now - self._read_at[Depth.FULL] >= self.rhythm.full:
            return Depth.FULL
        if self.touched or now - self._read_at[Depth.MEDIUM] >= self.rhythm.medium:
            return Depth.MEDIUM
        return Depth.FAST

    def age(self, now: float) -> float:
        """Seconds since everything was looked at."""
        return now - self._read_at.get(Depth.FULL, float("-inf"))

    def looked(self, depth: Depth, at: float) -> None:
        """A pass of that depth has read everything, not before `at`."""
        self.touched = False
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
        self._in(self._jittered(self.rhythm.fast))

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
