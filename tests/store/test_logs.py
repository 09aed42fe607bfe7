"""Events and history: bounded, newest first, the same in both stores."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.model.resource import Call
from reconciler.store import base, sqlite
from reconciler.store.base import Entry, Store
from reconciler.store.dynamodb import DynamoDb, _Log
from tests.store.stores import KINDS, opened

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as found:
        yield found


def entry(number: int, address: str = "service/web") -> Entry:
    return Entry(START + timedelta(seconds=number), "pass", address, f"number {number}", "4f1c2ab", {"took": number})


def test_what_is_appended_is_listed_newest_first(store: Store) -> None:
    """An entry comes back as it was, the last one first, and the two logs are apart."""
    for number in range(5):
        store.events.append(entry(number))
    store.history.append(entry(99))
    assert store.events.newest() == [entry(number) for number in (4, 3, 2, 1, 0)]
    assert store.events.newest(2) == [entry(4), entry(3)]
    assert store.history.newest() == [entry(99)]


def test_a_log_can_be_read_for_one_address(store: Store) -> None:
    """Only the entries of that address count, towards the limit, too."""
    for number in range(10):
        store.events.append(entry(number, "service/web" if number % 2 else "vpc/main"))
    assert store.events.newest(2, address="vpc/main") == [entry(8, "vpc/main"), entry(6, "vpc/main")]


def test_the_oldest_entries_make_room(store: Store) -> None:
    """A log never lists more than its bound, and always the newest."""
    for log in (store.events, store.history):
        log._most = 7  # type: ignore[attr-defined]  # the real bounds take seconds to fill
        for number in range(20):
            log.append(entry(number))
            expected = [entry(n) for n in range(number, max(-1, number - 7), -1)]
            assert log.newest(100) == expected
        assert log.newest(3) == [entry(19), entry(18), entry(17)]


def test_what_is_too_large_is_cut_and_says_so(store: Store) -> None:
    """No entry is larger than its bounds, whatever it was given."""
    store.events.append(Entry(START, "pass", message="x" * 5_000, details={"text": "y" * 100_000}))
    (kept,) = store.events.newest()
    assert len(kept.message) == base.LONGEST_MESSAGE
    assert kept.message.endswith("…")
    assert kept.details == {"left_out": "100011 bytes"}


def test_a_gap_in_the_ring_is_passed_over(tmp_path: Path) -> None:
    """An append that dies after it took its number leaves the entries round it readable, and no old one there."""
    with opened("dynamodb", tmp_path) as store:
        log = store.events
        assert isinstance(log, _Log)
        log._most = 4
        for number in range(6):
            log.append(entry(number))
        log._table.perform(
            "UpdateItem",
            Key=log._head,
            UpdateExpression="ADD #last :one",
            ExpressionAttributeNames={"#last": "last"},
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
        assert log.newest() == [entry(5), entry(4), entry(3)]
        log.append(entry(7))
        assert log.newest() == [entry(7), entry(5), entry(4)]


def test_a_ring_is_read_over_many_pages(tmp_path: Path) -> None:
    """Reading goes on where a page ends."""
    with opened("dynamodb", tmp_path) as store:
        for number in range(7):
            store.events.append(entry(number, "a" if number == 0 else "b"))
        assert store.events.newest(1, address="a") == [entry(0, "a")]


def test_the_file_stops_growing(tmp_path: Path) -> None:
    """Once the logs are full the file keeps its size."""
    with opened("sqlite", tmp_path) as store:
        store.events._most = 200  # type: ignore[attr-defined]
        sizes = []
        for number in range(1_200):
            store.events.append(Entry(START, "pass", message="m" * 500, details={"n": number}))
            if number % 200 == 199:
                sizes.append(sum(path.stat().st_size for path in tmp_path.iterdir()))
        assert sizes[-1] <= sizes[2] * 1.05, sizes


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """What cannot be opened is said with its path."""
    (tmp_path / "store.db").write_bytes(b"not a database, but long enough to be looked at" * 20)
    with pytest.raises(errors.StoreUnreachable, match=r"store\.db"):
        sqlite.Sqlite(tmp_path / "store.db", "shop")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A path that leads through a file is said, too."""
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.StoreUnreachable, match="file"):
        sqlite.Sqlite(tmp_path / "file" / "store.db", "shop")


def test_what_was_begun_is_undone_when_it_fails(tmp_path: Path) -> None:
    """A failed write leaves no transaction open and nothing behind."""
    with opened("sqlite", tmp_path) as store:
        assert isinstance(store, sqlite.Sqlite)
        for wrong, failure in ((_misspelt, errors.StoreUnreachable), (_interrupted, KeyboardInterrupt)):
            with pytest.raises(failure):
                wrong(store)
        assert store.events.newest() == []
        store.events.append(entry(1))


def _misspelt(store: sqlite.Sqlite) -> None:
    with store.transaction(writing=True) as connection:
        connection.execute("INSERT INTO entry (stack, log, address, body) VALUES ('shop', 'event', '', x'00')")
        connection.execute("INSERT INTO nowhere VALUES (1)")


def _interrupted(store: sqlite.Sqlite) -> None:
    with store.transaction(writing=True) as connection:
        connection.execute("INSERT INTO entry (stack, log, address, body) VALUES ('shop', 'event', '', x'00')")
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "failure",
    [
        errors.Gone("no such table", code="ResourceNotFoundException"),
        errors.Denied("no", code="AccessDeniedException"),
        errors.Throttled("slowly", code="ThrottlingException"),
        errors.Ambiguous("no answer", code="NoAnswer"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_every_failure_of_the_table_is_the_stores(failure: errors.AwsError) -> None:
    """Whatever AWS refuses, callers see one error that names the table; never a lost condition."""

    class Failing:
        def perform(self, call: Call) -> dict[str, object]:
            raise failure

    store = DynamoDb(Failing(), "reconciler", "shop")
    with pytest.raises(errors.StoreUnreachable, match="reconciler"):
        store.records.read()
    with pytest.raises(errors.StoreUnreachable, match="reconciler"):
        store.records.swap(None, base.Record("one", 1, "a", 60.0, START))
    with pytest.raises(errors.StoreUnreachable, match="reconciler"):
        store.events.append(entry(1))


def test_a_lease_that_makes_no_sense_is_not_free() -> None:
    """A record that cannot be read is unknown, not absent."""

    class Odd:
        def perform(self, call: Call) -> dict[str, object]:
            return {"Item": {"pk": {"S": "shop#lease"}, "holder": {"S": "someone"}}}

    with pytest.raises(errors.StoreUnreachable, match="cannot be read"):
        DynamoDb(Odd(), "reconciler", "shop").records.read()
