"""Ports of the console: what it needs of the process that it runs in. It has no access to AWS of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from reconciler.console.snapshot import Snapshot


class Source(Protocol):
    """What there is to see."""

    def snapshot(self) -> Snapshot | None:
        """The newest one; None until there is any. It never waits for AWS or for the controller."""

    def now(self) -> datetime:
        """The time on the clock that the snapshot's times are of."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asks for. `service` is "" for the stack, `release` what the person saw, `by` for `extend`."""

    verb: str
    service: str
    release: str
    reason: str
    person: str
    by: timedelta = timedelta()


class Acts(Protocol):
    """Requests of people, which the controller carries out."""

    def perform(self, order: Order) -> str:
        """Write the request; what happens next, for people.

        Raises `errors.Refused` with a code if it would be refused, and `errors.ReconcilerError`.
        """

    def fault(self, reason: str) -> str:
        """Why a reason cannot be stored, or ""."""


class Questions(Protocol):
    """What is read from AWS only when somebody asks for it."""

    def ask(self, kind: str, service: str, terms: Mapping[str, str]) -> Any:
        """Rows of `tree`, `history`, `events`, `logs`, `charts` or `release`, or the timeline of a `simulation`.

        Raises `errors.ReconcilerError`.
        """
