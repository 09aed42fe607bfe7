"""SIGTERM and Ctrl-C: what is under way is let end, and the process leaves with the code of the signal.

A signal interrupts the main thread wherever it is, be it inside the lock of a stream, of a logger or of the very event
that is to be set. So the handler only passes it on, through a queue that bears that; a thread does the rest.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import NoReturn

from reconciler.cli.exits import Exit

HAND_OVER_SECONDS = 8.0
"""After SIGTERM the calls under way have so long; ECS sends SIGKILL thirty seconds after it."""


@dataclass(slots=True)
class Stopping:
    """`stop` is set once a signal was `caught`."""

    stop: threading.Event = field(default_factory=threading.Event)
    caught: signal.Signals | None = None

    @property
    def code(self) -> Exit:
        """What the process ends with where nothing is wrong but that it was stopped."""
        if self.caught is None:
            return Exit.DONE
        return Exit.TERMINATED if self.caught is signal.SIGTERM else Exit.INTERRUPTED


def unwind(_: signal.Signals) -> NoReturn:
    """For a second signal: everything is left, and what was taken is given back on the way."""
    raise KeyboardInterrupt


def vanish(number: signal.Signals) -> NoReturn:
    """For a second signal: nothing more is done."""
    os._exit(Stopping(caught=number).code)


@contextmanager
def stopping(
    first: Callable[[signal.Signals], None], second: Callable[[signal.Signals], NoReturn]
) -> Iterator[Stopping]:
    """The first signal sets `stop` and then is told to `first`, in a thread; another one calls `second` at once."""
    found = Stopping()
    passed_on: SimpleQueue[signal.Signals | None] = SimpleQueue()

    def handle(number: int, _: object) -> None:
        if found.caught is not None:
            second(signal.Signals(number))
        found.caught = signal.Signals(number)
        passed_on.put(found.caught)

    def heed() -> None:
        caught = passed_on.get()
        if caught is not None:
            found.stop.set()
            first(caught)

    thread = threading.Thread(target=heed, name="signals", daemon=True)
    thread.start()
    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield found
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        passed_on.put(None)
        thread.join()


@contextmanager
def hurried(stop: threading.Event, close: Callable[[], None]) -> Iterator[None]:
    """Once stopped, what is inside has `HAND_OVER_SECONDS`, and then `close` ends its retries and its waits."""
    over = threading.Event()

    def watch() -> None:
        stop.wait()
        if not over.wait(HAND_OVER_SECONDS):
            close()

    thread = threading.Thread(target=watch, name="hand-over", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        stop.set()
