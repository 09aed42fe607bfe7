"""What a store is: where the lease of one stack is written down.

A store never holds what a pass needs to be right. Two reconcilers of one stack are kept apart by its lease, so both
must use the same store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


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


class Store(Protocol):
    """One stack's store. Safe to use from several threads."""

    @property
    def records(self) -> Records: ...

    def close(self) -> None: ...
