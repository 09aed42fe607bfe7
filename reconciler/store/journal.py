"""Journal: entries for people that outlive a rollout and its controller, as one document of the store.

Nothing is decided by it, so a journal that was damaged starts again, and one that cannot be written is tried again with
the next entry. It is bounded in number and in size, and ages by the times of its own entries: a clock that is wrong
deletes nothing. Several processes may add to it, since each replacement is conditional, and adding an entry again
changes nothing.
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Generic, TypeVar

from reconciler import errors
from reconciler.model import formats
from reconciler.store.base import Copies, Copy

T = TypeVar("T")

FORMAT: Final = 1
LARGEST: Final = 300 * 1024
"""Bytes of a journal, compressed. DynamoDB's items have at most 400 KB."""
LARGEST_UNPACKED: Final = 8 * 1024 * 1024
TRIES: Final = 8
"""Tries to add, while other processes add as well."""


class Journal(Generic[T]):
    """Entries of one sort, oldest first.

    `merged` puts new entries among the known ones and keeps as many as may be. `shorter` takes something away from
    entries that are too large together.
    """

    def __init__(
        self,
        document: Copies,
        name: str,
        *,
        write: Callable[[T], dict[str, Any]],
        read: Callable[[dict[str, Any]], T],
        merged: Callable[[Sequence[T], Iterable[T]], Sequence[T]],
        shorter: Callable[[Sequence[T]], Sequence[T]],
    ) -> None:
        self._document, self.name = document, name
        self._write, self._read, self._merged, self._shorter = write, read, merged, shorter

    def read(self) -> tuple[T, ...]:
        """Raises `errors.StoreUnreachable`; `errors.StoreFormatUnknown` if a newer version wrote it."""
        found = self._document.read()
        return () if found is None else self._unpacked(found.data)

    def add(self, entries: Iterable[T]) -> bool:
        """True if anything was written. Raises what `read` raises."""
        new = tuple(entries)
        for _ in range(TRIES if new else 0):
            found = self._document.read()
            known = () if found is None else self._unpacked(found.data)
            every = tuple(self._merged(known, new))
            if every == known:
                return False
            copy = Copy(secrets.token_hex(16), 0, "", self._packed(every))
            if self._document.swap("" if found is None else found.version, copy):
                return True
        if new:
            raise errors.StoreUnreachable(f"the {self.name} of the store keeps being changed by other processes")
        return False

    def _packed(self, entries: Sequence[T]) -> bytes:
        while True:
            document = {"format_version": FORMAT, "entries": [self._write(entry) for entry in entries]}
            text = json.dumps(document, separators=(",", ":")).encode()
            data = zlib.compress(text, 9)
            if not entries or (len(data) <= LARGEST and len(text) <= LARGEST_UNPACKED):
                return data
            entries = self._shorter(entries)

    def _unpacked(self, data: bytes) -> tuple[T, ...]:
        """What is damaged is left out. Raises `errors.StoreFormatUnknown`."""
        try:
            unpacker = zlib.decompressobj()
            document = json.loads(unpacker.decompress(data, LARGEST_UNPACKED))
            version, entries = document["format_version"], document["entries"]
        except (zlib.error, ValueError, LookupError, TypeError, RecursionError):
            return ()
        if version != FORMAT:
            raise errors.StoreFormatUnknown(f"{formats.unknown(f'the {self.name} of the store', version, FORMAT)}")
        readable: list[T] = []
        for entry in entries if isinstance(entries, list) else ():
            try:
                readable.append(self._read(entry))
            except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
                continue
        return tuple(readable)
