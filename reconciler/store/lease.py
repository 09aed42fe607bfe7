"""The right to write to one stack, for a limited time.

Nobody's time of day is trusted with it. The *holder* counts from just before it sent its last successful renewal; a
*contender* counts from when it first saw the record's version, by its own clock, and takes over only after the same
version has stood for the holder's whole TTL. What the contender saw was written after the holder began to count, so the
holder's time is always over first, whatever the two machines call the hour.

                acquire                         renew (same epoch)
    nobody's ───────────▶ held by us, epoch n ◀──────┐
       ▲                    │  │  └──────────────────┘
       │      release       │  │ TTL over, version unchanged: a contender acquires
       └────────────────────┘  ▼
                          held by another, epoch n + 1

A renewal whose answer was lost may have been written, now or later. It is recognised by holder and epoch, which nobody
else writes, so it costs neither the lease nor safety. A machine that was suspended wakes with a monotonic clock that
slept, too: the time of day is the second opinion, and whichever says first that the lease is over is believed.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler import errors
from reconciler.clock import Clock
from reconciler.store.base import Record, Records

TTL_SECONDS: Final = 60.0
"""How long a dead holder keeps others out; also what a renewal may take before the holder has to stop writing."""


@dataclass(frozen=True, slots=True)
class _Hold:
    """That the lease is ours, and until when by either clock. Replaced as a whole, so it is read without a lock."""

    record: Record
    over: float
    over_at: datetime


class Lease:
    """One contender's view of one stack's lease. Safe to use from several threads."""

    def __init__(self, records: Records, holder: str, clock: Clock, *, ttl: float = TTL_SECONDS) -> None:
        """`holder` is how people recognise this process; a random part is added, so that it is never another's."""
        if not holder or ttl <= 0:
            raise ValueError(f"a lease needs a holder and a TTL above 0, not {holder!r} and {ttl}")
        self.holder: Final = f"{holder}/{secrets.token_hex(4)}"
        self.ttl: Final = ttl
        self._records = records
        self._clock = clock
        self._lock = threading.Lock()
        self._hold: _Hold | None = None
        self._seen: Record | None = None
        self._seen_since = 0.0

    @property
    def epoch(self) -> int:
        """How often the lease has changed hands, ours included; 0 while it is not ours."""
        hold = self._hold
        return hold.record.epoch if hold is not None else 0

    @property
    def seen(self) -> Record | None:
        """Who holds it, as of the last look."""
        hold = self._hold
        return hold.record if hold is not None else self._seen

    def left(self, epoch: int | None = None) -> float:
        """Seconds until our time (in `epoch`, if given) is over; 0 or less when it is, or when the lease is not ours.

        Never waits, not even for a renewal that is under way.
        """
        hold = self._hold
        if hold is None or epoch not in (None, hold.record.epoch):
            return 0.0
        by_day = (hold.over_at - self._clock.now()).total_seconds()
        return min(hold.over - self._clock.monotonic(), by_day)

    def acquire(self) -> bool:
        """Take the lease if nobody has it, or its holder's time is over; whether it is ours now, in a new epoch.

        A holder that died is only noticed by calling this again and again: the TTL counts from the first look.
        Raises `errors.StoreUnreachable`.
        """
        with self._lock:
            self._hold = None
            found = self._records.read()
            if found is not None and not self._free(found):
                return False
            return self._write(found, (found.epoch if found is not None else 0) + 1)

    def renew(self) -> None:
        """Hold the lease for another TTL from now.

        Raises `errors.LeaseLost` when it is another's by now, and `errors.StoreUnreachable` when nobody can tell; then
        it may be tried again until the time is over, and even after that, as long as nobody has taken it.
        """
        with self._lock:
            if self._hold is None:
                raise errors.LeaseLost("the lease is not held")
            ours = self._hold.record
            if self._write(ours, ours.epoch):
                return
            found = self._records.read()
            if found is not None and (found.holder, found.epoch) == (self.holder, ours.epoch):
                if self._write(found, ours.epoch):  # an earlier renewal of ours whose answer was lost
                    return
                found = self._records.read()
            self._hold = None
            raise errors.LeaseLost(f"the lease was taken by {_whose(found)}")

    def release(self) -> None:
        """Let others in at once. From here on nothing is ours, even if the store cannot be told: then the TTL tells.

        Call it when no write is under way any more: the fence cannot hold back what has passed it.
        Raises `errors.StoreUnreachable`.
        """
        with self._lock:
            hold, self._hold = self._hold, None
            if hold is None:
                return
            ours = hold.record
            if self._records.swap(ours.version, self._record("", ours.epoch)):
                return
            found = self._records.read()
            if found is not None and (found.holder, found.epoch) == (self.holder, ours.epoch):
                self._records.swap(found.version, self._record("", ours.epoch))

    def _free(self, found: Record) -> bool:
        """Whether the lease may be taken from `found`; starts or goes on counting where it may not."""
        now = self._clock.monotonic()
        if self._seen is None or self._seen.version != found.version:
            self._seen, self._seen_since = found, now
        return found.holder in ("", self.holder) or now - self._seen_since >= found.ttl

    def _write(self, found: Record | None, epoch: int) -> bool:
        """Make the lease ours for a TTL from now, if `found` is still what is written there."""
        record, now, now_at = self._record(self.holder, epoch), self._clock.monotonic(), self._clock.now()
        if not self._records.swap(found.version if found is not None else None, record):
            return False
        self._hold = _Hold(record, now + self.ttl, now_at + timedelta(seconds=self.ttl))
        return True

    def _record(self, holder: str, epoch: int) -> Record:
        return Record(holder, epoch, secrets.token_hex(16), self.ttl, self._clock.now())


def _whose(found: Record | None) -> str:
    if found is None:
        return "nobody, and is gone from the store"
    return f"{found.holder} in epoch {found.epoch}" if found.holder else f"another, and released in epoch {found.epoch}"
