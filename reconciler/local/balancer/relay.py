"""One request to one target and the answer back: heads rewritten as an ALB does, bodies streamed as they come."""

from __future__ import annotations

import asyncio
import random
import time

from aiohttp.http import HttpVersion11
from aiohttp.http_parser import RawRequestMessage, RawResponseMessage

from reconciler.local.balancer.board import Board, Count, Served, step
from reconciler.local.balancer.choice import cookies
from reconciler.local.balancer.table import Endpoint, Group
from reconciler.local.balancer.upstream import BODILESS, Upstream
from reconciler.local.balancer.wire import LAST_CHUNK, Body, Client, block, chunk, kept
from reconciler.local.ports import Forward

FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port"})


class Cut(Exception):
    """The answer broke off after its head had been passed on: the client can only be told by closing."""


def origin(request: RawRequestMessage) -> str:
    """The request's target as a server wants it, also when a client sent it as one sends it to a proxy."""
    if request.path.startswith("/") or request.path == "*":
        return request.path
    return request.url.raw_path_qs or "/"


class Relay:
    """One attempt at one target."""

    def __init__(
        self,
        board: Board,
        client: Client,
        request: RawRequestMessage,
        body: Body,
        complete: bytes | None,
        served: Served,
        action: Forward,
        group: Group,
    ) -> None:
        self.begun = False  # the answer's head has been passed on
        self._board = board
        self._client = client
        self._request = request
        self._body = body
        self._complete = complete
        self._served = served
        self._action = action
        self._group = group

    async def run(self, upstream: Upstream, deadline: asyncio.Timeout, seconds: float) -> bool:
        """True when the client's connection can carry another request; raises Lost, Cut, TimeoutError."""
        upstream.begin(head_only=self._request.method == "HEAD")
        head = self._request_head(upstream.endpoint)
        pump: asyncio.Task[None] | None = None
        if self._complete is None:
            upstream.send(head)
            pump = asyncio.create_task(self._pump(upstream, deadline, seconds))
        else:
            upstream.send(head + self._framed(self._complete, last=True))
        sent = self._board.loop.time()
        try:
            response, body = await upstream.head()
            while response.code < 200 and response.code != 101:
                if self._request.version >= HttpVersion11:
                    self._client.send(block(_status_line(response), kept(response.raw_headers)))
                response, body = await upstream.head()
            took = step(self._board.loop.time() - sent)
            listener = self._served.listener.listener_arn
            self._board.counts[Count(listener, self._group.arn, response.code, "target", took)] += 1
            if response.code == 101:
                await self._tunnel(upstream, response, deadline)
            keep = await self._pass_on(upstream, response, body, deadline, seconds)
            return keep and (pump is None or pump.done())
        finally:
            if pump is not None and not pump.done():
                upstream.abort()
                pump.cancel()

    # ---- towards the target -----------------------------------------------------------------------------------------

    def _request_head(self, endpoint: Endpoint) -> bytes:
        request, listener = self._request, self._served.listener
        headers = kept(request.raw_headers, also=FORWARDED)
        before = [value for name, value in request.raw_headers if name.lower() == b"x-forwarded-for"]
        headers.append((b"X-Forwarded-For", b", ".join([*before, self._client.peer.encode()])))
        headers.append((b"X-Forwarded-Proto", listener.protocol.lower().encode()))
        headers.append((b"X-Forwarded-Port", str(listener.port).encode()))
        if "X-Amzn-Trace-Id" not in request.headers:
            headers.append((b"X-Amzn-Trace-Id", b"Root=1-%08x-%024x" % (int(time.time()), random.getrandbits(96))))
        if "Host" not in request.headers:
            headers.append((b"Host", f"{endpoint.host}:{endpoint.port}".encode()))
        if request.chunked:
            headers.append((b"Transfer-Encoding", b"chunked"))
        if request.upgrade and request.headers.get("Upgrade", "").lower() == "websocket":
            headers.append((b"Connection", b"upgrade"))
            headers.append((b"Upgrade", b"websocket"))
        target = origin(request).partition("#")[0].encode("utf-8", "surrogateescape")
        return block(b"%b %b HTTP/1.1" % (request.method.encode(), target), headers)

    def _framed(self, data: bytes, *, last: bool = False) -> bytes:
        if not self._request.chunked:
            return data
        return (chunk(data) if data else b"") + (LAST_CHUNK if last else b"")

    async def _pump(self, upstream: Upstream, deadline: asyncio.Timeout, seconds: float) -> None:
        """The request's body, as it arrives and no faster than the target takes it."""
        try:
            while data := await self._body.readany():
                upstream.send(self._framed(data))
                await upstream.flushed()
                if not deadline.expired():
                    deadline.reschedule(self._board.loop.time() + seconds)
            upstream.send(self._framed(b"", last=True))
        except Exception:  # noqa: BLE001 - either side is gone; the one that waits for the answer sees it too
            upstream.abort()

    # ---- back to the client -----------------------------------------------------------------------------------------

    async def _pass_on(
        self,
        upstream: Upstream,
        response: RawResponseMessage,
        body: Body,
        deadline: asyncio.Timeout,
        seconds: float,
    ) -> bool:
        client, request = self._client, self._request
        headers = kept(response.raw_headers)
        bodiless = request.method == "HEAD" or response.code in BODILESS
        counted = bodiless or (not response.chunked and "Content-Length" in response.headers)
        chunked = not counted and request.version >= HttpVersion11
        keep = not request.should_close and not request.upgrade and (counted or chunked)
        if self._action.stickiness or self._group.stickiness:
            headers.extend(cookies(self._action, self._group, upstream.endpoint, headers))
        if chunked:
            headers.append((b"Transfer-Encoding", b"chunked"))
        headers.append((b"Connection", b"keep-alive" if keep else b"close"))
        head = block(_status_line(response), headers)
        self.begun = True
        if body.is_eof():  # all of it is here already: one write
            data = body.read_nowait()
            if chunked:
                data = (chunk(data) if data else b"") + LAST_CHUNK
            client.send(head + data)
            await client.flushed()
            return keep
        client.send(head)
        try:
            while data := await body.readany():
                client.send(chunk(data) if chunked else data)
                await client.flushed()
                deadline.reschedule(self._board.loop.time() + seconds)
        except (asyncio.CancelledError, TimeoutError):
            raise
        except Exception as error:
            raise Cut from error
        if chunked:
            client.send(LAST_CHUNK)
        return keep

    async def _tunnel(self, upstream: Upstream, response: RawResponseMessage, deadline: asyncio.Timeout) -> None:
        """From here on bytes go both ways until one side closes, which cancels the client's task: never returns."""
        deadline.reschedule(None)
        headers = kept(response.raw_headers)
        headers.append((b"Connection", b"upgrade"))
        headers.append((b"Upgrade", b"websocket"))
        self.begun = True
        client = self._client
        client.send(block(_status_line(response), headers) + upstream.early)
        upstream.send(client.early)
        client.tunnel, upstream.tunnel = upstream, client
        if upstream.transport is None:
            raise Cut
        await self._board.loop.create_future()


def _status_line(response: RawResponseMessage) -> bytes:
    return f"HTTP/1.1 {response.code} {response.reason}".encode("utf-8", "surrogateescape")
