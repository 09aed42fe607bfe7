"""Who hears how the loop comes on: a person at the terminal, and HTTP, for health and metrics."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

from reconciler import events
from reconciler.cli.terminal import Look, say
from reconciler.log import log

if TYPE_CHECKING:
    from reconciler.clock import Clock
    from reconciler.engine.loop import Loop
    from reconciler.engine.notify import Notifier
    from reconciler.engine.telling import Entry, Sink
    from reconciler.store.lease import Lease


def shown(look: Look) -> Sink:
    """For the person who watches."""

    def show(entry: Entry) -> None:
        from reconciler.cli.views.entry_text import entry_text

        say(entry_text(entry, look), look)
        sys.stdout.flush()

    return show


# -- over HTTP


def address(listen: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `:PORT` or `[::1]:PORT`. Raises `click.UsageError`."""
    host, _, port = listen.rpartition(":")
    if not port.isdecimal():
        raise click.UsageError(f"--listen is HOST:PORT, not {listen!r}")
    return host.strip("[]") or "127.0.0.1", int(port)


@contextlib.contextmanager
def waiting_room(listen: str | None) -> Iterator[Callable[[], None]]:
    """Alive and not ready, for as long as no specs say what to do. What is yielded says that we wait and live."""
    if listen is None:
        yield lambda: None
        return
    from reconciler.server.app import serve
    from reconciler.server.health import Health
    from reconciler.server.metrics import Metrics
    from reconciler.server.standing import Standing

    def nothing_yet() -> Standing:
        return Standing(lease_held=False)

    health = Health(nothing_yet)
    with contextlib.closing(serve(*address(listen), health, Metrics(nothing_yet))):
        yield health.beat


@contextlib.contextmanager
def served(listen: str, loop: Loop, lease: Lease, notifiers: Iterable[Notifier]) -> Iterator[Clock]:
    """Serve how the loop stands. What is yielded is the clock to wait for the lease by: it beats meanwhile."""
    from reconciler.clock import SystemClock
    from reconciler.server import standing
    from reconciler.server.app import serve
    from reconciler.server.health import Beating, Health, Watched
    from reconciler.server.metrics import Metrics

    def how() -> standing.Standing:
        return standing.of(loop, lease, notifiers)

    health, metrics = Health(how), Metrics(how)
    loop.aws.transport = Watched(loop.aws.transport, health, metrics.refused)
    begin = loop.begin

    def beating() -> None:
        health.beat()
        begin()

    loop.begin = beating
    loop.sinks = (*loop.sinks, health.on_entry, metrics.on_entry)
    loop.reports = (*loop.reports, health.on_pass, metrics.on_pass)
    with contextlib.closing(serve(*address(listen), health, metrics)) as serving:
        log.info(events.LISTENING, url=serving.url)
        yield Beating(SystemClock(), health)
