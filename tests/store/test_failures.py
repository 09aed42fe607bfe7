"""Failures of either store: one error that names it, and nothing half written."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.model.resource import Call
from reconciler.store import sqlite
from reconciler.store.base import Record
from reconciler.store.dynamodb import DynamoDb
from tests.store.stores import opened

pytestmark = pytest.mark.promise("S18", "the store is down")

RECORD = Record("one", 1, "a", 60.0, datetime(2026, 1, 1, tzinfo=UTC))
HALF = "INSERT INTO lease VALUES ('shop', 'one', 1, 'a', 60.0, '2026-01-01T00:00:00+00:00')"


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
        assert store.records.read() is None
        assert store.records.swap(None, RECORD)


def _misspelt(store: sqlite.Sqlite) -> None:
    with store.transaction(writing=True) as connection:
        connection.execute(HALF)
        connection.execute("INSERT INTO nowhere VALUES (1)")


def _interrupted(store: sqlite.Sqlite) -> None:
    with store.transaction(writing=True) as connection:
        connection.execute(HALF)
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
        store.records.swap(None, RECORD)


def test_a_lease_that_makes_no_sense_is_not_free() -> None:
    """A record that cannot be read is unknown, not absent."""

    class Odd:
        def perform(self, call: Call) -> dict[str, object]:
            return {"Item": {"pk": {"S": "shop#lease"}, "holder": {"S": "someone"}}}

    with pytest.raises(errors.StoreUnreachable, match="cannot be read"):
        DynamoDb(Odd(), "reconciler", "shop").records.read()
