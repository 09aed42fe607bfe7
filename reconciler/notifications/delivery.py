"""Delivery to one target: what waits for it, the thread that delivers it, and how an attempt fails."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from reconciler import events
from reconciler.clock import Clock, SystemClock
from reconciler.log import log


class Undelivered(Exception):
    """`again`: another attempt may succeed, after `pause` seconds if given. The message contains no URL."""

    def __init__(self, because: str, *, again: bool, pause: float | None = None) -> None:
        super().__init__(because)
        self.again = again
        self.pause = pause


@dataclass(frozen=True, slots=True)
class Tally:
    """Number of notifications by result: `dropped` were replaced by newer ones, or left when the notifier was
    closed.
    """

    sent: int = 0
    failed: int = 0
    dropped: int = 0
    waiting: int = 0


W = TypeVar("W", bound="deque[Any] | OrderedDict[Any, Any]")


class DeliveryThread(ABC, Generic[W]):
    """Delivers what waits for one target, in a thread of its own.

    `_changed` guards what waits and the counters. `_over` is set once nothing more is attempted.
    """

    def __init__(self, label: str, waiting: W, clock: Clock | None) -> None:
        """The thread is started by `_start`, once everything that it uses is there."""
        self.label: Final = label
        self._clock = clock or SystemClock()
        self._waiting = waiting
        self._changed = threading.Condition()
        self._closing = False
        self._over = threading.Event()
        self._sent = self._failed = self._dropped = 0
        self._thread = threading.Thread(target=self._run, name=f"notify-{label}", daemon=True)

    def _start(self) -> None:
        self._thread.start()

    @property
    def tally(self) -> Tally:
        with self._changed:
            return Tally(self._sent, self._failed, self._dropped, len(self._waiting))

    def close(self, seconds: float = 2.0) -> None:
        """Deliver what waits within a time limit, then drop the rest and log its number."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(seconds)
        self._over.set()
        with self._changed:
            left = len(self._waiting)
            self._dropped += left
            self._waiting.clear()
        if left or self._thread.is_alive():
            log.warning(events.NOTIFY_DROPPED, to=self.label, waiting=left, under_way=self._thread.is_alive())

    @abstractmethod
    def _run(self) -> None:
        """The thread: until `_awaited` is false."""

    def _awaited(self) -> bool:
        """Wait, with `_changed` held, until something waits. False once nothing more is delivered."""
        while not self._waiting and not self._closing:
            self._changed.wait()
        return bool(self._waiting) and not self._over.is_set()
