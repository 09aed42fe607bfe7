"""Lease report: what the controller says of itself beside the lease, for `status` on other machines."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from reconciler import errors
from reconciler.controller.controller import Controller
from reconciler.reconcile.result import PassResult
from reconciler.store.holder_report import CONTROLLER, RECEIVED, HolderReport


class LeaseReport:
    """`on_pass` receives each pass when it ends. Called from the thread that renews the lease: it reads what is
    replaced as a whole, and copies what is not.
    """

    def __init__(self, controller: Callable[[], Controller]) -> None:
        self._controller = controller
        self._passed_at: datetime | None = None
        self._failed: dict[str, str] = {}

    def on_pass(self, result: PassResult) -> None:
        self._passed_at = self._controller().aws.clock.now()
        self._failed = {str(one.step.address): str(one.error) for one in result.failed}

    def __call__(self) -> HolderReport:
        controller = self._controller()
        revisions = controller.revisions
        active, rejected = revisions.active, revisions.rejected
        refused = dict(self._failed)
        for address, result in dict(controller.queue.results).items():
            if isinstance(result.error, errors.AwsError):
                refused[str(address)] = str(result.error)
        if controller.failure is not None:
            refused["the account"] = str(controller.failure)
        because = rejected or (revisions.unreachable and f"the source cannot be read: {revisions.unreachable}")
        return HolderReport(
            CONTROLLER,
            passed_at=self._passed_at,
            revision="" if active is None else str(active.revision),
            rejected=(revisions.handled or "")[:7] if rejected else "",
            because=because,
            refused=refused,
            events=(controller.feed.source.distrusted or RECEIVED) if controller.feed.source.wanted else "",
        )
