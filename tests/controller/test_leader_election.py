"""Leader election: one controller runs at a time, and stands by again when its lease is lost or unreachable."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler import errors
from reconciler.clock import ManualClock
from reconciler.controller.controller import Controller
from reconciler.controller.leader_election import RETRY_SECONDS, lead
from reconciler.store.base import Record, Records
from tests.store.stores import contender, opened


class Terms:
    """A controller whose leadership terms are written down: each of them does one thing and ends."""

    def __init__(self, *terms: Callable[[], object]) -> None:
        self.stop, self.terms, self.served, self.ended = threading.Event(), list(terms), 0, 0
        self.feed = self

    def end(self) -> None:
        """No events are received between terms."""
        self.ended += 1
        assert self.ended == self.served

    def run(self, *, lost: threading.Event) -> None:
        assert not lost.is_set()
        self.served += 1
        try:
            self.terms.pop(0)()
        finally:
            if not self.terms:
                self.stop.set()


class Unreachable:
    """A store that fails once, at the next read or write."""

    def __init__(self, inner: Records) -> None:
        self.inner, self.failures = inner, 1

    def lost(self) -> str:
        return self.inner.lost()

    def read(self) -> Record | None:
        if self.failures:
            self.failures -= 1
            raise errors.StoreUnreachable("no answer")
        return self.inner.read()

    def swap(self, expected: str | None, record: Record) -> bool:
        return self.inner.swap(expected, record)


def lose() -> None:
    raise errors.LeaseLost("another process holds it")


@pytest.mark.promise("L3", "a process that stands by")
def test_a_lost_lease_is_acquired_again_in_a_new_epoch(tmp_path: Path) -> None:
    """Each term begins with `elected`, after the lease was acquired and before the controller runs."""
    with opened("sqlite", tmp_path) as store:
        clock, elections = ManualClock(), []
        lease = contender(store.records, clock)
        terms = Terms(lose, lambda: None)
        lead(cast(Controller, terms), lease, clock, elected=lambda: elections.append((lease.epoch, terms.served)))
        assert elections == [(1, 0), (2, 1)]
        assert contender(store.records, clock, "two").acquire(), "it was released at the end"


@pytest.mark.promise("L3", "a process that stands by")
def test_what_the_controller_raises_ends_the_process_and_releases_the_lease(tmp_path: Path) -> None:
    """Only a lost lease is a reason to stand by."""
    with opened("sqlite", tmp_path) as store:
        clock = ManualClock()

        def fail() -> Any:
            raise errors.SpecInvalid("no")

        with pytest.raises(errors.SpecInvalid):
            lead(cast(Controller, Terms(fail)), contender(store.records, clock), clock, elected=lambda: None)
        assert contender(store.records, clock, "two").acquire()


@pytest.mark.promise("S18", "the store is down")
def test_a_store_that_does_not_answer_is_asked_again(tmp_path: Path) -> None:
    """After a pause; nobody is elected meanwhile."""
    with opened("sqlite", tmp_path) as store:
        clock, terms = ManualClock(), Terms(lambda: None)
        began = clock.monotonic()
        lead(cast(Controller, terms), contender(Unreachable(store.records), clock), clock, elected=lambda: None)
        assert terms.served == 1
        assert clock.monotonic() - began >= RETRY_SECONDS


def test_whoever_is_stopped_while_standing_by_never_runs(tmp_path: Path) -> None:
    """The holder keeps its lease."""
    with opened("sqlite", tmp_path) as store:
        clock, terms = ManualClock(), Terms(lambda: None)
        holder = contender(store.records, clock, "two")
        assert holder.acquire()
        terms.stop.set()
        lead(cast(Controller, terms), contender(store.records, clock), clock, elected=lambda: None)
        assert terms.served == 0
        assert holder.left() > 0
