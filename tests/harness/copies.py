"""Documents of a store in this process: they outlive controllers, and count what they ask of them."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler import errors
from reconciler.store.base import Copy


@dataclass(slots=True)
class StoredCopy:
    """`down` while it does not answer."""

    copy: Copy | None = None
    down: bool = False
    reads: int = 0
    writes: int = 0

    def read(self) -> Copy | None:
        self._reach()
        self.reads += 1
        return self.copy

    def swap(self, expected: str, copy: Copy) -> bool:
        self._reach()
        if (self.copy.version if self.copy is not None else "") != expected:
            return False
        self.copy, self.writes = copy, self.writes + 1
        return True

    def _reach(self) -> None:
        if self.down:
            raise errors.StoreUnreachable("the table does not answer")


class StoredDocuments(dict[str, StoredCopy]):
    """The part of a `Store` beside the lease, by name."""

    def document(self, name: str) -> StoredCopy:
        return self.setdefault(name, StoredCopy())
