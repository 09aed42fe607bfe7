"""Graceful shutdown on SIGTERM and Ctrl-C: calls in flight complete, and the process exits with the signal's code.

A handler in Python runs in the main thread, between two instructions: also while that thread holds the lock of a
stream, of a logger or of the event that is to be set, and not while it waits for a lock and another thread received the
signal. So the interpreter writes each signal into a pipe (`signal.set_wakeup_fd`), and a thread that reads it does the
rest.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Final, NoReturn

from reconciler.cli.output.exits import Exit

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
CUT_SECONDS = 5.0
"""Time for the calls in flight after SIGTERM; then they are ended."""
HAND_OVER_SECONDS = 8.0
"""Time after SIGTERM by which the process has ended, whatever it waits for; ECS sends SIGKILL after thirty seconds."""
_LAST_SECONDS = 1.0
"""Of these, time for the last lines of the log."""


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


def ignore(_: signal.Signals) -> None:
    """A signal that adds nothing: what is being closed is closed."""


def vanish(number: signal.Signals) -> NoReturn:
    """Second signal: exit at once."""
    os._exit(Stopping(caught=number).code)


@contextmanager
def stopping(
    first: Callable[[signal.Signals], None],
    second: Callable[[signal.Signals], None],
    stop: threading.Event | None = None,
) -> Iterator[Stopping]:
    """The first signal sets `stop` and then calls `first`, in a thread; the second one calls `second` at once."""
    state, handled = Stopping(stop or threading.Event()), count()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def handle(number: int, _: object) -> None:
        if next(handled):
            second(signal.Signals(number))

    def wait() -> None:
        while number := os.read(reader, 1):
            if number[0] in SIGNALS:
                state.caught = signal.Signals(number[0])
                state.stop.set()
                first(state.caught)
                return

    thread = threading.Thread(target=wait, name="signals", daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    old = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield state
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        os.close(writer)
        thread.join()
        os.close(reader)


@contextmanager
def hangup_as_termination() -> Iterator[None]:
    """The end of the terminal is SIGTERM, unless it is ignored (nohup)."""
    before = signal.getsignal(signal.SIGHUP)
    if before is signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@contextmanager
def terminating() -> Iterator[None]:
    """SIGTERM raises `SystemExit`, so that what is held is released: what runs may have signals of its own."""

    def leave(*_: object) -> NoReturn:
        raise SystemExit(Exit.TERMINATED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def hurried(stop: threading.Event, close: Callable[[], None], end: Callable[[], object]) -> Iterator[None]:
    """Time limit for the shutdown: `close` is called `CUT_SECONDS` after `stop`, and ends retries and waits.

    `end` is called shortly before `HAND_OVER_SECONDS`, if that did not help.
    """
    over = threading.Event()

    def watch() -> None:
        stop.wait()
        if not over.wait(CUT_SECONDS):
            threading.Thread(target=close, name="cut", daemon=True).start()  # whatever it waits for
        if not over.wait(HAND_OVER_SECONDS - CUT_SECONDS - _LAST_SECONDS):
            end()

    thread = threading.Thread(target=watch, name="hand-over", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        stop.set()
