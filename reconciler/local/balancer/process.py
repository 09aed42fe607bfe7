"""The balancer's own process: `python -m reconciler.local.balancer.process DESCRIPTOR`.

It is a process of its own so that whatever the AWS emulator computes holds up no request: Python runs one thread at a
time, and a request takes its turn a dozen times. It ends when the other end of its channel is gone, however that went.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, assert_never

from reconciler.local.balancer.board import Board
from reconciler.local.balancer.channel import Listen, Serve, Tell, receive, send
from reconciler.local.balancer.connection import Connection
from reconciler.local.balancer.downstream import Downstream

BACKLOG = 1024
SWEEP_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Server:
    """`listening` stays open when the listener is served anew; the server has a descriptor of its own."""

    server: asyncio.Server
    listening: socket.socket
    oldest_tls: str | None

    def close(self) -> None:
        self.server.close()
        self.listening.close()


class Process:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._board = Board(loop)
        self._servers: dict[str, Server] = {}

    async def answer(self, message: Listen | Serve | Tell, descriptors: list[int]) -> Any:
        match message:
            case Listen():
                for arn, descriptor in zip(message.listener_arns, descriptors, strict=True):
                    await self._listen(arn, socket.socket(fileno=descriptor))
                return None
            case Serve():
                self._board.apply(message.table)
                for arn, server in list(self._servers.items()):
                    if arn not in self._board.served:
                        self._servers.pop(arn).close()
                    elif server.oldest_tls != self._oldest_tls(arn):
                        await self._listen(arn, server.listening.dup())
                return None
            case Tell():
                return self._board.taken()
            case _:
                assert_never(message)

    async def sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            self._board.sweep()

    async def _listen(self, arn: str, listening: socket.socket) -> None:
        """From now on as the table says; a change between plain and TLS keeps the socket and what waits in it."""
        if arn in self._servers:
            self._servers.pop(arn).close()
        served = self._board.served.get(arn)
        of_connections = served is not None and served.listener.protocol in ("TCP", "TLS", "TCP_UDP")
        client = Connection if of_connections else Downstream
        oldest = self._oldest_tls(arn)
        context = None if oldest is None else self._context(arn, oldest)
        server = await self._loop.create_server(
            lambda: client(self._board, arn), sock=listening.dup(), backlog=BACKLOG, ssl=context
        )
        self._servers[arn] = Server(server, listening, oldest)

    def _oldest_tls(self, arn: str) -> str | None:
        """None for a listener without TLS."""
        served = self._board.served.get(arn)
        return None if served is None or served.certificates is None else served.listener.oldest_tls

    def _context(self, arn: str, oldest: str) -> ssl.SSLContext:
        """Shows the certificates that the listener has at the moment."""

        def show(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
            served = self._board.served.get(arn)
            if served is None or served.certificates is None:
                return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
            connection.context = served.certificates.chosen(name)
            return None

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion[oldest.replace(".", "_")]
        context.sni_callback = show
        return context


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the local AWS emulator's to act upon
    channel = socket.socket(fileno=int(sys.argv[1]))
    run(_serve(channel))


async def _serve(channel: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    process = Process(loop)
    sweeping = asyncio.create_task(process.sweep())
    threading.Thread(target=_converse, args=(channel, process, loop), daemon=True).start()
    await sweeping


def _converse(channel: socket.socket, process: Process, loop: asyncio.AbstractEventLoop) -> None:
    """Questions come one at a time, each answered before the next; without anybody to ask there is nothing to do."""
    try:
        while True:
            message, descriptors = receive(channel)
            asked = asyncio.run_coroutine_threadsafe(process.answer(message, descriptors), loop)
            send(channel, asked.result())
    except (EOFError, OSError):
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a thread's end must be the process's: it is started again
        sys.excepthook(*sys.exc_info())
        os._exit(1)


def run(main: Awaitable[None]) -> None:
    """With uvloop's event loop where it is installed: twice as fast, and otherwise the same."""

    async def whole() -> None:
        await main

    if importlib.util.find_spec("uvloop") is not None:
        with asyncio.Runner(loop_factory=importlib.import_module("uvloop").new_event_loop) as runner:
            runner.run(whole())
    else:
        asyncio.run(whole())


if __name__ == "__main__":
    main()
