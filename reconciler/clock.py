"""Clock: the only source of time.

Everything timed asks a `Clock`, so that tests step three hours in a millisecond and the AWS emulator can run faster.
`now` is UTC and may jump (people set clocks); `monotonic` never does and is what intervals are measured with.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    @property
    def speed(self) -> float:
        """Its seconds in one of the machine's."""

    def now(self) -> datetime:
        """The time of day, in UTC."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        """Sleep until `event` is set (True) or `seconds` have passed (False); None waits for the event alone."""


class SystemClock:
    """The machine's clock, optionally compressed: with `speed=360` two hours pass in twenty seconds."""

    def __init__(self, speed: float = 1.0, *, now: datetime | None = None) -> None:
        """`now` is what time it is at this moment on the clock that this one goes along with."""
        if speed <= 0:
            raise ValueError(f"a clock's speed must be above 0, not {speed}")
        self.speed = speed
        self._started_at = now or datetime.now(UTC)
        self._started = time.monotonic()

    def now(self) -> datetime:
        if self.speed == 1.0:
            return datetime.now(UTC)
        return self._started_at + timedelta(seconds=self.monotonic() - self._started)

    def monotonic(self) -> float:
        return self._started + (time.monotonic() - self._started) * self.speed

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        return event.wait(None if seconds is None else max(0.0, seconds) / self.speed)


class ManualClock:
    """A clock that moves only when told: `advance`, or a `wait`, which returns at once with the time gone by."""

    speed = 1.0

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._elapsed += seconds

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        if event.is_set():
            return True
        if seconds is None:
            raise RuntimeError("a manual clock cannot wait without a limit")
        self.advance(seconds)
        return event.is_set()
