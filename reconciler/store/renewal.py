"""Lease renewal in the background, because a pass may wait for AWS for minutes.

A thread renews it three times per TTL, and more often while the store does not respond. It never acquires: when the
lease is lost it stops, sets `lost`, and the fence blocks pending writes.
"""

from __future__ import annotations

import threading
from types import TracebackType

from reconciler import errors, events
from reconciler.clock import Clock
from reconciler.log import log
from reconciler.store.lease import Lease


class Renewal:
    """`with Renewal(lease, clock): …` renews until the end of the block, and does not release."""

    def __init__(self, lease: Lease, clock: Clock) -> None:
        self.lost = threading.Event()
        self._lease = lease
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def __enter__(self) -> Renewal:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        pause = self._lease.ttl / 3
        while not self._clock.wait(self._stop, pause):
            try:
                self._lease.renew()
                pause = self._lease.ttl / 3
            except errors.LeaseLost as error:
                log.error(events.LEASE_LOST, reason=str(error))
                self.lost.set()
                return
            except errors.StoreUnreachable as error:
                left = round(max(0.0, self._lease.left()), 1)
                log.warning(events.LEASE_UNSURE, reason=str(error), code=error.code, left=left)
                pause = self._lease.ttl / 12


def acquired(lease: Lease, clock: Clock, stop: threading.Event, *, patience: float | None, every: float = 1.0) -> bool:
    """Contend until the lease is ours; False if `stop` is set or `patience` (seconds; None: unlimited) is over first.

    Released leases are noticed within `every` seconds, dead holders within the TTL and `every`. Raises
    `errors.StoreUnreachable`.
    """
    began = clock.monotonic()
    while not stop.is_set():
        if lease.acquire():
            return True
        if patience is not None and clock.monotonic() - began >= patience:
            return False
        clock.wait(stop, every)
    return False
