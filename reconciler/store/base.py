"""Store: the interface to where the lease of one stack is kept, and documents beside it.

A store never holds what a pass needs to be correct. The lease separates two reconcilers of one stack, so both must use
the same store. The copy of the specs takes the place of a source that cannot be read (controller/accepted_revision.py);
the journals (store/journal.py) are for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from reconciler import errors
from reconciler.model import formats

FORMAT: Final = 1
"""Of the records and of the file that holds them. What has none is of the first format."""


def check_format(what: str, found: object) -> None:
    """Raises `errors.StoreFormatUnknown` for any format but ours."""
    if found != FORMAT:
        because = formats.unknown(what, found, FORMAT)
        raise errors.StoreFormatUnknown(f"{because}, or delete it, once nothing else works on the stack")


@dataclass(frozen=True, slots=True)
class Record:
    """A stored lease. `version` is random and new with each write; an empty `holder` means released.

    `renewed_at` and `report` (store/holder_report.py) are for people: no decision depends on another machine's time of
    day, or on what its holder says of itself.
    """

    holder: str
    epoch: int
    version: str
    ttl: float
    renewed_at: datetime
    report: str = ""


class Records(Protocol):
    """Storage of leases. `read` and `swap` raise `errors.StoreUnreachable`; `errors.StoreFormatUnknown` if a newer
    version wrote the store.
    """

    def lost(self) -> str:
        """Why others do not see what was written here; empty if they do, as far as that is known without asking the
        store. Never blocks, and is asked before each write.
        """

    def read(self) -> Record | None:
        """The current record, never a stale one; None if there has never been one."""

    def swap(self, expected: str | None, record: Record) -> bool:
        """Write `record` if the version is still `expected` (None: if there is none), atomically. True if it was
        written.

        After `errors.StoreUnreachable` it may have been written, or may still be.
        """


@dataclass(frozen=True, slots=True)
class Copy:
    """A stored document, opaque to the store. `version` is random and new with each write; `epoch` is that of the
    writer's lease; `revision` is for people. What a person has damaged is empty.
    """

    version: str
    epoch: int
    revision: str
    data: bytes


class Copies(Protocol):
    """Storage of one document: the copy of the specs, or a journal. All methods raise `errors.StoreUnreachable`."""

    def read(self) -> Copy | None:
        """The current copy, never a stale one; None if there has never been one."""

    def swap(self, expected: str, copy: Copy) -> bool:
        """Write `copy` if the version is still `expected` (empty: if there is none), as `Records.swap` does."""


class Documents(Protocol):
    """Documents of a stack by name."""

    def document(self, name: str) -> Copies:
        """An older version leaves it alone."""


class Store(Documents, Protocol):
    """One stack's store. Safe to use from several threads."""

    @property
    def records(self) -> Records: ...
    @property
    def copies(self) -> Copies: ...

    def close(self) -> None: ...
