"""HTTP endpoint of the controller process: health and metrics."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from reconciler import events
from reconciler.log import log

if TYPE_CHECKING:
    from reconciler.server.health import Health
    from reconciler.server.metrics import Metrics


def address(listen: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `:PORT` or `[::1]:PORT`. Raises `click.UsageError`."""
    host, _, port = listen.rpartition(":")
    if not port.isdecimal():
        raise click.UsageError(f"--listen must be HOST:PORT, not {listen!r}")
    return host.strip("[]") or "127.0.0.1", int(port)


@contextlib.contextmanager
def served(listen: str, health: Health, metrics: Metrics) -> Iterator[None]:
    from reconciler.server.app import serve

    with contextlib.closing(serve(*address(listen), health, metrics)) as server:
        log.info(events.LISTENING, url=server.url)
        yield
