"""Exchange with a peer: one deadline for the whole of it, and a limit on the bytes that are read.

A timeout of a socket starts again with every byte, so a peer that sends one byte every few seconds holds a client for
as long as it likes. Inside `with Exchange(seconds, most_bytes)` every read of this thread counts against one deadline,
whichever library makes it, as long as its connections are `Bounded`:

    class Connection(Bounded, http.client.HTTPConnection): ...

Connecting, a TLS handshake and a send need nothing more: Python limits each as a whole by the socket's timeout. Reads
wait in short slices, so an exchange also ends soon after its `stop` is set.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Final

SLICE_SECONDS: Final = 0.5
"""Longest time for which a read does not notice that it was stopped."""


class Exceeded(OSError):
    """An exchange took too long, sent too much, or was stopped."""


class Exchange:
    """Whoever catches an exception of a library sees `Exceeded` instead, if that was the cause."""

    def __init__(self, seconds: float, most_bytes: int, *, stop: threading.Event | None = None) -> None:
        self._seconds = seconds
        self._most = most_bytes
        self._stop = stop
        self._end = 0.0
        self._read = 0
        self._fault: Exceeded | None = None
        self._token: Token[Exchange | None] | None = None

    def __enter__(self) -> Exchange:
        self._end = time.monotonic() + self._seconds
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._token is not None
        _current.reset(self._token)
        if isinstance(error, Exception) and self._fault is not None and error is not self._fault:
            raise self._fault from error

    def left(self) -> float:
        """Seconds until the deadline. Raises `Exceeded`."""
        if self._stop is not None and self._stop.is_set():
            raise self._exceeded("it was stopped")
        left = self._end - time.monotonic()
        if left <= 0:
            raise self._exceeded(f"it took longer than {self._seconds:g} s")
        return left

    def took(self, count: int) -> None:
        """`count` more bytes were read. Raises `Exceeded`."""
        self._read += count
        if self._read > self._most:
            raise self._exceeded(f"it sent more than {size(self._most)}")

    @contextmanager
    def cut(self, end: Callable[[], object]) -> Iterator[None]:
        """Have `end` called once the exchange is over, for what cannot be read with a time limit, such as a pipe."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(SLICE_SECONDS):
                try:
                    self.left()
                except Exceeded:
                    end()
                    return

        thread = threading.Thread(target=watch, name="deadline", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _exceeded(self, because: str) -> Exceeded:
        self._fault = Exceeded(because)
        return self._fault


_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def current() -> Exchange | None:
    """The exchange of this thread."""
    return _current.get()


def size(count: int) -> str:
    """`256 MiB`"""
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if count >= factor:
            return f"{count / factor:g} {unit}"
    return f"{count} bytes"


class BoundedSocket:
    """A connected socket whose reads count against the exchange of the thread that reads."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._silence: float | None = inner.gettimeout()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def settimeout(self, seconds: float | None) -> None:
        self._silence = seconds
        self._inner.settimeout(seconds)

    def recv(self, count: int, flags: int = 0) -> bytes:
        exchange = _current.get()
        if exchange is None:
            data: bytes = self._inner.recv(count, flags)
            return data
        data = self._within(exchange, lambda: self._inner.recv(count, flags))
        exchange.took(len(data))
        return data

    def recv_into(self, buffer: Any, count: int = 0, flags: int = 0) -> int:
        exchange = _current.get()
        if exchange is None:
            read: int = self._inner.recv_into(buffer, count, flags)
            return read
        read = self._within(exchange, lambda: self._inner.recv_into(buffer, count, flags))
        exchange.took(read)
        return read

    def sendall(self, data: Any, flags: int = 0) -> None:
        exchange = _current.get()
        if exchange is not None:
            self._inner.settimeout(min(exchange.left(), self._limit()))
        self._inner.sendall(data, flags)

    def makefile(self, mode: str = "rb", buffering: int | None = None, **_: Any) -> Any:
        assert mode == "rb", mode
        getattr(self._inner, "socket", self._inner)._io_refs += 1  # closing the socket waits for its files
        raw = socket.SocketIO(self, "r")  # type: ignore[arg-type]
        return raw if buffering == 0 else io.BufferedReader(raw)

    def _limit(self) -> float:
        return float("inf") if self._silence is None else self._silence

    def _within(self, exchange: Exchange, receive: Callable[[], Any]) -> Any:
        silent = time.monotonic() + self._limit()
        while True:
            left = min(exchange.left(), silent - time.monotonic())
            self._inner.settimeout(max(0.001, min(left, SLICE_SECONDS)))
            try:
                return receive()
            except TimeoutError:
                if time.monotonic() >= silent:
                    raise
            finally:
                self._inner.settimeout(self._silence)


class _Options:
    """Socket options of urllib3, which goes through them for each address of a host, and gives each its whole timeout:
    once the time is over, no further one is tried.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner or ()

    def __iter__(self) -> Iterator[Any]:
        exchange = _current.get()
        if exchange is not None:
            exchange.left()
        return iter(self._inner)


class Bounded:
    """Mixin for connection classes of http.client and of urllib3."""

    sock: Any
    timeout: Any
    socket_options: Any

    def connect(self) -> None:
        exchange = _current.get()
        if exchange is not None:
            left = exchange.left()
            self.timeout = min(left, self.timeout) if isinstance(self.timeout, int | float) else left
            if hasattr(self, "socket_options") and not isinstance(self.socket_options, _Options):
                self.socket_options = _Options(self.socket_options)
        super().connect()  # type: ignore[misc]  # it is mixed in before the connection
        self.sock = BoundedSocket(self.sock)

    def _tunnel(self) -> None:
        """The answer of a proxy, before TLS is negotiated through it."""
        inner, self.sock = self.sock, BoundedSocket(self.sock)
        try:
            super()._tunnel()  # type: ignore[misc]
        finally:
            self.sock = inner if self.sock is not None else None
