"""Queued output of a process that runs for long: whoever reads it slowly, not at all or not any more, holds up nobody.

anyone ──► write ──► bounded queue ──► its own thread ──► stdout or stderr
                     full: what is new is lost, and counted in the log
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, TextIO

from reconciler import events
from reconciler.log import log

MOST_WAITING: Final = 1024 * 1024
"""Characters that wait to be read."""
DRAIN_SECONDS: Final = 0.4
"""Time limit for what is waiting when the process ends, of both streams together."""
_GONE: Final = frozenset({errno.EPIPE, errno.EBADF})


class Queued(io.TextIOBase):
    """A text stream over `stream`. A write takes microseconds and never raises."""

    def __init__(self, stream: TextIO, label: str, *, most: int = MOST_WAITING) -> None:
        self.inner = stream
        self._label = label
        self._most = most
        self._queue: deque[str] = deque()
        self._size = 0
        self._lost = 0
        self._gone = False
        self._failing = False
        self._writing = False
        self._changed = threading.Condition()
        try:
            self._fd: int | None = stream.fileno()
            stream.flush()
        except (OSError, ValueError):  # a stream in memory; a write fails, too, where a flush does
            self._fd = None
        threading.Thread(target=self._run, name=f"output-{label}", daemon=True).start()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read only here, too
        return self.inner.encoding or "ascii"

    def isatty(self) -> bool:
        return self.inner.isatty()

    def fileno(self) -> int:
        return self.inner.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):  # click finds out by this that it is a text stream
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        with self._changed:
            if self._gone:
                return len(text)
            if self._size + len(text) > self._most:
                self._lost += 1
                return len(text)
            self._queue.append(text)
            self._size += len(text)
            self._changed.notify_all()
        return len(text)

    def flush(self) -> None:
        """The thread writes as soon as somebody reads; nobody waits for that."""

    def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait until everything was written, at most so long."""
        end = time.monotonic() + seconds
        with self._changed:
            while (self._queue or self._writing) and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)

    # -- its own thread

    def _run(self) -> None:
        while True:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
                while not self._queue:
                    self._changed.wait()
                text, lost = "".join(self._queue), self._lost
                self._queue.clear()
                self._size, self._lost, self._writing = 0, 0, True
            try:
                self._put(text)
            except (OSError, ValueError) as error:  # a stream in memory that was closed raises ValueError
                self._failed(error)
            else:
                self._failing = False
            if lost:
                log.warning(events.OUTPUT_LOST, stream=self._label, writes=lost)

    def _put(self, text: str) -> None:
        if self._fd is None:
            self.inner.write(text)
            self.inner.flush()
            return
        data = text.encode(self.encoding, "backslashreplace")  # past its buffer, which a full pipe would keep locked
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:  # another process has made the terminal or the pipe so
                select.select([], [self._fd], [])

    def _failed(self, error: OSError | ValueError) -> None:
        with self._changed:
            if isinstance(error, ValueError) or error.errno in _GONE:
                self._gone = True
                self._queue.clear()
                self._size = 0
        if self._failing:
            return  # on stderr, where the log is, a report of each failure would be the next one to fail
        self._failing = True
        reason = getattr(error, "strerror", None) or "it was closed"
        log.warning(events.OUTPUT_LOST, stream=self._label, reason=reason)


@contextlib.contextmanager
def queued() -> Iterator[None]:
    """Have stdout and stderr queued until the process ends: an error that is printed last must not be held either."""
    for label in ("stdout", "stderr"):
        stream: Any = getattr(sys, label)
        setattr(sys, label, Queued(stream, label))
    try:
        yield
    finally:
        drain()


def drain() -> None:
    """Write what is waiting, if somebody reads it."""
    end = time.monotonic() + DRAIN_SECONDS
    for stream in (sys.stderr, sys.stdout):
        if isinstance(stream, Queued):
            stream.drain(max(0.0, end - time.monotonic()))
