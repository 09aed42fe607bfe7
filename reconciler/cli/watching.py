"""Who hears how the loop comes on: a person at the terminal, and HTTP, for health and metrics."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from reconciler import events
from reconciler.cli.terminal import Look, say
from reconciler.log import log

if TYPE_CHECKING:
    from reconciler.controller.events import Sink
    from reconciler.model.event import Event
    from reconciler.server.health import Health
    from reconciler.server.metrics import Metrics


def shown(look: Look) -> Sink:
    """For the person who watches."""

    def show(entry: Event) -> None:
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
def served(listen: str, health: Health, metrics: Metrics) -> Iterator[None]:
    from reconciler.server.app import serve

    with contextlib.closing(serve(*address(listen), health, metrics)) as serving:
        log.info(events.LISTENING, url=serving.url)
        yield
