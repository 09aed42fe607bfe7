"""Watching: who waits is woken for what is new, and told once when the source is away."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from reconciler import errors, events
from reconciler.clock import ManualClock, SystemClock
from reconciler.source.base import Fetched
from reconciler.source.directory import Directory
from reconciler.source.watch import JITTER, Watch
from tests.source.repositories import STACK

PATIENCE = 10.0


class Scripted:
    """A source that answers each look from a list, then stays as it is."""

    name, interval = "scripted", 30.0

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers = list(answers)
        self.looks: list[str | None] = []
        self.done = threading.Event()

    def changed(self, since: str | None) -> bool:
        self.looks.append(since)
        if not self.answers:
            self.done.set()
            return False
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def fetch(self, after: str | None = None) -> Fetched:
        raise AssertionError("watching never fetches")


class Recording(ManualClock):
    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        self.waits.append(seconds or 0.0)
        return super().wait(event, seconds)


def test_each_look_that_finds_something_wakes() -> None:
    """Every look asks for what was handled last, and wakes exactly when there is more."""
    source, woken = Scripted(False, True, True, False), []
    with Watch(source, Recording(), last=lambda: "4f1c2ab", wake=lambda: woken.append(1)):
        assert source.done.wait(PATIENCE)
    assert len(woken) == 2
    assert set(source.looks) == {"4f1c2ab"}


def test_looks_are_an_interval_apart_and_not_in_step() -> None:
    """Intervals vary by a tenth, so that many reconcilers do not ask a host at once."""
    source, clock = Scripted(*[False] * 200), Recording()
    with Watch(source, clock, last=lambda: None, wake=lambda: None):
        assert source.done.wait(PATIENCE)
    waits = clock.waits[:200]
    assert 30 * (1 - JITTER) <= min(waits) < 28.5
    assert 31.5 < max(waits) <= 30 * (1 + JITTER)


def test_an_outage_is_said_once_and_its_end_too() -> None:
    """A source that is away does not fill the log, and does not end the watch."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    down = errors.SourceUnreachable("scripted: 503")
    source, woken = Scripted(down, down, down, True, down, False), []
    with (
        capture_logs() as logs,
        Watch(source, Recording(), last=lambda: None, wake=lambda: woken.append(1)),
    ):
        assert source.done.wait(PATIENCE)
    assert [line["event"] for line in logs] == [events.SOURCE_UNREACHABLE, events.SOURCE_REACHABLE] * 2
    assert len(woken) == 1


@pytest.mark.parametrize("files", [1, 50])
def test_a_saved_change_wakes_within_a_second(tmp_path: Path, files: int) -> None:
    """On a real clock and disk, from the last save to the wake-up."""
    for number in range(files):
        (tmp_path / f"{number}.yaml").write_bytes(STACK)
    clock = SystemClock()
    source = Directory(tmp_path, clock)
    first, woken = source.fetch().revision.id, threading.Event()
    with Watch(source, clock, last=lambda: first, wake=woken.set):
        for number in range(files):
            (tmp_path / f"{number}.yaml").write_bytes(STACK + b"# more\n")
        saved = time.monotonic()
        assert woken.wait(PATIENCE)
        took = time.monotonic() - saved
        assert source.fetch().revision.id != first
    assert took < 1.5
