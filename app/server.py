"""The app as a running server: listen, answer, and on SIGTERM drain and go.

A load balancer may still send for a moment after it was told to stop: so the server keeps accepting and answering
(with `Connection: close`, which empties the pools of its clients) until nobody has asked for anything for a while.
"""

from __future__ import annotations

import asyncio
import signal

from app import log
from app.http11 import Activity, Connection, Malformed, Request
from app.pages import Answer, Pages
from app.settings import Settings

QUIET = 0.25  # seconds without a request that count as drained
LONGEST_DRAIN = 20.0  # seconds; ECS kills 30 s after SIGTERM
SUMMARY_EVERY = 10.0  # seconds between two lines about the requests


async def serve(settings: Settings) -> None:
    """Returns once SIGTERM or SIGINT has come and every request is answered; raises OSError when it cannot listen."""
    loop = asyncio.get_running_loop()
    pages = Pages(settings)

    def answer(request: Request) -> Answer:
        found = pages.answer(request.method, request.path, accept=request.headers.get("accept", ""))
        if request.path != "/healthz":
            activity.requests += 1
        activity.last_request = loop.time()
        if settings.access_log:
            log.line("request", method=request.method, path=request.path, status=found.status)
        return found

    def refused(error: Malformed) -> None:
        log.line("refused", status=error.status, because=str(error))

    activity = Activity(answer, refused, _header_safe(settings.version))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(
        lambda: Connection(activity), settings.host, settings.port, backlog=1024, reuse_address=True
    )
    port = server.sockets[0].getsockname()[1]
    log.line("listening", host=settings.host, port=port, version=settings.version, hostname=settings.hostname)
    summary = asyncio.create_task(_summarise(activity))
    await stop.wait()
    log.line("draining", connections=len(activity.connections))
    activity.draining = True
    await _drained(activity)
    server.close()
    for connection in tuple(activity.connections):
        connection.close()
    summary.cancel()
    log.line("stopped", requests=activity.requests)


async def _drained(activity: Activity) -> None:
    loop = asyncio.get_running_loop()
    told = loop.time()
    while loop.time() < told + LONGEST_DRAIN:
        quiet_since = max(told, activity.last_request)
        busy = any(not connection.idle for connection in activity.connections)
        if not busy and loop.time() >= quiet_since + QUIET:
            return
        await asyncio.sleep(QUIET / 5)


async def _summarise(activity: Activity) -> None:
    """A line now and then, and only when there was something: a line per request would drown the log of a busy app."""
    told = 0
    while True:
        await asyncio.sleep(SUMMARY_EVERY)
        if activity.requests > told:
            log.line("requests", count=activity.requests - told, seconds=SUMMARY_EVERY)
            told = activity.requests


def _header_safe(text: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in text)
