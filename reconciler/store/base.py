"""What a store is: leases, events and the history of one stack.

A store never holds what a pass needs to be right: losing it loses the memory of what happened, and no more. Two
reconcilers of one stack are kept apart by its lease, so both must use the same store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol

MOST_EVENTS: Final = 10_000
MOST_HISTORY: Final = 1_000
LONGEST_MESSAGE: Final = 2_000
"""Characters of an entry's message that are kept."""
LARGEST_DETAILS: Final = 32 * 1024
"""Bytes of an entry's details, as JSON."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `name` is a constant of events.py for an event, "pass" or "rollout" in the history."""

    at: datetime
    name: str
    address: str = ""
    message: str = ""
    revision: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """A lease as it is written down. `version` is random and new with each write; an empty `holder` has released it.

    `renewed_at` is for people: no decision is made by another machine's time of day.
    """

    holder: str
    epoch: int
    version: str
    ttl: float
    renewed_at: datetime


class Records(Protocol):
    """Where leases are written down. All methods raise `errors.StoreUnreachable`."""

    def read(self) -> Record | None:
        """The record as it is now, never an older one; None when there has never been one."""

    def swap(self, expected: str | None, record: Record) -> bool:
        """Write `record` if the version is still `expected` (None: if there is none), in one step; whether it did.

        After `errors.StoreUnreachable` it may have been written, or may be yet.
        """


class Log(Protocol):
    """A bounded list; the oldest entries make room. All methods raise `errors.StoreUnreachable`."""

    def append(self, entry: Entry) -> None: ...

    def newest(self, limit: int = 100, *, address: str | None = None) -> Sequence[Entry]:
        """The last entries, newest first; of one address, if it is given."""


class Store(Protocol):
    """One stack's store. Safe to use from several threads."""

    @property
    def records(self) -> Records: ...

    @property
    def events(self) -> Log: ...

    @property
    def history(self) -> Log: ...

    def close(self) -> None: ...


def bounded(entry: Entry, size: int) -> Entry:
    """The entry as it may be kept, `size` being that of its details as JSON: what is too long is cut, and says so."""
    message = entry.message
    if len(message) > LONGEST_MESSAGE:
        message = f"{message[: LONGEST_MESSAGE - 1]}…"
    details = entry.details if size <= LARGEST_DETAILS else {"left_out": f"{size} bytes"}
    return replace(entry, message=message, details=details)
