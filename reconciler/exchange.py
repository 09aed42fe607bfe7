"""Exchange with a peer: one deadline for the whole of it, and a limit on the bytes that are read.

A timeout of a socket starts again with every byte, so a peer that sends one byte every few seconds holds a client for
as long as it likes. Inside `with Exchange(seconds, most_bytes)` every read of this thread counts against one deadline,
whichever library makes it, as long as its connections are `Bounded`:

    class Connection(Bounded, http.client.HTTPConnection): ...

The addresses of a host share one time for connecting, and its name is resolved in a thread of its own, because nothing
ends a resolver. A TLS handshake and a send need nothing more: Python limits each as a whole by the socket's timeout.
Reads wait in short slices, so an exchange also ends soon after its `stop` is set.

It is one module because resolving, connecting and reading all spend the time of the same exchange, which nothing else
may touch.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from queue import Empty, Queue
from types import TracebackType
from typing import Any, Final, TypeVar

T = TypeVar("T")

SLICE_SECONDS: Final = 0.5
"""Longest time for which a read does not notice that it was stopped."""
RESOLVE_SECONDS: Final = 15.0
"""Time for the name of a host."""


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


def resolved(host: str, port: int | str | None) -> list[str]:
    """The addresses of a host, within the exchange of this thread. Raises `OSError`."""
    exchange = _current.get()
    try:
        return _addresses(host, port, socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):
        if exchange is None:
            return _addresses(host, port)
    found: Queue[list[str] | OSError] = Queue()

    def resolve() -> None:
        try:
            found.put(_addresses(host, port))
        except (OSError, UnicodeError) as error:
            found.put(error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, str(error)))

    threading.Thread(target=resolve, name="resolver", daemon=True).start()
    end = time.monotonic() + RESOLVE_SECONDS
    while (left := end - time.monotonic()) > 0:
        try:
            answer = found.get(timeout=min(left, exchange.left(), SLICE_SECONDS))
        except Empty:
            continue
        if isinstance(answer, OSError):
            raise answer
        return answer
    raise socket.gaierror(socket.EAI_AGAIN, f"the name was not resolved within {RESOLVE_SECONDS:g} s")


def _addresses(host: str, port: int | str | None, flags: int = 0) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def _connected(
    addresses: Sequence[str],
    seconds: float | None,
    connect: Callable[[str, float], T],
    refusals: tuple[type[Exception], ...] = (OSError,),
) -> T:
    """What `connect` gives for the first address that answers. Each but the last has half of the time that is left.

    `refusals` are the errors of the library for an address that does not; the last one is raised.
    """
    exchange = _current.get()
    assert exchange is not None
    end = time.monotonic() + min(exchange.left(), float("inf") if seconds is None else seconds)
    fault: Exception | None = None
    for place, address in enumerate(addresses, start=1):
        left = min(end - time.monotonic(), exchange.left())
        if left <= 0:
            break
        try:
            return connect(address, left if place == len(addresses) else left / 2)
        except Exceeded:
            raise
        except refusals as error:
            fault = error
    raise fault or TimeoutError("timed out")


def _create_connection(
    address: tuple[str, int], timeout: float | None = None, source_address: tuple[str, int] | None = None
) -> socket.socket:
    """`socket.create_connection` of an exchange."""

    def connect(host: str, share: float) -> socket.socket:
        return socket.create_connection((host, address[1]), share, source_address)

    if _current.get() is None:
        return socket.create_connection(address, timeout, source_address)
    sock = _connected(resolved(*address), timeout, connect)
    sock.settimeout(timeout)
    return sock


class Bounded:
    """Mixin for connection classes of http.client and of urllib3."""

    sock: Any
    timeout: Any

    def connect(self) -> None:
        exchange = _current.get()
        if exchange is not None:
            left = exchange.left()
            self.timeout = min(left, self.timeout) if isinstance(self.timeout, int | float) else left
            self._create_connection = _create_connection  # of http.client
        super().connect()  # type: ignore[misc]  # it is mixed in before the connection
        self.sock = BoundedSocket(self.sock)

    def _new_conn(self) -> Any:
        """A connected socket, in urllib3, which resolves `_dns_host` and goes through its addresses by itself."""
        inner: Callable[[], Any] = super()._new_conn  # type: ignore[misc]
        if _current.get() is None:
            return inner()
        from urllib3.exceptions import HTTPError, NameResolutionError

        this: Any = self
        host, seconds = this._dns_host, this.timeout

        def connect(address: str, share: float) -> Any:
            this._dns_host, this.timeout = address, share
            return inner()

        try:
            sock = _connected(resolved(host, this.port), seconds, connect, (OSError, HTTPError))
        except socket.gaierror as error:
            raise NameResolutionError(host, this, error) from error
        finally:
            this._dns_host, this.timeout = host, seconds
        sock.settimeout(seconds)
        return sock

    def _tunnel(self) -> None:
        """The answer of a proxy, before TLS is negotiated through it."""
        inner, self.sock = self.sock, BoundedSocket(self.sock)
        try:
            super()._tunnel()  # type: ignore[misc]
        finally:
            self.sock = inner if self.sock is not None else None
