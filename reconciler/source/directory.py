"""Directory source: a folder on this machine, read when its files have stopped changing.

Saving is not atomic: editors write a copy and rename it, `git checkout` writes one file after the other. So a check
compares only names, sizes and times, and the files are read once two checks in a row agree, and again if they changed
meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias

from reconciler import errors
from reconciler.clock import Clock
from reconciler.source.archive import Archive
from reconciler.source.base import Fetched, Revision
from reconciler.spec import discovery
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.load import Source as File

SETTLED_SECONDS: Final = 0.2
"""Time without changes before the files are read."""
PATIENCE_SECONDS: Final = 5.0
"""Time after which a folder that keeps changing is given up until the next check."""
INTERVAL_SECONDS: Final = 0.25

_Look: TypeAlias = frozenset[tuple[str, int, int, int, int]]


class Directory:
    """The `Source` of the specs below `folder`."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.interval = INTERVAL_SECONDS
        self._clock = clock
        self._lock = threading.Lock()
        self._never = threading.Event()
        self._seen: _Look | None = None
        self._seen_at = 0.0
        self._taken: _Look | None = None
        self._last: Fetched | None = None

    @property
    def name(self) -> str:
        return discovery.shown_folder(self.folder)

    def changed(self, since: str | None) -> bool:
        """Whether the files differ from the last fetch and have stopped changing."""
        with self._lock:
            look, rested = self._look()
            if not rested:
                return False
            return look != self._taken or self._last is None or self._last.revision.id != since

    def verified(self, stored: Archive) -> Archive:
        """A folder has no signatures."""
        return stored

    def fetch(self, after: str | None = None) -> Fetched:
        """A folder has no order, so any content follows `after`."""
        del after
        with self._lock:
            began = self._clock.monotonic()
            while True:
                look, rested = self._look()
                if rested:
                    fetched = self._read()
                    if self._look()[0] == look:
                        self._taken, self._last = look, fetched
                        return fetched
                if self._clock.monotonic() - began >= PATIENCE_SECONDS:
                    raise errors.SourceUnreachable(f"{self.name} is still being changed")
                self._clock.wait(self._never, SETTLED_SECONDS)

    def _look(self) -> tuple[_Look, bool]:
        """The current state of the folder, and whether it has been stable."""
        try:
            look = frozenset(islice(_scan(str(self.folder), ""), discovery.MOST_ENTRIES))
        except OSError as error:
            raise errors.SourceUnreachable(f"{self.name}: {error.strerror or 'input/output error'}") from error
        now = self._clock.monotonic()
        if look != self._seen:
            self._seen, self._seen_at = look, now
        return look, now - self._seen_at >= SETTLED_SECONDS

    def _read(self) -> Fetched:
        found, findings = discovery.read(self.folder)
        return Fetched(Revision(_digest(found, findings)), tuple(found), tuple(findings), self.name)


def _scan(folder: str, below: str) -> Iterator[tuple[str, int, int, int, int]]:
    """Path, size, times and inode of each spec file, without opening it."""
    if below.count("/") > discovery.DEEPEST:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    yield from _scan(entry.path, f"{below}{entry.name}/")
                elif entry.name.endswith((".yaml", ".yml")):
                    found = entry.stat()
                    yield below + entry.name, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
            except FileNotFoundError:
                yield below + entry.name, 0, 0, 0, 0  # deleted since, or a broken link


def _digest(found: list[File], findings: list[Diagnostic]) -> str:
    """sha256 of the files' names and contents, and of errors for unreadable files."""
    digest = hashlib.sha256()
    texts = [(file.relative.encode(errors="surrogateescape"), file.data) for file in found]
    texts += [(b"", str(finding).encode(errors="surrogateescape")) for finding in findings]
    for part in (part for text in texts for part in text):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
