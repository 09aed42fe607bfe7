"""A client's connection: requests are answered one after the other, in their order, until either side has enough."""

from __future__ import annotations

import asyncio
from collections import deque

from aiohttp.http_parser import HttpRequestParser, RawRequestMessage

from reconciler.local.balancer import exchange
from reconciler.local.balancer.board import Board
from reconciler.local.balancer.wire import BUFFER, Body, Client

LONGEST_LINE = 16 * 1024  # an ALB's limit for the request line and for one header
MOST_QUEUED = 16  # pipelined requests that wait here; more stay in the socket


class Downstream(Client):
    def __init__(self, board: Board, listener_arn: str) -> None:
        super().__init__(board.loop, listener_arn)
        self._board = board
        self._requests: deque[tuple[RawRequestMessage, Body] | None] = deque()  # None: not HTTP
        self._waiter: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.peer = (transport.get_extra_info("peername") or ("127.0.0.1",))[0]
        self._parser = HttpRequestParser(
            self, self._loop, BUFFER, max_line_size=LONGEST_LINE, max_field_size=LONGEST_LINE, auto_decompress=False
        )
        self._board.clients.add(self)
        self._task = self._loop.create_task(self._serve())

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._board.clients.discard(self)
        if self.tunnel is not None:
            self.tunnel.close()
        if self._task is not None:
            self._task.cancel()

    def eof_received(self) -> bool:
        """A client that has said all it wants to say may still want the answers."""
        if self.tunnel is not None:
            return False
        self._ended = True
        self._wake()
        assert self.transport is not None
        return self.transport.can_write_eof()  # TLS cannot be closed in one direction

    def data_received(self, data: bytes) -> None:
        if self.tunnel is not None:
            self.tunnel.send(data)
            return
        if self._upgraded:
            self.early += data
            if len(self.early) > BUFFER:  # nobody speaks so long before the other side has agreed
                self.close()
            return
        assert self._parser is not None
        try:
            messages, self._upgraded, tail = self._parser.feed_data(data)
        except Exception:  # noqa: BLE001 - whatever the parser says, it is not HTTP
            self._requests.append(None)
            self._wake()
            return
        self.early += tail
        if messages:
            self._requests.extend(messages)
            if len(self._requests) > MOST_QUEUED:
                self._pause_transport_reading()
            self._wake()

    async def _serve(self) -> None:
        try:
            while True:
                if not self._requests:
                    if self._ended or self.transport is None:
                        return
                    await self._arrival()
                    continue
                request = self._requests.popleft()
                if len(self._requests) == MOST_QUEUED and not self._reading_paused:
                    self._resume_transport_reading()
                self.busy = True
                if request is None:
                    exchange.refuse(self)
                    return
                if not await exchange.answer(self._board, self, *request):
                    return
                self.busy = False
                self.since = self._loop.time()
        except ConnectionError:
            return  # the client has gone away in the middle of its answer
        finally:
            self.close()

    async def _arrival(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
