"""Whether the process still lives, and whether it does its work.

*Live* is the loop's thread: it began a round, sent a call, waited, or ended a pass not long ago. A process that
answers while its loop hangs is dead, and should be replaced. *Ready* is the work: a revision is enforced, the lease is
held, and the last pass did not fail. One that waits for another's lease is live and not ready.

What is answered is for whoever can reach the port, so it says which, and never why: the why is in the log.
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
"""More than a loop that is well is ever silent: after failures it pauses for 330 s, and a call may wait for minutes."""


@dataclass(frozen=True, slots=True)
class Verdict:
    well: bool
    said: dict[str, Any]


@dataclass(slots=True)
class Health:
    """`standing` is asked at each look. `clock` is the machine's, also where the loop's own is compressed."""

    standing: Callable[[], ControllerStatus]
    clock: Clock = field(default_factory=SystemClock)
    patience: float = PATIENCE_SECONDS
    _beat_at: float = field(init=False)
    _passed: bool = field(init=False, default=False)
    _failed: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.beat()

    # -- the loop's side

    def beat(self) -> None:
        """The loop's thread has come on."""
        self._beat_at = self.clock.monotonic()

    def on_pass(self, report: PassResult) -> None:
        self.beat()
        self._failed = any(one.result is Result.FAILED for one in report.outcomes)
        self._passed = self._passed or not self._failed

    def on_entry(self, entry: Event) -> None:
        self.beat()
        if entry.name == events.PASS_FAILED:
            self._failed = True

    # -- the watcher's side

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
                (not now.revision, "no revision is enforced"),
                (bool(now.revision) and not self._passed and not self._failed, "no pass has ended yet"),
                (self._failed, "the last pass failed"),
                (not self.live().well, "the loop is stuck"),
            )
            if wrong
        ]
        said = {
            "status": "not ready" if reasons else "ready",
            "because": reasons,
            "revision": now.revision,
            "epoch": now.epoch,
            "suspended": now.suspended,
            "newer_revision_rejected": now.rejected,
        }
        return Verdict(not reasons, said)


@dataclass(frozen=True, slots=True)
class Beating:
    """A clock whose every wait is a sign of life: for contending for the lease, which makes no calls of AWS's."""

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
    """A transport of whose calls the health and, where they are refused, the metrics are told."""

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
