"""Time by AWS's clock, for everything with a deadline.

The machine's clock may jump, and then a promotion timer of two hours would elapse at once. So the time is taken from
the `Date` headers of AWS's responses, and between two of them it goes on with the monotonic clock, which never jumps.
The machine's own time of day is used only until AWS has answered for the first time.

A response that disagrees is not believed at once: the time changes when AWS has answered so for `CONFIRMED_AFTER`
seconds, as it does after the machine was suspended, which stops the monotonic clock as well. Until then deadlines
elapse late, not early.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Final

from reconciler.clock import Clock

TOLERANCE: Final = timedelta(seconds=5)
"""The header has whole seconds, and the clocks of AWS's services differ a little."""

CONFIRMED_AFTER: Final = 30.0
"""Seconds for which AWS has to give another time before it is taken."""

NOTICEABLE: Final = timedelta(minutes=1)
"""A difference to the machine's clock that is worth a report. AWS refuses signatures that differ by five minutes."""


class ServerTime:
    """A clock that shows AWS's time. Everything but the time of day comes from `machine`."""

    def __init__(self, machine: Clock) -> None:
        self._machine = machine
        self._at, self._since = machine.now(), machine.monotonic()
        self._heard = False
        self._doubted: tuple[datetime, float] | None = None
        """Another time that AWS gave, and when it first did by the monotonic clock."""
        self._lock = threading.Lock()

    @property
    def speed(self) -> float:
        return self._machine.speed

    def now(self) -> datetime:
        with self._lock:
            return self._now()

    def monotonic(self) -> float:
        return self._machine.monotonic()

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        return self._machine.wait(event, seconds)

    def answered(self, date: datetime) -> None:
        """AWS has just answered, and gave `date` as its time."""
        with self._lock:
            elapsed = self._machine.monotonic()
            if not self._heard:
                self._at, self._since, self._heard = date, elapsed, True
                return
            if abs(date - self._now()) <= TOLERANCE:
                self._doubted = None
                return
            if self._doubted is not None:
                first, begun = self._doubted
                if abs(date - first - timedelta(seconds=elapsed - begun)) <= TOLERANCE:
                    if elapsed - begun >= CONFIRMED_AFTER:
                        self._at, self._since, self._doubted = date, elapsed, None
                    return
            self._doubted = date, elapsed

    @property
    def machine_ahead(self) -> timedelta:
        """By how much the machine's clock is ahead of AWS's; negative where it is behind, zero if not noticeably."""
        ahead = self._machine.now() - self.now()
        return ahead if abs(ahead) >= NOTICEABLE else timedelta(0)

    def _now(self) -> datetime:
        return self._at + timedelta(seconds=self._machine.monotonic() - self._since)
