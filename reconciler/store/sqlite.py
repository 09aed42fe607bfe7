"""SQLite store, for one machine: one file.

Every write is a transaction that locks first, so a conditional write is atomic between all processes of the machine.
The file must be on a local disk: SQLite's locks do not work on every network file system. There is no write-ahead log:
it would hold the newest lease in a second file, and whoever deletes only that one would free the lease.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from reconciler import errors, events, private_files
from reconciler.log import log
from reconciler.store import file_safety
from reconciler.store.base import FORMAT, Copies, Copy, Record, Records, check_format

PATIENCE_SECONDS: Final = 5.0
"""Time that a transaction waits for another process."""
TRIES: Final = 3
"""Tries to open the file, while others replace it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lease (
    stack TEXT PRIMARY KEY, holder TEXT NOT NULL, epoch INTEGER NOT NULL, version TEXT NOT NULL, ttl REAL NOT NULL,
    renewed_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accepted (
    stack TEXT PRIMARY KEY, version TEXT NOT NULL, epoch INTEGER NOT NULL, revision TEXT NOT NULL, data BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS report (
    stack TEXT PRIMARY KEY, version TEXT NOT NULL, text TEXT NOT NULL
) WITHOUT ROWID;
"""
"""A report is in a table of its own, for the version of the lease that it was written with: a version of the product
without reports goes on writing leases."""


class Sqlite:
    """The `Store` of `stack` in the file at `path`, which is created if it does not exist.

    The specs may name what is not for everybody: the file is the user's alone. Who deletes or replaces it ends the
    lease in it; the next transaction uses the new one. A file that is no database is moved aside.

    Each transaction has a connection of its own: a longer one would answer from its cache if the file was emptied and
    filled again by another process. The file is held open beside it, so that its inode stands for no other file.

    The format is SQLite's `user_version`; 0 is that of a new file, and of one from before formats had numbers.
    """

    def __init__(self, path: Path, stack: str) -> None:
        """Raises `errors.StoreUnreachable`."""
        self.path, self.stack = path.absolute(), stack
        self._lock = threading.Lock()
        self._handle: int | None = None
        self._file = (0, 0)
        self._connect().close()
        self.records: Records = _Records(self, stack)
        self.copies: Copies = _Copies(self, stack)

    def document(self, name: str) -> Copies:
        """In the table of the copies, so that an older version finds the tables that it knows. No stack is named so."""
        return _Copies(self, f"{self.stack}#{name}")

    def close(self) -> None:
        with self._lock:
            self._release()

    def lost(self) -> str:
        """Why the open file is not the store any more; empty if it is. Never blocks."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return f"the store {self.path} was deleted or moved"
        except OSError as error:
            return f"the store {self.path} was made inaccessible: {error.strerror}"
        return "" if _identity(found) == self._file else f"the store {self.path} was replaced by another file"

    @contextmanager
    def transaction(self, *, writing: bool) -> Iterator[sqlite3.Connection]:
        """An atomic transaction. Raises `errors.StoreUnreachable`."""
        with self._lock:
            connection = self._connect()
            try:
                connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
                yield connection
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                self._move_aside(error)
                raise _unreachable(self.path, error) from error
            finally:
                connection.close()  # undoes what was not committed

    def _connect(self) -> sqlite3.Connection:
        for _ in range(TRIES):
            self._hold()
            connection = None
            try:
                connection = sqlite3.connect(
                    self.path, timeout=PATIENCE_SECONDS, isolation_level=None, check_same_thread=False
                )
                self._check_format(connection)
                connection.execute("PRAGMA journal_mode = DELETE")
                connection.executescript(_SCHEMA)
                if not self.lost():
                    return connection
                connection.close()
            except sqlite3.Error as error:
                if connection is not None:
                    connection.close()
                if not self._move_aside(error):
                    raise _unreachable(self.path, error) from error
        raise errors.StoreUnreachable(f"the store {self.path} keeps being replaced")

    def _check_format(self, connection: sqlite3.Connection) -> None:
        """Raises `errors.StoreFormatUnknown`; gives a file without a number the first one."""
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found not in (0, FORMAT):
            connection.close()
            check_format(f"the store {self.path}", found)
        if found == 0:
            connection.execute(f"PRAGMA user_version = {FORMAT}")

    def _hold(self) -> None:
        """Open the file that is there now, unless it is open, with mode 0600; created, or narrowed to that."""
        if self._handle is not None and not self.lost():
            return
        try:
            private_files.create_folder(self.path.parent)
            file_safety.check_folder(self.path)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600)
            self._release()
            self._handle = handle
            found = os.fstat(handle)
            file_safety.check_file(self.path, found)
            os.fchmod(handle, 0o600)
        except OSError as error:
            raise _unreachable(self.path, error) from error
        self._file = _identity(found)

    def _release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _move_aside(self, error: sqlite3.Error) -> bool:
        """Make room for a new store if the file is no database, or a damaged one. True if it has gone."""
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return False
        aside = self.path.with_name(f"{self.path.name}.damaged-{secrets.token_hex(4)}")
        assert self._handle is not None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX)  # of this very file: whoever moves it has it, until it has gone
            if self.lost():  # another process has done so, and what is there now may be its new store
                return True
            os.rename(self.path, aside)
        except FileNotFoundError:
            return True
        except OSError as failure:
            raise _unreachable(self.path, failure) from error
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_UN)
        log.warning(events.STORE_MOVED_ASIDE, path=str(self.path), moved_to=str(aside), reason=str(error))
        return True


class _Records:
    def __init__(self, store: Sqlite, stack: str) -> None:
        self._store = store
        self._stack = stack

    def lost(self) -> str:
        return self._store.lost()

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
            connection.execute(
                "INSERT OR REPLACE INTO report VALUES (?, ?, ?)", (self._stack, record.version, record.report)
            )
            return True

    def _read(self, connection: sqlite3.Connection) -> Record | None:
        row = connection.execute(
            "SELECT holder, epoch, lease.version, ttl, renewed_at, coalesce(text, '') FROM lease "
            "LEFT JOIN report ON report.stack = lease.stack AND report.version = lease.version WHERE lease.stack = ?",
            (self._stack,),
        ).fetchone()
        if row is None:
            return None
        holder, epoch, version, ttl, renewed_at, report = row
        return Record(holder, epoch, version, ttl, datetime.fromisoformat(renewed_at).astimezone(UTC), report)


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


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _unreachable(path: Path, error: Exception) -> errors.StoreUnreachable:
    return errors.StoreUnreachable(f"the store {path}: {error}")
