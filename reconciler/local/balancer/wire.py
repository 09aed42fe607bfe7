"""A connection whose bytes aiohttp's parser (llhttp) turns into HTTP messages, or which is a tunnel by now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from aiohttp.base_protocol import BaseProtocol

HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"te", b"transfer-encoding", b"upgrade"}
)
BUFFER = 256 * 1024  # bytes of a body that may wait here before its sender is held up
Headers = Iterable[tuple[bytes, bytes]]


class Body(Protocol):
    """A message's body while it arrives (aiohttp's StreamReader)."""

    def is_eof(self) -> bool: ...

    def at_eof(self) -> bool: ...

    async def readany(self) -> bytes: ...

    def read_nowait(self, n: int = -1) -> bytes: ...


class Wire(BaseProtocol):
    """One TCP connection, on either side of the balancer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.tunnel: Wire | None = None

    def send(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    async def flushed(self) -> None:
        """Until the other end has read enough; raises ConnectionError when it is gone."""
        await self._drain_helper()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.tunnel is not None and self.tunnel.transport is not None:
            self.tunnel.transport.resume_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.tunnel is not None and self.tunnel.transport is not None:
            self.tunnel.transport.pause_reading()


class Client(Wire):
    """A client's side, as those who answer it see it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, listener_arn: str) -> None:
        super().__init__(loop)
        self.listener_arn = listener_arn
        self.peer = ""
        self.early = b""  # what came right behind a request to upgrade
        self.busy = False  # a request is being answered
        self.since = loop.time()  # since when it has been idle, if it is


def kept(headers: Headers, *, also: frozenset[bytes] = frozenset()) -> list[tuple[bytes, bytes]]:
    """The headers that concern the other end: all but those of this hop, the ones that `Connection` names included."""
    rest = []
    named: set[bytes] = set()
    for name, value in headers:
        lower = name.lower()
        if lower == b"connection":
            named.update(token.strip().lower() for token in value.split(b","))
        elif lower not in HOP_BY_HOP and lower not in also:
            rest.append((name, value))
    named -= {b"close", b"keep-alive", b"upgrade", b""}
    return [(name, value) for name, value in rest if name.lower() not in named] if named else rest


def block(first: bytes, headers: Headers) -> bytes:
    """A message head: first line, headers, empty line."""
    return b"\r\n".join([first, *(name + b": " + value for name, value in headers), b"", b""])


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
