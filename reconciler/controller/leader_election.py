"""Leader election: of several controllers of a stack, the holder of its lease runs, and the others stand by.

It is Kubernetes' leader election with the lease of `store/lease.py`. A leader that loses the lease, or cannot reach the
store that holds it, stands by again. What it had in flight is held back by the fence (store/fence.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reconciler import errors, events
from reconciler.clock import Clock, SystemClock
from reconciler.controller.controller import Controller
from reconciler.log import log
from reconciler.store.lease import Lease
from reconciler.store.renewal import Renewal, acquired

RETRY_SECONDS: Final = 5.0
"""Pause before the next attempt while the store is unreachable."""


def lead(controller: Controller, lease: Lease, clock: Clock, *, elected: Callable[[], object]) -> None:
    """Acquire the lease and run `controller` while it is held; again and again, until the controller's `stop` is set.

    `clock` times the waiting. `elected` is called each time the lease was acquired, before the controller runs.
    """
    while not controller.stop.is_set():
        try:
            if not acquired(lease, clock, controller.stop, patience=None):
                return
        except errors.StoreUnreachable as error:
            log.warning(events.LEASE_UNSURE, reason=str(error), code=error.code, left=0)
            clock.wait(controller.stop, RETRY_SECONDS)
            continue
        elected()
        _run_while_leader(controller, lease)


def _run_while_leader(controller: Controller, lease: Lease) -> None:
    """Run from the acquisition of the lease until it is released or lost."""
    log.info(events.LEASE_HELD, holder=lease.holder, epoch=lease.epoch)
    try:
        with Renewal(lease, SystemClock()) as renewal:
            controller.run(lost=renewal.lost)
    except errors.LeaseLost as error:
        log.error(events.LEASE_LOST, reason=str(error))
    finally:
        controller.feed.end()
        _release(lease)


def _release(lease: Lease) -> None:
    """Release the lease for the next holder; if the store does not answer, it expires."""
    try:
        lease.release()
    except errors.StoreUnreachable as error:
        log.warning(events.LEASE_UNSURE, reason=str(error), code=error.code, left=0)
