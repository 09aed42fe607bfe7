"""HTTP endpoint of the controller process: health and metrics, and the console where it is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from reconciler import errors, events
from reconciler.log import log

if TYPE_CHECKING:
    from reconciler.cli.console.settings import ConsoleSettings
    from reconciler.console.access import Access
    from reconciler.console.routes import Console
    from reconciler.server.health import Health
    from reconciler.server.metrics import Metrics


def address(listen: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `:PORT` or `[::1]:PORT`. Raises `click.UsageError`."""
    host, _, port = listen.rpartition(":")
    if not port.isdecimal():
        raise click.UsageError(f"--listen must be HOST:PORT, not {listen!r}")
    return host.strip("[]") or "127.0.0.1", int(port)


def checked(listen: str | None, settings: ConsoleSettings) -> None:
    """Raises `click.UsageError` before anything is started."""
    from reconciler import http_guard

    host = "" if listen is None else address(listen)[0]
    settings.check(listen, loopback=host == "localhost" or http_guard.is_loopback_address(host))


@contextlib.contextmanager
def served(
    listen: str,
    health: Health | None,
    metrics: Metrics | None,
    settings: ConsoleSettings,
    console: Callable[[Access], Console],
    *,
    person: str,
    linked: Callable[[str], None],
) -> Iterator[None]:
    """`linked` is given each link that signs a browser in. Raises `errors.ReconcilerError`."""
    try:
        from reconciler.server.app import application
        from reconciler.server.serving import Serving, bound
    except ModuleNotFoundError as error:
        raise errors.ReconcilerError(
            f"{error.name} is not installed; the HTTP server needs the extra `console`"
        ) from error
    sock, loopback = bound(*address(listen))
    try:
        port, shown, links = int(sock.getsockname()[1]), None, list[Callable[[str], None]]()
        if settings.console is not None:
            access = settings.access(person=person, port=port, renewed=lambda token: links[0](token))
            shown = console(access)
        app = application(health, metrics, shown, loopback_only=loopback, scheme=settings.scheme)
    except BaseException:
        sock.close()
        raise
    with contextlib.closing(Serving(app, sock, loopback_only=loopback)) as server:
        log.info(events.LISTENING, url=server.url)
        links.append(lambda token: linked(f"{server.url}/sign-in?token={token}"))
        token = getattr(shown.access, "token", "") if shown is not None else ""
        if token:
            links[0](token)
        yield
