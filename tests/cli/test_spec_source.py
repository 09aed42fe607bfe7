"""The source of a controller's specs, before there is a valid revision of them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

from reconciler import errors
from reconciler.cli.spec_source import PENDING_AT_MOST, first_valid
from reconciler.clock import ManualClock


class Hanging:
    """A folder on a network that has gone: nothing is read, and nothing fails."""

    name = "specs"
    interval = 1.0

    def __init__(self, stop: threading.Event) -> None:
        self.asked = 0
        self._stop = stop

    def fetch(self, after: str | None = None) -> Any:
        self.asked += 1
        if self.asked > 1000:
            self._stop.set()
        raise errors.SourcePending(f"{self.name} has not answered yet, for {after}")


def test_a_source_that_hangs_counts_as_unreachable() -> None:
    """A controller that starts then continues from the last accepted revision, as with one that refuses."""
    clock, stop, accepted = ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), threading.Event(), object()
    began = clock.monotonic()
    source: Any = Hanging(stop)

    def restored(invalid: Any) -> Any:
        assert invalid is None
        return accepted

    found: Any = first_valid(source, None, clock, stop, lambda: None, restored=restored)
    assert found is accepted
    assert PENDING_AT_MOST <= clock.monotonic() - began < PENDING_AT_MOST + 1
