"""Serving of the HTTP server: its thread, its socket, and what a connection may take.

Clients cannot exhaust the process: connections are counted, the whole of a request arrives within seconds, a response
is taken within a minute, and heads are short. This machine has places of its own, for the health check of the
container: others must not be able to have the process replaced. It is the only part of the product that runs on
asyncio, and nothing waits for it.

The protocol is uvicorn's; what is added are the limits, for which it has no settings.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Final

import h11
from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from reconciler import errors, http_guard
from reconciler.server.app import LARGEST_HEAD

MOST_AT_ONCE: Final = 256
MOST_LOCAL: Final = 2
"""Further connections at a time from this machine, where others can connect, too."""
WAITING: Final = 256
"""Connections that wait to be accepted."""
REQUEST_SECONDS: Final = 5.0
RESPONSE_SECONDS: Final = 60.0
IDLE_SECONDS: Final = 15
"""How long a connection may wait for its next request: a page that is open asks every two seconds."""
STOP_SECONDS: Final = 0.25
WORKERS: Final = 16
"""Threads of all that takes time, of which each sort of work takes a few."""

for _name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)  # a client's mistakes are not ours to report


class Places:
    """Connections that there is room for."""

    def __init__(self, *, loopback_only: bool) -> None:
        self._free, self._local = MOST_AT_ONCE, 0 if loopback_only else MOST_LOCAL

    def take(self, client: str) -> Callable[[], None] | None:
        """What gives the place back; None if there is none."""
        if self._free > 0:
            self._free -= 1
            return self._give
        if self._local > 0 and http_guard.is_loopback_address(client):
            self._local -= 1
            return self._give_local
        return None

    def _give(self) -> None:
        self._free += 1

    def _give_local(self) -> None:
        self._local += 1


class BoundedProtocol(H11Protocol):
    """A connection with limits."""

    def __init__(self, config: Config, state: ServerState, places: Places) -> None:
        super().__init__(config, state, {})
        self._places = places
        self._place: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._place = self._places.take(str((transport.get_extra_info("peername") or ("",))[0]))
        super().connection_made(transport)
        if self._place is None:
            transport.write(_plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections"))
            transport.close()
        else:
            self._limit(REQUEST_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear()
        if self._place is not None:
            self._place()
            self._place = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._place is None:
            return
        if self._timer is None:  # the next request on this connection
            self._limit(REQUEST_SECONDS)
        super().data_received(data)
        if self.conn.their_state in (h11.DONE, h11.MUST_CLOSE) and self.cycle is not None:
            self._limit(RESPONSE_SECONDS)

    def on_response_complete(self) -> None:
        self._clear()
        super().on_response_complete()
        if self.cycle is not None and not self.cycle.response_complete:  # it had sent the next request already
            self._limit(RESPONSE_SECONDS)

    def send_400_response(self, msg: str) -> None:
        """With the status that h11 has found; nothing of the request is repeated."""
        error = sys.exc_info()[1]
        status = HTTPStatus(error.error_status_hint) if isinstance(error, h11.RemoteProtocolError) else None
        self.transport.write(_plain(status or HTTPStatus.BAD_REQUEST, "the request makes no sense"))
        self.transport.close()

    def _limit(self, seconds: float) -> None:
        self._clear()
        self._timer = self.loop.call_later(seconds, self._over)

    def _clear(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self) -> None:
        self._timer = None
        self.transport.abort()


def _plain(status: HTTPStatus, text: str) -> bytes:
    body = f'{{"error": "{text}"}}\n'.encode()
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", "Content-Type: application/json", "Connection: close"]
    lines += [f"Content-Length: {len(body)}", "X-Content-Type-Options: nosniff", "Cache-Control: no-store", "", ""]
    return "\r\n".join(lines).encode() + body


class Serving:
    """A running server and its `url`."""

    def __init__(self, app: ASGIApp, sock: socket.socket, *, loopback_only: bool) -> None:
        host, port = sock.getsockname()[:2]
        self.port = int(port)
        self.url = f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"
        self._app, self._places, self._socket = app, Places(loopback_only=loopback_only), sock
        self._ready, self._loop = threading.Event(), asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        """Accept no more requests; those in progress have a moment to end."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_default_executor(ThreadPoolExecutor(WORKERS, "http-work"))
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        config = Config(
            self._app, log_config=None, access_log=False, ws="none", lifespan="off", proxy_headers=False,
            server_header=False, date_header=False, timeout_keep_alive=IDLE_SECONDS, http=BoundedProtocol,
            h11_max_incomplete_event_size=LARGEST_HEAD,
        )  # fmt: skip
        config.load()
        state = ServerState()
        server = await self._loop.create_server(
            lambda: BoundedProtocol(config, state, self._places), sock=self._socket, backlog=WAITING
        )
        self._ready.set()
        await self._stop.wait()
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=STOP_SECONDS)
        for connection in list(state.connections):
            transport: Any = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.sleep(0)


def bound(address: str, port: int) -> tuple[socket.socket, bool]:
    """A socket that listens on `address`, an IP address or `localhost`, and whether that is this machine's alone.

    Port 0 is any free port. Raises `errors.ReconcilerError` if that is not possible.
    """
    place = "127.0.0.1" if address == "localhost" else address
    sock = socket.socket(socket.AF_INET6 if ":" in place else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((place, port))
        sock.listen(WAITING)
    except (OSError, OverflowError) as error:
        sock.close()
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise errors.ReconcilerError(f"cannot listen on {address}:{port}: {why}") from error
    return sock, http_guard.is_loopback_address(place)
