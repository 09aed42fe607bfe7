"""Graceful shutdown on SIGTERM and Ctrl-C: calls in flight complete, and the process exits with the signal's code.

A signal interrupts the main thread anywhere, also while it holds the lock of a stream, of a logger or of the event that
is to be set. So the handler only puts the signal into a reentrant queue; a thread does the rest.
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

from reconciler.cli.output.exits import Exit

HAND_OVER_SECONDS = 8.0
"""Time limit for the calls in flight after SIGTERM; ECS sends SIGKILL after thirty seconds."""


@dataclass(slots=True)
class Stopping:
    """Shutdown state: `stop` is set once a signal was `caught`."""

    stop: threading.Event = field(default_factory=threading.Event)
    caught: signal.Signals | None = None

    @property
    def code(self) -> Exit:
        """Exit code of a process that was stopped, and had no other error."""
        if self.caught is None:
            return Exit.DONE
        return Exit.TERMINATED if self.caught is signal.SIGTERM else Exit.INTERRUPTED


def unwind(_: signal.Signals) -> NoReturn:
    """Second signal: abandon the work, and release what is held while unwinding."""
    raise KeyboardInterrupt


def vanish(number: signal.Signals) -> NoReturn:
    """Second signal: exit at once."""
    os._exit(Stopping(caught=number).code)


@contextmanager
def stopping(
    first: Callable[[signal.Signals], None],
    second: Callable[[signal.Signals], NoReturn],
    stop: threading.Event | None = None,
) -> Iterator[Stopping]:
    """The first signal sets `stop` and then calls `first`, in a thread; the second one calls `second` at once."""
    state = Stopping(stop or threading.Event())
    signals: SimpleQueue[signal.Signals | None] = SimpleQueue()

    def handle(number: int, _: object) -> None:
        if state.caught is not None:
            second(signal.Signals(number))
        state.caught = signal.Signals(number)
        signals.put(state.caught)

    def wait() -> None:
        caught = signals.get()
        if caught is not None:
            state.stop.set()
            first(caught)

    thread = threading.Thread(target=wait, name="signals", daemon=True)
    thread.start()
    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield state
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        signals.put(None)
        thread.join()


@contextmanager
def hurried(stop: threading.Event, close: Callable[[], None]) -> Iterator[None]:
    """Time limit for the shutdown: `close` is called `HAND_OVER_SECONDS` after `stop`, and ends retries and waits."""
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
