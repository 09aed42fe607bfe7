"""A program's output as lines for CloudWatch Logs: cut at newlines, and at 16 KiB as a container's log driver does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LONGEST = 16 * 1024  # bytes
FLUSH_EVERY = 0.2  # real seconds that a line may wait for others
MOST_LINES = 10_000  # of one call. Source: CloudWatch Logs API reference, PutLogEvents
MOST_BYTES = 1024 * 1024


class LogLines:
    """Bytes in, lines out. An empty line is none: CloudWatch Logs takes no empty message."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        *whole, self._rest = (self._rest + data).split(b"\n")
        lines = [piece for line in whole for piece in _pieces(line)]
        while len(self._rest) >= LONGEST:
            lines.append(self._rest[:LONGEST])
            self._rest = self._rest[LONGEST:]
        return _texts(lines)

    def end(self) -> list[str]:
        """What is left when no newline will come any more."""
        rest, self._rest = self._rest, b""
        return _texts(_pieces(rest))


class Log:
    """A container's output on its way out. Lines wait a moment for others: a call for each would be dear.

    A program that writes faster than that waits in its turn, as with the log driver's mode `blocking`.
    """

    def __init__(self, write: Callable[[tuple[tuple[int, str], ...]], None], *, now: Callable[[], int]) -> None:
        """`write` takes lines with their milliseconds since 1970, which `now` says."""
        self._write = write
        self._now = now
        self._lines = LogLines()
        self._waiting: list[tuple[int, str]] = []
        self._bytes = 0
        self._flushing: asyncio.TimerHandle | None = None

    def feed(self, data: bytes) -> float:
        """Output has arrived; the seconds to wait before more of it is read. On an event loop's thread."""
        self._add(self._lines.feed(data))
        self._bytes += len(data)
        if self._waiting and self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(FLUSH_EVERY, self._flush)
        return FLUSH_EVERY if len(self._waiting) >= MOST_LINES or self._bytes >= MOST_BYTES else 0.0

    def end(self) -> None:
        self._add(self._lines.end())
        self._flush()

    def _add(self, texts: list[str]) -> None:
        now = self._now()
        self._waiting.extend((now, text) for text in texts)

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self._waiting:
            self._write(tuple(self._waiting))
        self._waiting.clear()
        self._bytes = 0


def _pieces(line: bytes) -> list[bytes]:
    return [line[start : start + LONGEST] for start in range(0, len(line), LONGEST)]


def _texts(lines: list[bytes]) -> list[str]:
    texts = (line.decode("utf-8", "replace").rstrip("\r") for line in lines)
    return [text for text in texts if text]
