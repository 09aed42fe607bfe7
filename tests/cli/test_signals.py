"""What a signal does to a command that must not be cut short."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.cli.signals import Stopping, hurried, stopping, unwind

CODES = {signal.SIGTERM: Exit.TERMINATED, signal.SIGINT: Exit.INTERRUPTED}


@pytest.mark.parametrize("number", CODES)
def test_the_first_signal_stops_and_is_told_and_gives_the_code(number: signal.Signals) -> None:
    """`stop` is set, `first` hears which signal it was, and the code is the signal's."""
    told: list[signal.Signals] = []
    with stopping(told.append, unwind) as found:
        assert (found.stop.is_set(), found.code) == (False, Exit.DONE)
        signal.raise_signal(number)
        assert found.stop.wait(10)
    assert (told, found.code) == ([number], CODES[number])


def test_the_second_signal_is_felt_at_once() -> None:
    """Whoever says it twice does not wait: the main thread is where it happens."""
    with stopping(lambda _: None, unwind) as found:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert found.code is Exit.TERMINATED, "the first one counts"


def test_a_signal_within_a_lock_that_telling_needs_ends_nothing_for_ever() -> None:
    """It may come while the main thread is inside of what the first word is said with; then that waits, and not we."""
    lock, told = threading.Lock(), threading.Event()

    def tell(_: signal.Signals) -> None:
        with lock:
            told.set()

    with stopping(tell, unwind) as found:
        with lock:
            signal.raise_signal(signal.SIGTERM)
            assert found.stop.wait(10)
            assert not told.is_set()
        assert told.wait(10)


def test_a_signal_that_another_thread_receives_wakes_the_main_thread() -> None:
    """It waits for a lock, without a time limit in `local up`, where no handler of Python's runs."""

    def receive() -> None:
        time.sleep(0.2)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    with stopping(lambda _: None, unwind) as found:
        thread = threading.Thread(target=receive)
        thread.start()
        assert found.stop.wait(10)
        thread.join()
    assert found.code is Exit.TERMINATED


def test_what_was_there_before_is_there_again() -> None:
    """Afterwards Ctrl-C is what it was."""
    before = [signal.getsignal(number) for number in CODES]
    with stopping(lambda _: None, unwind):
        assert [signal.getsignal(number) for number in CODES] != before
    assert [signal.getsignal(number) for number in CODES] == before


def test_who_hands_over_in_time_is_not_hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is closed of what ends by itself; what does not end is closed when its time is over, and then ended."""
    monkeypatch.setattr("reconciler.cli.signals.CUT_SECONDS", 0.01)
    monkeypatch.setattr("reconciler.cli.signals.HAND_OVER_SECONDS", 1.02)
    closed, ended = threading.Event(), threading.Event()
    with hurried(Stopping().stop, closed.set, ended.set):
        pass
    stop = threading.Event()
    with hurried(stop, closed.set, ended.set):
        assert not closed.is_set()
        stop.set()
        assert closed.wait(10)
        assert ended.wait(10)


def test_a_close_that_hangs_does_not_put_off_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for then."""
    monkeypatch.setattr("reconciler.cli.signals.CUT_SECONDS", 0.01)
    monkeypatch.setattr("reconciler.cli.signals.HAND_OVER_SECONDS", 1.02)
    stop, hang, ended = threading.Event(), threading.Event(), threading.Event()

    def close() -> None:
        hang.wait(20)

    with hurried(stop, close, ended.set):
        stop.set()
        assert ended.wait(10)
    hang.set()
