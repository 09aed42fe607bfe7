"""Ports of the console before there is anything behind them: the server is up before the first valid revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler import errors
from reconciler.clock import SystemClock
from reconciler.console.ports import Acts, Order, Questions, Source
from reconciler.console.snapshot import Snapshot


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

    def ask(self, kind: str, service: str, terms: Mapping[str, str]) -> Sequence[Any]:
        if self.questions is None:
            raise errors.ReconcilerError("nothing has been read yet")
        return self.questions.ask(kind, service, terms)
