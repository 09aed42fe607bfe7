"""The copy of the specs in either store: written where nobody else has written since, and read as it was written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.session import Boto
from reconciler.model.resource import Call
from reconciler.store.base import Copy, Store
from reconciler.store.dynamodb import KEY, DynamoDb
from reconciler.store.sqlite import Sqlite
from tests.conftest import REGION
from tests.store.stores import KINDS, contender, opened

ONE, TWO = Copy("a", 1, "4f1c2ab", b"\x00one\xff"), Copy("b", 2, "c2d87dd", b"two" * 1000)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as found:
        yield found


def test_a_copy_is_replaced_only_where_it_is_the_expected_one(store: Store) -> None:
    """The first one where there is none; then by its version."""
    assert store.copies.read() is None
    assert not store.copies.swap("a", TWO)
    assert store.copies.swap("", ONE)
    assert not store.copies.swap("", TWO)
    assert store.copies.read() == ONE
    assert store.copies.swap("a", TWO)
    assert not store.copies.swap("a", ONE)
    assert store.copies.read() == TWO


def test_the_lease_and_the_copy_do_not_disturb_each_other(store: Store) -> None:
    """They are two records of one stack."""
    from reconciler.clock import ManualClock

    lease = contender(store.records, ManualClock())
    assert lease.acquire()
    assert store.copies.swap("", ONE)
    lease.renew()
    assert store.copies.read() == ONE


def test_each_stack_has_its_own(tmp_path: Path) -> None:
    """Also in one file."""
    with opened("sqlite", tmp_path) as one, opened("sqlite", tmp_path, "other") as other:
        assert one.copies.swap("", ONE)
        assert other.copies.read() is None


def test_a_new_file_is_the_users_alone(tmp_path: Path) -> None:
    """The specs may name what is not for everybody."""
    with opened("sqlite", tmp_path) as store:
        assert store.copies.swap("", ONE)
        modes = {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == {0o600}


def test_a_file_of_an_earlier_version_gets_the_copy_beside_its_lease(tmp_path: Path) -> None:
    """The lease in it stays."""
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE lease (stack TEXT PRIMARY KEY, holder TEXT NOT NULL, epoch INTEGER NOT NULL, "
        "version TEXT NOT NULL, ttl REAL NOT NULL, renewed_at TEXT NOT NULL) WITHOUT ROWID"
    )
    connection.execute("INSERT INTO lease VALUES ('shop', 'ana', 3, 'v', 60.0, '2026-01-01T00:00:00+00:00')")
    connection.commit()
    connection.close()
    store = Sqlite(path, "shop")
    try:
        assert store.copies.swap("", ONE)
        found = store.records.read()
        assert found is not None
        assert (found.epoch, store.copies.read()) == (3, ONE)
    finally:
        store.close()


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"data": {"S": "edited"}, "version": {"N": "7"}, "epoch": {"S": "many"}},
        {"version": {"S": ""}, "data": {"NULL": True}},
    ],
)
def test_an_item_that_a_person_has_damaged_is_empty_and_replaced(tmp_path: Path, item: dict[str, Any]) -> None:
    """Reading it raises nothing, and the next revision takes its place."""
    with opened("dynamodb", tmp_path) as store:
        broken = {KEY: {"S": "shop#accepted"}, **item}
        Boto(REGION).perform(Call("dynamodb", "PutItem", {"TableName": "reconciler", "Item": broken}))
        found = store.copies.read()
        assert found is not None
        assert (found.version, found.epoch, found.data) == ("", 0, b"")
        assert store.copies.swap("", ONE)
        assert store.copies.read() == ONE


def test_data_of_another_type_is_empty(tmp_path: Path) -> None:
    """SQLite lets a person write text into it."""
    with opened("sqlite", tmp_path) as store:
        assert isinstance(store, Sqlite)
        assert store.copies.swap("", ONE)
        with store.transaction(writing=True) as connection:
            connection.execute("UPDATE accepted SET data = 'edited'")
        found = store.copies.read()
        assert found is not None
        assert (found.version, found.data) == ("a", b"")


def test_a_store_that_does_not_answer_is_unreachable() -> None:
    """For both calls, and never a lost condition."""

    class Failing:
        def perform(self, call: Call) -> dict[str, object]:
            raise errors.Ambiguous("no answer", code="NoAnswer")

    copies = DynamoDb(Failing(), "reconciler", "shop").copies
    with pytest.raises(errors.StoreUnreachable, match="reconciler"):
        copies.read()
    with pytest.raises(errors.StoreUnreachable, match="reconciler"):
        copies.swap("", ONE)
