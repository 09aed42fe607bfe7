"""HTTP/1.1 as far as this app needs it: request heads in, answers out, bodies skipped.

head ──► answer ──► head …          a body announced by Content-Length is skipped first
  └────► refuse and close           what cannot be parsed, is too long, or has a body of unknown length
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

from app.pages import Answer

LONGEST_HEAD = 16 * 1024
LONGEST_BODY = 1024 * 1024  # nothing here takes one: more is not even skipped

# Token characters of RFC 9110; a method or a header name has no others.
TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    keep_alive: bool = True
    body_length: int = 0


class Malformed(Exception):
    """The request cannot be understood: answered with `status`, and the connection is closed."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def parse(head: bytes) -> Request:
    """A request head without its final empty line; raises Malformed."""
    first, *lines = head.split(b"\r\n")
    parts = first.split(b" ")
    if len(parts) != 3 or not parts[0] or not TOKEN.issuperset(parts[0]):
        raise Malformed(400, "request line")
    method, target, version = parts
    if version not in {b"HTTP/1.1", b"HTTP/1.0"}:
        raise Malformed(505 if version.startswith(b"HTTP/") else 400, "version")
    if not target or any(byte <= 0x20 or byte >= 0x7F for byte in target):
        raise Malformed(400, "target")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or not TOKEN.issuperset(name) or b"\0" in value or b"\r" in value or b"\n" in value:
            raise Malformed(400, "header")
        key = name.decode().lower()
        text = value.strip(b" \t").decode("latin-1")
        if key in {"host", "content-length", "transfer-encoding"} and key in headers:
            raise Malformed(400, f"two {key}")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    if version == b"HTTP/1.1" and "host" not in headers:
        raise Malformed(400, "no host")
    if "transfer-encoding" in headers:
        raise Malformed(400 if "content-length" in headers else 411, "transfer-encoding")
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or len(length) > 12:
        raise Malformed(400, "content-length")
    if int(length) > LONGEST_BODY:
        raise Malformed(413, "body too long")
    connection = {token.strip() for token in headers.get("connection", "").lower().split(",")}
    keep_alive = "close" not in connection if version == b"HTTP/1.1" else "keep-alive" in connection
    return Request(method.decode(), _path(target.decode()), headers, keep_alive, int(length))


def _path(target: str) -> str:
    if "://" in target.partition("?")[0]:  # absolute form, as a proxy gets it
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    return target.partition("?")[0]


@dataclass(slots=True)
class Activity:
    """What all connections have in common: who is there, what was asked, whether the end is near."""

    answer: Callable[[Request], Answer]
    refused: Callable[[Malformed], None]
    version: str
    connections: set[Connection] = field(default_factory=set)
    requests: int = 0
    last_request: float = 0.0
    draining: bool = False


class Connection(asyncio.Protocol):
    """One client. Answers leave in the order of the requests, pipelined ones too."""

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._buffer = b""
        self._skip = 0
        self._transport: asyncio.Transport | None = None

    @property
    def idle(self) -> bool:
        """Nothing of a request has arrived that is not answered yet, and every answer has left."""
        written = self._transport is None or self._transport.get_write_buffer_size() == 0
        return not self._buffer and not self._skip and written

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._activity.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._activity.connections.discard(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._buffer += data
        try:
            while self._take_one():
                pass
        except Malformed as error:
            self._buffer = b""
            self._activity.refused(error)
            self._send(Answer(error.status, f"{HTTPStatus(error.status).phrase}\n".encode()), keep_alive=False)

    def pause_writing(self) -> None:
        """A client that does not read its answers gets no more of them."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _take_one(self) -> bool:
        """Answer one request of the buffer; False when more bytes are needed."""
        if self._skip:
            skipped = min(self._skip, len(self._buffer))
            self._buffer = self._buffer[skipped:]
            self._skip -= skipped
        self._buffer = self._buffer.lstrip(b"\r\n") if not self._skip else self._buffer
        if self._skip or not self._buffer:
            return False
        end = self._buffer.find(b"\r\n\r\n", 0, LONGEST_HEAD)
        if end < 0:
            if len(self._buffer) >= LONGEST_HEAD:
                raise Malformed(431, "head too long")
            return False
        request = parse(self._buffer[:end])
        self._buffer = self._buffer[end + 4 :]
        self._skip = request.body_length
        keep_alive = request.keep_alive and not self._activity.draining
        self._send(self._activity.answer(request), keep_alive=keep_alive, head_only=request.method == "HEAD")
        return keep_alive

    def _send(self, answer: Answer, *, keep_alive: bool, head_only: bool = False) -> None:
        assert self._transport is not None
        lines = [
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
            f"Date: {formatdate(usegmt=True)}",
            f"Content-Type: {answer.kind}",
            f"Content-Length: {len(answer.body)}",
            f"X-App-Version: {self._activity.version}",
            *(f"{name}: {value}" for name, value in answer.headers),
        ]
        if not keep_alive:
            lines.append("Connection: close")
        self._transport.write("\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if head_only else answer.body))
        if not keep_alive:
            self._buffer = b""
            self._transport.close()
