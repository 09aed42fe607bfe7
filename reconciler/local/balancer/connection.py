"""A client's connection to a listener of a network load balancer: bytes go both ways until either side closes.

Each connection is to one target, which is chosen when it is made. It stays there, whatever happens to the target group.
"""

from __future__ import annotations

import asyncio

from reconciler.local.balancer.board import Board
from reconciler.local.balancer.table import Endpoint
from reconciler.local.balancer.upstream import connected
from reconciler.local.balancer.wire import Client, Wire


class _Target(Wire):
    def data_received(self, data: bytes) -> None:
        if self.tunnel is not None:
            self.tunnel.send(data)

    def eof_received(self) -> bool:
        return _ended(self.tunnel)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self.tunnel is not None:
            self.tunnel.close()


class Connection(Client):
    def __init__(self, board: Board, listener_arn: str) -> None:
        super().__init__(board.loop, listener_arn)
        self._board = board
        self._task: asyncio.Task[None] | None = None
        self.busy = True  # it is never idle

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        self.transport.pause_reading()
        self._board.clients.add(self)
        self._task = self._loop.create_task(self._connect())

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._board.clients.discard(self)
        if self._task is not None:
            self._task.cancel()
        if self.tunnel is not None:
            self.tunnel.close()

    def data_received(self, data: bytes) -> None:
        if self.tunnel is not None:
            self.tunnel.send(data)

    def eof_received(self) -> bool:
        return _ended(self.tunnel)

    async def _connect(self) -> None:
        endpoint = self._chosen()
        if endpoint is None:
            self.abort()
            return
        try:
            target = await connected(self._loop, lambda: _Target(self._loop), endpoint)
        except (OSError, TimeoutError):
            self.abort()
            return
        if self.transport is None:
            target.close()
            return
        self.tunnel, target.tunnel = target, self
        self.transport.resume_reading()

    def _chosen(self) -> Endpoint | None:
        """Of the only rule that such a listener has."""
        served = self._board.served.get(self.listener_arn)
        weights = served.rules[-1].weights if served is not None and served.rules else None
        arn = weights.next() if weights is not None else None
        group = self._board.table.groups.get(arn) if arn else None
        return None if group is None else self._board.turns.next(group, self._board.pool.outstanding.__getitem__)


def _ended(other: Wire | None) -> bool:
    """One side has said all it wants to say, and may still want to hear the other."""
    if other is None or other.transport is None or not other.transport.can_write_eof():
        return False
    other.transport.write_eof()
    return True
