"""Store: the interface to where the lease of one stack is kept.

A store never holds what a pass needs to be correct. The lease separates two reconcilers of one stack, so both must use
the same store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """A stored lease. `version` is random and new with each write; an empty `holder` means released.

    `renewed_at` is for people: no decision depends on another machine's time of day.
    """

    holder: str
    epoch: int
    version: str
    ttl: float
    renewed_at: datetime


class Records(Protocol):
    """Storage of leases. All methods raise `errors.StoreUnreachable`."""

    def read(self) -> Record | None:
        """The current record, never a stale one; None if there has never been one."""

    def swap(self, expected: str | None, record: Record) -> bool:
        """Write `record` if the version is still `expected` (None: if there is none), atomically. True if it was
        written.

        After `errors.StoreUnreachable` it may have been written, or may still be.
        """


class Store(Protocol):
    """One stack's store. Safe to use from several threads."""

    @property
    def records(self) -> Records: ...

    def close(self) -> None: ...
