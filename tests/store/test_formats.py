"""A store that a newer version has written is left as it is, and nobody gets a lease from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.session import Boto
from reconciler.clock import ManualClock
from reconciler.model.resource import Call
from reconciler.store.base import Copy, Store
from reconciler.store.dynamodb import KEY
from reconciler.store.fence import Fence
from tests.conftest import REGION
from tests.store.stores import KINDS, contender, opened

ONE = Copy("a", 1, "4f1c2ab", b"one")


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as found:
        yield found


def written_by(store: Store, folder: Path, format: Any) -> None:
    """As another version leaves it: all that this one knows, in another format."""
    path = folder / "store.db"
    if path.exists():
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA user_version = {format}")
        return
    aws = Boto(REGION)
    for item in aws.perform(Call("dynamodb", "Scan", {"TableName": "reconciler"}))["Items"]:
        new = {**item, "format": {"N": str(format)}}
        aws.perform(Call("dynamodb", "PutItem", {"TableName": "reconciler", "Item": new}))


def content(folder: Path) -> Any:
    path = folder / "store.db"
    if path.exists():
        return path.read_bytes()
    return Boto(REGION).perform(Call("dynamodb", "Scan", {"TableName": "reconciler"}))["Items"]


@pytest.mark.parametrize("format", [2, 99])
def test_nobody_acquires_a_lease_of_a_newer_format(store: Store, tmp_path: Path, format: int) -> None:
    """Although it was released, and however long one waits; and nothing is written to it."""
    clock = ManualClock()
    lease = contender(store.records, clock)
    assert lease.acquire()
    assert store.copies.swap("", ONE)
    lease.release()
    written_by(store, tmp_path, format)
    before = content(tmp_path)
    for _ in range(3):
        with pytest.raises(errors.StoreFormatUnknown, match=f"format {format}, .* knows 1"):
            contender(store.records, clock).acquire()
        clock.advance(100.0)
    with pytest.raises(errors.StoreFormatUnknown) as unknown:
        store.copies.read()
    assert unknown.value.code == "unknown-format"
    assert content(tmp_path) == before


def test_a_holder_writes_nothing_more_once_its_time_is_over(store: Store, tmp_path: Path) -> None:
    """Of two versions on one lease the newer one has changed the format: the older one cannot renew it."""
    clock = ManualClock()
    lease = contender(store.records, clock)
    assert lease.acquire()
    fence = Fence(lease)
    fence.begin()
    written_by(store, tmp_path, 2)
    clock.advance(30.0)
    with pytest.raises(errors.StoreUnreachable):
        lease.renew()
    fence()
    clock.advance(30.0)
    with pytest.raises(errors.LeaseLost):
        fence()


def test_a_copy_of_a_newer_format_is_not_replaced(tmp_path: Path) -> None:
    """Also not by a process that has not read it, and takes it for one that a person has damaged."""
    with opened("dynamodb", tmp_path) as store:
        item = {KEY: {"S": "shop#accepted"}, "format": {"N": "2"}, "revisions": {"L": []}}
        Boto(REGION).perform(Call("dynamodb", "PutItem", {"TableName": "reconciler", "Item": item}))
        assert not store.copies.swap("", ONE)
        assert content(tmp_path) == [item]


@pytest.mark.parametrize("format", ["", "x", "1.5", "-1", None])
def test_a_format_that_makes_no_sense_is_unknown(tmp_path: Path, format: str | None) -> None:
    """A person may have edited the item."""
    with opened("dynamodb", tmp_path) as store:
        assert contender(store.records, ManualClock()).acquire()
        (item,) = content(tmp_path)
        item["format"] = {"NULL": True} if format is None else {"S": format}
        Boto(REGION).perform(Call("dynamodb", "PutItem", {"TableName": "reconciler", "Item": item}))
        with pytest.raises(errors.StoreFormatUnknown):
            store.records.read()


def test_a_store_without_a_format_is_of_the_first(store: Store, tmp_path: Path) -> None:
    """An earlier release wrote it, or writes it again after a downgrade, and both go on with one lease."""
    clock = ManualClock()
    first = contender(store.records, clock)
    assert first.acquire()
    path = tmp_path / "store.db"
    if path.exists():
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 0")
    else:
        (item,) = content(tmp_path)
        del item["format"]
        Boto(REGION).perform(Call("dynamodb", "PutItem", {"TableName": "reconciler", "Item": item}))
    first.renew()
    assert not contender(store.records, clock, "two").acquire()
    first.release()
    assert contender(store.records, clock, "two").acquire()
