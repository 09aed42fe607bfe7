"""Connections to targets: one HTTP exchange after the other, kept open in between and used again.

A kept connection may have been closed by the target in the very moment in which a request leaves. Such a request is
sent again, if it may be (exchange.py); and connections are not kept longer than any common server keeps them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from aiohttp.http_parser import HttpResponseParser, RawResponseMessage
from aiohttp.streams import EMPTY_PAYLOAD

from reconciler.local.balancer.table import Endpoint
from reconciler.local.balancer.wire import BUFFER, Body, Wire

LONGEST_IDLE = 1.5  # seconds; gunicorn closes after 2, node and uvicorn after 5
CONNECT_TIMEOUT = 10.0  # seconds, an ALB's own
BODILESS = frozenset({204, 304})


UNVERIFIED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""A load balancer does not verify the certificates of targets, and tells them no name."""
UNVERIFIED.check_hostname = False
UNVERIFIED.verify_mode = ssl.CERT_NONE


AnyWire = TypeVar("AnyWire", bound=Wire)


class Lost(Exception):
    """The target closed, or sent what is not HTTP, before its answer's head was complete."""


class Upstream(Wire):
    def __init__(self, loop: asyncio.AbstractEventLoop, endpoint: Endpoint) -> None:
        super().__init__(loop)
        self.endpoint = endpoint
        self.used = False  # has carried an exchange before the present one
        self.heard = False  # a byte of the present answer has arrived
        self.early = b""  # what came right behind a 101
        self.idle_since = 0.0
        self._asked = False  # an exchange is under way
        self._may_stay = False  # as far as the answer's head says
        self._heads: list[tuple[RawResponseMessage, Body]] = []
        self._waiter: asyncio.Future[None] | None = None
        self._failed: Lost | None = None
        self._body: Any = EMPTY_PAYLOAD
        self._plain = False  # the parser is between two messages and may go on with the next

    def begin(self, *, head_only: bool) -> None:
        """An exchange begins: the next bytes are the head of its answer."""
        self.heard = False
        self._asked = True
        self._may_stay = False
        if head_only or not self._plain:
            self._parser = HttpResponseParser(
                self,
                self._loop,
                BUFFER,
                response_with_body=not head_only,
                read_until_eof=True,
                auto_decompress=False,
                max_line_size=64 * 1024,
                max_field_size=64 * 1024,
            )
        self._plain = not head_only

    async def head(self) -> tuple[RawResponseMessage, Body]:
        """The next head that arrives, 1xx included; raises Lost."""
        if not self._heads:
            if self._failed is None and self.transport is None:
                self._failed = Lost("closed")
            if self._failed is not None:
                raise self._failed
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message, body = self._heads.pop(0)
        if message.code in BODILESS:
            self._plain = False
        self._may_stay = message.code >= 200 and not message.should_close
        return message, body

    def finish(self) -> bool:
        """The exchange is over; True when the connection can carry another one."""
        self._asked = False
        whole = self._body.is_eof() and not self._heads
        return self._may_stay and whole and self.transport is not None and not self.transport.is_closing()

    def data_received(self, data: bytes) -> None:
        if self.tunnel is not None:
            self.tunnel.send(data)
            return
        if not self._asked or self._parser is None:  # an answer that nobody asked for must not become the next one's
            self.close()
            return
        self.heard = self.heard or bool(data)
        try:
            messages, upgraded, tail = self._parser.feed_data(data)
        except Exception as error:  # noqa: BLE001 - whatever the parser says, it is not HTTP
            self._fail(Lost(f"not HTTP: {error}"))
            self.abort()
            return
        for message, body in messages:
            empty = message.code in BODILESS or message.code < 200
            self._body = EMPTY_PAYLOAD if empty else body
            self._heads.append((message, self._body))
        self._upgraded = upgraded
        self.early += tail
        if messages:
            self._wake()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self.tunnel is not None:
            self.tunnel.close()
            return
        self._fail(Lost("closed"))

    def _fail(self, error: Lost) -> None:
        """A body that lasts until the end is complete now; any other one is cut short, and says so to its reader."""
        self._failed = error
        if self._body is not EMPTY_PAYLOAD and not self._body.is_eof():
            try:
                assert self._parser is not None
                self._parser.feed_eof()
            except Exception as cut:  # noqa: BLE001 - the parser's reason becomes the reader's
                self._body.set_exception(cut)
        self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._heads:
            waiter.set_result(None)
        else:
            assert self._failed is not None
            waiter.set_exception(self._failed)


async def connected(loop: asyncio.AbstractEventLoop, protocol: Callable[[], AnyWire], endpoint: Endpoint) -> AnyWire:
    """A new connection to a target; raises OSError (refused, or no TLS) or TimeoutError."""
    secure: Any = {"ssl": UNVERIFIED, "server_hostname": ""} if endpoint.tls else {}
    connecting = loop.create_connection(protocol, endpoint.host, endpoint.port, **secure)
    _, made = await asyncio.wait_for(connecting, CONNECT_TIMEOUT)
    return made


class Pool:
    """Idle connections by target, the latest used first, and how many requests each target has at the moment."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._idle: dict[Endpoint, list[Upstream]] = {}
        self._known: Collection[Endpoint] = frozenset()
        self.outstanding: Counter[Endpoint] = Counter()

    async def take(self, endpoint: Endpoint, *, fresh: bool) -> Upstream:
        """A connection that is open as far as one can know; raises OSError (refused) or TimeoutError."""
        self.outstanding[endpoint] += 1
        try:
            idle = self._idle.get(endpoint) if not fresh else None
            while idle:
                upstream = idle.pop()
                young = self._loop.time() - upstream.idle_since < LONGEST_IDLE
                if young and upstream.transport is not None and not upstream.transport.is_closing():
                    return upstream
                upstream.close()
            return await connected(self._loop, lambda: Upstream(self._loop, endpoint), endpoint)
        except BaseException:
            self._ended(endpoint)
            raise

    def give_back(self, upstream: Upstream) -> None:
        """The exchange is over: keep the connection if it can carry another one to a target that is still wanted."""
        self._ended(upstream.endpoint)
        if upstream.finish() and upstream.endpoint in self._known:
            upstream.used = True
            upstream.idle_since = self._loop.time()
            self._idle.setdefault(upstream.endpoint, []).append(upstream)
        else:
            upstream.close()

    def keep_only(self, endpoints: Collection[Endpoint]) -> None:
        """Close what is idle for targets that get nothing any more; exchanges under way end as they began."""
        self._known = endpoints
        for endpoint in [endpoint for endpoint in self._idle if endpoint not in endpoints]:
            for upstream in self._idle.pop(endpoint):
                upstream.close()

    def sweep(self) -> None:
        """Close what has been idle too long, so that targets are not kept from closing down."""
        oldest = self._loop.time() - LONGEST_IDLE
        for endpoint, idle in list(self._idle.items()):
            for upstream in idle:
                if upstream.idle_since < oldest:
                    upstream.close()
            young = [upstream for upstream in idle if upstream.idle_since >= oldest]
            if young:
                self._idle[endpoint] = young
            else:
                del self._idle[endpoint]

    @property
    def idle(self) -> int:
        return sum(len(idle) for idle in self._idle.values())

    def _ended(self, endpoint: Endpoint) -> None:
        self.outstanding[endpoint] -= 1
        if self.outstanding[endpoint] <= 0:
            del self.outstanding[endpoint]
