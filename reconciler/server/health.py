"""Liveness and readiness of the controller.

*Live*: the controller's thread started a round, sent a call, waited, or ended a pass recently. A process whose
controller hangs should be replaced. *Ready*: a revision is active, the lease is held, and the last pass did not fail. A
process that waits for the lease is live and not ready.

The responses are visible to whoever can reach the port, so they say which condition fails, but not why; the log does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from reconciler import errors, events
from reconciler.aws.client import Transport
from reconciler.clock import Clock, SystemClock
from reconciler.controller.status import ControllerStatus
from reconciler.model.event import Event
from reconciler.model.resource import Call
from reconciler.reconcile.executor import Result
from reconciler.reconcile.result import PassResult

PATIENCE_SECONDS: Final = 900.0
"""Longer than a healthy controller is ever silent: after failures it pauses for 330 s, and a call may take minutes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    well: bool
    said: dict[str, Any]


@dataclass(slots=True)
class Health:
    """`standing` is called at each request. `clock` is the machine's, even if the controller's is accelerated."""

    standing: Callable[[], ControllerStatus]
    clock: Clock = field(default_factory=SystemClock)
    patience: float = PATIENCE_SECONDS
    _beat_at: float = field(init=False)
    _passed: bool = field(init=False, default=False)
    _failed: bool = field(init=False, default=False)
    _halted: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.beat()

    # -- called by the controller

    def beat(self) -> None:
        """The controller has made progress."""
        self._beat_at = self.clock.monotonic()

    def on_pass(self, report: PassResult) -> None:
        self.beat()
        self._failed = any(one.result is Result.FAILED for one in report.outcomes)
        self._passed = self._passed or not self._failed

    def on_entry(self, entry: Event) -> None:
        self.beat()
        if entry.name == events.PASS_FAILED:
            self._failed = True
        self._halted = self._halted or entry.name == events.SAFETY_BREACHED

    # -- called by the server

    def live(self) -> Verdict:
        silent = max(0.0, self.clock.monotonic() - self._beat_at)
        well = silent <= self.patience
        said = {"status": "ok" if well else "stuck", "silent_seconds": round(silent, 1), "patience": self.patience}
        return Verdict(well, said)

    def ready(self) -> Verdict:
        now = self.standing()
        reasons = [
            because
            for wrong, because in (
                (not now.lease_held, "the lease is not held"),
                (not now.revision, "no revision is active"),
                (bool(now.revision) and not self._passed and not self._failed, "no pass has ended yet"),
                (self._failed, "the last pass failed"),
                (self._halted, "nothing is written any more, because a safety check failed"),
                (not self.live().well, "the controller is not responding"),
            )
            if wrong
        ]
        said = {
            "status": "not ready" if reasons else "ready",
            "because": reasons,
            "revision": now.revision,
            "epoch": now.epoch,
            "suspended": now.suspended,
            "restored": now.restored,
            "events_trusted": now.events_trusted,
            "source_unreachable": now.source_unreachable,
            "newer_revision_rejected": now.rejected,
        }
        return Verdict(not reasons, said)


@dataclass(frozen=True, slots=True)
class Beating:
    """A clock whose waits count as progress: for contending for the lease, which makes no AWS calls."""

    inner: Clock
    health: Health

    @property
    def speed(self) -> float:
        return self.inner.speed

    def now(self) -> datetime:
        return self.inner.now()

    def monotonic(self) -> float:
        return self.inner.monotonic()

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        self.health.beat()
        return self.inner.wait(event, seconds)


@dataclass(frozen=True, slots=True)
class Watched:
    """A transport that reports its calls to the health check, and refused ones to the metrics."""

    inner: Transport
    health: Health
    refused: Callable[[Call, errors.AwsError], None]

    def perform(self, call: Call) -> dict[str, Any]:
        self.health.beat()
        try:
            return self.inner.perform(call)
        except errors.AwsError as refusal:
            self.refused(call, refusal)
            raise
