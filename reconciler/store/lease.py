"""Lease: the right to write to one stack, for a limited time.

No machine's time of day is trusted with it. The *holder* counts from just before it sent its last successful renewal. A
*contender* counts from when it first read the record's version, by its own clock, and acquires the lease only after the
same version has been there for the holder's whole TTL. The version was written after the holder began to count, so the
holder's time always ends first, whatever the clocks say.

                acquire                         renew (same epoch)
        free ───────────▶ held by us, epoch n ◀──────┐
       ▲                    │  │  └──────────────────┘
       │      release       │  │ TTL over, version unchanged: a contender acquires
       └────────────────────┘  ▼
                          held by another, epoch n + 1

A renewal without a response may have been written, or may still be. It is recognized by holder and epoch, which no
other process writes, so it costs neither the lease nor safety. On a machine that was suspended, the monotonic clock may
have stopped too; the time of day is the second opinion, and whichever ends the lease first is believed.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from reconciler import errors
from reconciler.clock import Clock
from reconciler.store.base import Record, Records
from reconciler.store.holder_report import HolderReport

TTL_SECONDS: Final = 60.0
"""Time for which a dead holder blocks others, and for which renewals may fail before the holder stops writing."""


@dataclass(frozen=True, slots=True)
class _Hold:
    """The lease is ours until these times. Replaced as a whole, so it is read without a lock."""

    record: Record
    over: float
    over_at: datetime


class Lease:
    """One process's view of one stack's lease. Safe to use from several threads."""

    def __init__(
        self,
        records: Records,
        holder: str,
        clock: Clock,
        *,
        ttl: float = TTL_SECONDS,
        report: Callable[[], HolderReport] = HolderReport,
    ) -> None:
        """`holder` identifies this process to people; a random part makes it unique. `report` is asked when the lease
        is written, also from the thread that renews it.
        """
        if not holder or ttl <= 0:
            raise ValueError(f"a lease needs a holder and a TTL above 0, not {holder!r} and {ttl}")
        self.holder: Final = f"{holder}/{secrets.token_hex(4)}"
        self.ttl: Final = ttl
        self.report = report
        self._since: datetime | None = None
        self._records = records
        self._clock = clock
        self._lock = threading.Lock()
        self._hold: _Hold | None = None
        self._seen: Record | None = None
        self._seen_since = 0.0
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """Number of times the lease has changed hands; 0 while it is not ours."""
        hold = self._hold
        return hold.record.epoch if hold is not None else 0

    @property
    def seen(self) -> Record | None:
        """The last record that was read."""
        hold = self._hold
        return hold.record if hold is not None else self._seen

    def left(self, epoch: int | None = None) -> float:
        """Seconds until our time (in `epoch`, if given) ends; 0 or less if it has ended or the lease is not ours.

        Never blocks, not even during a renewal.
        """
        hold = self._hold
        if hold is None or epoch not in (None, hold.record.epoch):
            return 0.0
        by_day = (hold.over_at - self._clock.now()).total_seconds()
        return min(hold.over - self._clock.monotonic(), by_day)

    def acquire(self) -> bool:
        """Acquire the lease in a new epoch, if it is free or its holder's time has ended. True if it is ours now.

        Call it repeatedly: the TTL of a dead holder counts from the first read. Raises `errors.StoreUnreachable`.
        """
        with self._lock:
            self._hold = None
            found = self._records.read()
            if found is not None and not self._free(found):
                return False
            # a store that was replaced knows no epoch, and none may be ours a second time
            return self._write(found, max(found.epoch if found is not None else 0, self._epoch) + 1)

    def check(self) -> None:
        """Raises `errors.LeaseLost` if the store that holds the lease was replaced; then it is not ours any more.

        Never blocks, not even during a renewal.
        """
        if self._hold is not None and (reason := self._records.lost()):
            self._hold = None
            raise errors.LeaseLost(reason)

    def renew(self) -> None:
        """Hold the lease for another TTL from now.

        Raises `errors.LeaseLost` if another process holds it, and `errors.StoreUnreachable` if that is unknown; then it
        may be retried until the time ends, and after that as long as no other process has acquired it.
        """
        with self._lock:
            if self._hold is None:
                raise errors.LeaseLost("the lease is not held")
            self.check()
            ours = self._hold.record
            if self._write(ours, ours.epoch):
                return
            found = self._records.read()
            if found is not None and (found.holder, found.epoch) == (self.holder, ours.epoch):
                if self._write(found, ours.epoch):  # an earlier renewal of ours without a response
                    return
                found = self._records.read()
            self._hold = None
            raise errors.LeaseLost(_loss(found))

    def release(self) -> None:
        """Release the lease immediately. If the store cannot be reached, the TTL ends it.

        Call it when no write is in progress: the fence cannot stop what has passed it. Raises
        `errors.StoreUnreachable`.
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
        """Whether the lease may be acquired from `found`; starts or continues to count if not."""
        now = self._clock.monotonic()
        if self._seen is None or self._seen.version != found.version:
            self._seen, self._seen_since = found, now
        return found.holder in ("", self.holder) or now - self._seen_since >= found.ttl

    def _write(self, found: Record | None, epoch: int) -> bool:
        """Acquire or renew for a TTL from now, if `found` is still stored."""
        now_at = self._clock.now()
        if epoch != self._epoch:
            self._since = now_at
        report = replace(self.report(), since=self._since).text()
        record, now = replace(self._record(self.holder, epoch), report=report), self._clock.monotonic()
        if not self._records.swap(found.version if found is not None else None, record):
            return False
        self._epoch = epoch
        self._hold = _Hold(record, now + self.ttl, now_at + timedelta(seconds=self.ttl))
        return True

    def _record(self, holder: str, epoch: int) -> Record:
        return Record(holder, epoch, secrets.token_hex(16), self.ttl, self._clock.now())


def _loss(found: Record | None) -> str:
    if found is None:
        return "the lease record was deleted from the store"
    if not found.holder:
        return f"the lease was taken by another holder and released in epoch {found.epoch}"
    return f"the lease was taken by {found.holder} in epoch {found.epoch}"
