"""Ports of the console before there is anything behind them: the server is up before the first valid revision."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from reconciler import errors, events
from reconciler.cli import http_endpoint
from reconciler.cli.console.settings import ConsoleSettings
from reconciler.cli.lease import holder
from reconciler.cli.output.terminal import Look, say
from reconciler.clock import SystemClock
from reconciler.console.ports import Acts, Order, Questions, Source
from reconciler.console.snapshot import Snapshot
from reconciler.log import log

if TYPE_CHECKING:
    from reconciler.console.access import Access
    from reconciler.console.routes import Console
    from reconciler.server.health import Health
    from reconciler.server.metrics import Metrics


@dataclass(slots=True)
class Late:
    """What is behind the console, once there is something."""

    source: Source | None = None
    acts: Acts | None = None
    questions: Questions | None = None

    def snapshot(self) -> Snapshot | None:
        return None if self.source is None else self.source.snapshot()

    def now(self) -> datetime:
        return SystemClock().now() if self.source is None else self.source.now()

    def perform(self, order: Order) -> str:
        if self.acts is None:
            raise errors.Refused("nothing has been read yet", code="not-ready")
        return self.acts.perform(order)

    def fault(self, reason: str) -> str:
        return "" if self.acts is None else self.acts.fault(reason)

    def ask(self, kind: str, service: str, terms: Mapping[str, str]) -> Any:
        if self.questions is None:
            raise errors.ReconcilerError("nothing has been read yet")
        return self.questions.ask(kind, service, terms)


def served(
    late: Late, listen: str, health: Health, metrics: Metrics, settings: ConsoleSettings, look: Look | None
) -> contextlib.AbstractContextManager[None]:
    """The HTTP server of the controller. What is asked for in a session of this machine is in the name of its user.

    Links are printed with `look`, and logged without it.
    """

    def console(access: Access) -> Console:
        from reconciler.console.routes import Console

        return Console(late, late, late, access)

    def linked(url: str) -> None:
        if look is None:
            log.info(events.CONSOLE_LINK, url=url)
        else:
            say(f"{look.sign('dot')} console, a link for one browser: {url}", look)
            sys.stdout.flush()

    person = holder("console").rpartition(" (")[0]
    return http_endpoint.served(listen, health, metrics, settings, console, person=person, linked=linked)
