"""Reading in the background: whoever asks is not held by a source that is slow or hangs, and misses no answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from reconciler import errors
from reconciler.source.background import Background
from reconciler.source.base import Fetched, Revision

SOON = 5.0


@dataclass
class Slow:
    """A source that answers while `free` is set, or as its `error` says."""

    name: str = "slow"
    interval: float = 1.0
    revision: str = "one"
    error: Exception | None = None
    free: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def changed(self, since: str | None) -> bool:
        self._answer("changed", since)
        return since != self.revision

    def fetch(self, after: str | None = None) -> Fetched:
        self._answer("fetch", after)
        if after == "gone":
            raise errors.HistoryRewritten("it does not follow", revision=self.revision)
        return Fetched(Revision(self.revision), (), (), "specs")

    def _answer(self, method: str, argument: str | None) -> None:
        self.asked.append((method, argument))
        assert self.free.wait(SOON)
        if self.error is not None:
            raise self.error


@pytest.fixture
def slow() -> Iterator[Slow]:
    found = Slow()
    yield found
    found.free.set()


def later(work: Callable[[], object]) -> object:
    """What `work` returns or raises once it is not pending any more."""
    end = time.monotonic() + SOON
    while True:
        try:
            return work()
        except errors.SourcePending:
            assert time.monotonic() < end
            time.sleep(0.005)


def test_a_quick_source_answers_at_once(slow: Slow) -> None:
    """The answers are those of the source itself, and each question is asked again."""
    slow.free.set()
    ready: list[int] = []
    source = Background(slow, lambda: ready.append(1), patience=SOON)
    assert source.changed(None)
    assert source.fetch("zero").revision.id == "one"
    assert not source.changed("one")
    slow.revision = "two"
    assert source.changed("one")
    assert (ready, len(slow.asked)) == ([], 4)


def test_a_source_that_hangs_holds_nobody(slow: Slow) -> None:
    """It is asked once, everyone is told that it is pending at once, and its answer wakes whoever waits."""
    ready = threading.Event()
    source = Background(slow, ready.set, patience=0.05)
    began = time.monotonic()
    for ask in 50 * (lambda: source.changed("one"), lambda: source.fetch("one"), lambda: source.fetch()):
        with pytest.raises(errors.SourcePending):
            ask()
    assert time.monotonic() - began < 1.0
    assert slow.asked == [("changed", "one")]
    slow.free.set()
    assert ready.wait(SOON)
    assert not source.changed("one")


def test_a_revision_that_was_fetched_meanwhile_is_taken(slow: Slow) -> None:
    """`changed` says so until it is, however often it is asked, and it is not fetched twice."""
    source = Background(slow, lambda: None, patience=0.01)
    with pytest.raises(errors.SourcePending):
        source.fetch("zero")
    with pytest.raises(errors.SourcePending):
        source.changed("zero")
    slow.free.set()
    assert later(lambda: source.changed("one")) is True
    assert source.changed("one")
    assert source.fetch("zero").revision.id == "one"
    assert slow.asked == [("fetch", "zero")]
    assert later(lambda: source.changed("one")) is False


def test_an_error_is_raised_to_whoever_asks_next(slow: Slow) -> None:
    """An outage is not lost because nobody was waiting for it, and is over with the next answer."""
    source = Background(slow, lambda: None, patience=0.01)
    slow.error = errors.SourceUnreachable("it is down")
    with pytest.raises(errors.SourcePending):
        source.changed("one")
    slow.free.set()
    with pytest.raises(errors.SourceUnreachable, match="it is down"):
        later(lambda: source.changed("one"))
    slow.error = None
    assert later(lambda: source.changed("one")) is False


def test_history_that_is_accepted_is_taken_from_a_slow_source(slow: Slow) -> None:
    """Two questions belong together: whether it follows, and then what it is. Neither answer displaces the other."""
    source = Background(slow, lambda: None, patience=0.0)
    slow.free.set()

    def accepted() -> Fetched:
        try:
            return source.fetch("gone")
        except errors.HistoryRewritten:
            return source.fetch()

    fetched = later(accepted)
    assert isinstance(fetched, Fetched)
    assert len(slow.asked) <= 6


def test_what_was_fetched_for_another_predecessor_is_dropped(slow: Slow) -> None:
    """Otherwise there would be something new for ever."""
    source = Background(slow, lambda: None, patience=0.01)
    with pytest.raises(errors.SourcePending):
        source.fetch("zero")
    slow.free.set()
    assert later(lambda: source.changed("one")) is True
    later(lambda: source.fetch("half"))
    assert later(lambda: source.changed("one")) is False


def test_a_machine_without_threads_is_an_outage_that_ends(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question is asked again once there are some, and is not taken for one under way for ever."""
    source = Background(slow, lambda: None)
    slow.free.set()

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(errors.SourceUnreachable, match="thread"):
            source.fetch()
    assert source.fetch().revision.id == "one"
