"""Event recorder: events go to the log and to every sink; ongoing conditions are recorded at their start and end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reconciler.clock import Clock
from reconciler.log import log
from reconciler.model.event import Event

Sink = Callable[[Event], None]


@dataclass(slots=True)
class EventRecorder:
    """`revision` is the active one, abbreviated. `_told` holds the ongoing conditions by key."""

    clock: Clock
    sinks: tuple[Sink, ...] = ()
    revision: str = ""
    _told: dict[str, str] = field(init=False, default_factory=dict)

    def emit(self, name: str, address: str, message: str, details: dict[str, Any] | None = None) -> None:
        log.info(name, address=address, message=message, revision=self.revision, **(details or {}))
        entry = Event(self.clock.now(), name, address, message, self.revision, details or {})
        for sink in self.sinks:
            sink(entry)

    def emit_once(
        self,
        key: str,
        name: str,
        message: str,
        address: str = "",
        details: dict[str, Any] | None = None,
        *,
        again: bool = False,
    ) -> None:
        """Record the start of a condition, and not at every pass; `again`: every occurrence is an event."""
        if self._told.get(key) == message and not again:
            return
        self._told[key] = message
        self.emit(name, address, message, details)

    def resolve(self, key: str, name: str, message: str, address: str = "") -> None:
        """Record the end of a condition, if its start was recorded."""
        if self._told.pop(key, None) is not None:
            self.emit(name, address, message)

    def ongoing(self, prefix: str) -> tuple[str, ...]:
        """The keys of ongoing conditions that begin so."""
        return tuple(key for key in self._told if key.startswith(prefix))

    def is_ongoing(self, key: str) -> bool:
        return key in self._told

    def clear(self, key: str) -> None:
        self._told.pop(key, None)
