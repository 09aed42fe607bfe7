"""A lease is kept while its holder works, and given up without a fight when it is lost."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.clock import Clock, ManualClock
from reconciler.store.base import Record, Records
from reconciler.store.renewal import Renewal, acquired
from reconciler.store.sqlite import Sqlite
from tests.store.stores import contender, opened

PATIENCE = 10.0
"""Seconds of real time after which a test gives up on a thread."""


class Steps(ManualClock):
    """A clock whose waits are handed out by the test: `let(n)` lets n of them pass."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []
        self._go = threading.Semaphore(0)
        self._waiting = threading.Semaphore(0)

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        self.waits.append(seconds)
        self._waiting.release()
        while not self._go.acquire(timeout=0.01):
            if event.is_set():
                return True
        return super().wait(event, seconds)

    def arrived(self) -> None:
        assert self._waiting.acquire(timeout=PATIENCE)

    def let(self, times: int = 1) -> None:
        for _ in range(times):
            self._go.release()
            self.arrived()


class Down:
    """Records that can be cut off."""

    def __init__(self, inner: Records) -> None:
        self.inner = inner
        self.down = False

    def lost(self) -> str:
        return self.inner.lost()

    def read(self) -> Record | None:
        self._check()
        return self.inner.read()

    def swap(self, expected: str | None, record: Record) -> bool:
        self._check()
        return self.inner.swap(expected, record)

    def _check(self) -> None:
        if self.down:
            raise errors.StoreUnreachable("down")


def test_it_renews_three_times_a_ttl(tmp_path: Path) -> None:
    """While the block runs the lease never comes near its end."""
    clock = Steps()
    with opened("sqlite", tmp_path) as store:
        lease = contender(store.records, clock)
        assert lease.acquire()
        with Renewal(lease, clock) as renewal:
            clock.arrived()
            clock.let(9)
            assert clock.monotonic() == 180
            assert lease.left() == 60
            assert not renewal.lost.is_set()
        assert clock.waits[:10] == [20.0] * 10
        assert lease.epoch == 1


def test_it_tries_more_often_while_the_store_is_down(tmp_path: Path) -> None:
    """A store that comes back before the time is over costs nothing."""
    clock = Steps()
    with opened("sqlite", tmp_path) as store:
        records = Down(store.records)
        lease = contender(records, clock)
        assert lease.acquire()
        with Renewal(lease, clock) as renewal:
            clock.arrived()
            records.down = True
            clock.let(4)
            assert lease.left() == 60 - 20 - 3 * 5
            records.down = False
            clock.let()
            assert lease.left() == 60
            assert not renewal.lost.is_set()
        assert clock.waits[:6] == [20.0, 5.0, 5.0, 5.0, 5.0, 20.0]


def test_it_stops_when_the_lease_is_anothers(tmp_path: Path) -> None:
    """A lost lease is said once and never fought for."""
    clock = Steps()
    with opened("sqlite", tmp_path) as store:
        lease, other = contender(store.records, clock), contender(store.records, clock, "two")
        assert lease.acquire()
        assert not other.acquire()
        with Renewal(lease, clock) as renewal:
            clock.arrived()
            clock.advance(60)
            assert other.acquire()
            clock._go.release()
            assert renewal.lost.wait(PATIENCE)
        assert lease.epoch == 0
        other.renew()


def test_a_released_lease_is_waited_for(tmp_path: Path) -> None:
    """A contender has it on its first look after the release."""
    with opened("sqlite", tmp_path) as store:
        clock: Clock = ManualClock()
        first = contender(store.records, clock)
        assert first.acquire()

        class ReleasedMeanwhile(ManualClock):
            def wait(self, event: threading.Event, seconds: float | None) -> bool:
                first.release()
                return super().wait(event, seconds)

        waiting = ReleasedMeanwhile()
        second = contender(store.records, waiting, "two")
        assert acquired(second, waiting, threading.Event(), patience=None)
        assert waiting.monotonic() == 1.0


def test_patience_ends_and_so_does_a_stop(tmp_path: Path) -> None:
    """Contending gives up when it was told to, without the lease."""
    with opened("sqlite", tmp_path) as store:
        clock = ManualClock()
        assert contender(store.records, clock).acquire()
        second = contender(store.records, clock, "two")
        began = clock.monotonic()
        assert not acquired(second, clock, threading.Event(), patience=5)
        assert clock.monotonic() - began == 5
        stop = threading.Event()
        stop.set()
        assert not acquired(second, clock, stop, patience=None)


def test_a_dead_holder_is_replaced_within_its_ttl_and_a_period(tmp_path: Path) -> None:
    """Contending once a second takes a dead holder's lease 60 to 61 seconds after the first look."""
    with opened("sqlite", tmp_path) as store:
        clock = ManualClock()
        assert contender(store.records, clock).acquire()
        assert acquired(contender(store.records, clock, "two"), clock, threading.Event(), patience=None)
        assert 60 <= clock.monotonic() <= 61


def test_two_connections_to_one_file_share_the_lease(tmp_path: Path) -> None:
    """The file, not the connection, is where the lease is."""
    clock = ManualClock()
    one, two = Sqlite(tmp_path / "store.db", "shop"), Sqlite(tmp_path / "store.db", "shop")
    try:
        first, second = contender(one.records, clock), contender(two.records, clock, "two")
        assert first.acquire()
        assert not second.acquire()
        first.release()
        assert second.acquire()
        with pytest.raises(errors.LeaseLost):
            first.renew()
    finally:
        one.close()
        two.close()
