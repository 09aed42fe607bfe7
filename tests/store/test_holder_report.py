"""What a holder says of itself is read by whoever looks, from both stores, and of this version of the lease only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.clock import ManualClock
from reconciler.store.base import Store
from reconciler.store.holder_report import LONGEST, MOST, HolderReport, of_text
from reconciler.store.lease import Lease
from tests.store.stores import KINDS, opened

AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
REPORT = HolderReport("run", None, AT, "4f1c2ab", "c2d87dd", "E1102: unknown field", {"service/web": "no such role"})


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as found:
        yield found


def test_a_report_is_renewed_with_the_lease(store: Store) -> None:
    """With the time at which the lease was acquired, which a renewal does not change."""
    clock, reports = ManualClock(), [HolderReport("run"), REPORT]
    lease = Lease(store.records, "run by ana@ci (1)", clock, report=lambda: reports[0])
    assert lease.acquire()
    since = clock.now()
    reports.pop(0)
    clock.advance(20)
    lease.renew()
    record = store.records.read()
    assert record is not None
    assert of_text(record.report) == replace(REPORT, since=since)


def test_a_lease_that_was_acquired_again_has_another_beginning(store: Store) -> None:
    """`since` is that of the epoch."""
    clock = ManualClock()
    lease = Lease(store.records, "run by ana@ci (1)", clock)
    assert lease.acquire()
    lease.release()
    clock.advance(100)
    assert lease.acquire()
    record = store.records.read()
    assert record is not None
    assert of_text(record.report).since == clock.now()


def test_a_released_lease_has_no_report(store: Store) -> None:
    """What its last holder did is over."""
    lease = Lease(store.records, "run by ana@ci (1)", ManualClock(), report=lambda: REPORT)
    assert lease.acquire()
    lease.release()
    record = store.records.read()
    assert record is not None
    assert of_text(record.report) == HolderReport()


def test_a_report_of_another_version_of_the_lease_is_not_read(tmp_path: Path) -> None:
    """A version of the product without reports renews the lease and leaves the old one behind."""
    import sqlite3

    with opened("sqlite", tmp_path) as store:
        assert Lease(store.records, "run by ana@ci (1)", ManualClock(), report=lambda: REPORT).acquire()
        with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as connection:
            connection.execute("UPDATE lease SET version = 'newer'")
        record = store.records.read()
    assert record is not None
    assert record.report == ""


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"since": "noon"}', '{"refused": 3}'])
def test_what_cannot_be_read_is_an_empty_report(text: str) -> None:
    """Nothing but what people are told depends on it."""
    assert of_text(text) == HolderReport()


def test_a_report_is_short(tmp_path: Path) -> None:
    """It is written with each renewal."""
    refused = {f"service/{number}": "x" * 10_000 for number in range(100)}
    found = of_text(replace(REPORT, because="x" * 10_000, refused=refused).text())
    assert len(found.because) == LONGEST
    assert len(found.refused) == MOST
