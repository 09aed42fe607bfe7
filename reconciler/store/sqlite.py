"""SQLite store, for one machine: one file.

Every write is a transaction that locks first, so a conditional write is atomic between all processes of the machine.
The file must be on a local disk: write-ahead logs do not work on network file systems.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from reconciler import errors
from reconciler.store.base import Copies, Copy, Record, Records

PATIENCE_SECONDS: Final = 5.0
"""Time that a transaction waits for another process."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lease (
    stack TEXT PRIMARY KEY, holder TEXT NOT NULL, epoch INTEGER NOT NULL, version TEXT NOT NULL, ttl REAL NOT NULL,
    renewed_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accepted (
    stack TEXT PRIMARY KEY, version TEXT NOT NULL, epoch INTEGER NOT NULL, revision TEXT NOT NULL, data BLOB NOT NULL
);
"""


class Sqlite:
    """The `Store` of `stack` in the file at `path`, which is created if it does not exist.

    The specs may name what is not for everybody: a new file is the user's alone.
    """

    def __init__(self, path: Path, stack: str) -> None:
        """Raises `errors.StoreUnreachable`."""
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(
                path, timeout=PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise _unreachable(path, error) from error
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            self._connection.close()
            raise _unreachable(path, error) from error
        self.records: Records = _Records(self, stack)
        self.copies: Copies = _Copies(self, stack)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self, *, writing: bool) -> Iterator[sqlite3.Connection]:
        """An atomic transaction. Raises `errors.StoreUnreachable`."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise _unreachable(self.path, error) from error
            finally:
                self._roll_back()

    def _roll_back(self) -> None:
        """A transaction that is left open would block every other one."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise _unreachable(self.path, error) from error


class _Records:
    def __init__(self, store: Sqlite, stack: str) -> None:
        self._store = store
        self._stack = stack

    def read(self) -> Record | None:
        with self._store.transaction(writing=False) as connection:
            return self._read(connection)

    def swap(self, expected: str | None, record: Record) -> bool:
        with self._store.transaction(writing=True) as connection:
            found = self._read(connection)
            if (found.version if found is not None else None) != expected:
                return False
            connection.execute(
                "INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?, ?, ?)",
                (self._stack, record.holder, record.epoch, record.version, record.ttl, record.renewed_at.isoformat()),
            )
            return True

    def _read(self, connection: sqlite3.Connection) -> Record | None:
        row = connection.execute(
            "SELECT holder, epoch, version, ttl, renewed_at FROM lease WHERE stack = ?", (self._stack,)
        ).fetchone()
        if row is None:
            return None
        holder, epoch, version, ttl, renewed_at = row
        return Record(holder, epoch, version, ttl, datetime.fromisoformat(renewed_at).astimezone(UTC))


class _Copies:
    def __init__(self, store: Sqlite, stack: str) -> None:
        self._store = store
        self._stack = stack

    def read(self) -> Copy | None:
        with self._store.transaction(writing=False) as connection:
            return self._read(connection)

    def swap(self, expected: str, copy: Copy) -> bool:
        with self._store.transaction(writing=True) as connection:
            found = self._read(connection)
            if (found.version if found is not None else "") != expected:
                return False
            connection.execute(
                "INSERT OR REPLACE INTO accepted VALUES (?, ?, ?, ?, ?)",
                (self._stack, copy.version, copy.epoch, copy.revision, copy.data),
            )
            return True

    def _read(self, connection: sqlite3.Connection) -> Copy | None:
        row = connection.execute(
            "SELECT version, epoch, revision, data FROM accepted WHERE stack = ?", (self._stack,)
        ).fetchone()
        if row is None:
            return None
        version, epoch, revision, data = row
        return Copy(version, epoch, revision, data if isinstance(data, bytes) else b"")


def _unreachable(path: Path, error: Exception) -> errors.StoreUnreachable:
    return errors.StoreUnreachable(f"the store {path}: {error}")
