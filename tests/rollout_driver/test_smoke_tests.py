"""Smoke tests: a page that is slow, endless or silent costs its own time limit, and no other rollout's."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.rollout.actions import RunTests
from reconciler.rollout.strategy import SmokeTest
from reconciler.rollout_driver import smoke_tests
from reconciler.rollout_driver.smoke_tests import SmokeTests, fetch
from tests.harness.peers import dripping, flooding, peer, silent

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OK = b"HTTP/1.1 200 OK\r\n"
SOON = 5.0


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """What `work` returns or raises, if it ends in time."""
    ended: list[Any] = []

    def run() -> None:
        try:
            ended.append(work())
        except OSError as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert ended, "it is held"
    return ended[0]


@pytest.mark.parametrize(
    "behave",
    [
        silent,
        dripping(b"X-Slow: 1\r\n", OK),
        dripping(b"x", OK + b"Content-Length: 100000\r\n\r\n"),
        dripping(b"HTTP/1.1 100 Continue\r\n\r\n"),
        flooding(b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silent", "head", "body", "continue", "flood"],
)
def test_a_page_that_holds_its_reader_is_given_up(
    monkeypatch: pytest.MonkeyPatch, behave: Callable[[socket.socket], None]
) -> None:
    """The deadline is one for the whole of a request, however the bytes arrive."""
    monkeypatch.setattr(smoke_tests, "ANSWER_SECONDS", 0.3)
    with peer(behave) as port:
        assert isinstance(within(SOON, lambda: fetch(f"http://127.0.0.1:{port}", "/", {})), OSError)


def test_no_more_of_a_page_is_read_than_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page without end is what its beginning is."""
    monkeypatch.setattr(smoke_tests, "MOST_BYTES", 1000)
    with peer(flooding(b"x" * 500, OK + b"\r\n")) as port:
        status, body = within(SOON, lambda: fetch(f"http://127.0.0.1:{port}", "/", {}))
    assert (status, len(body)) == (200, 1000)


def case(fetched: Callable[[str, str, str], tuple[int, str]]) -> tuple[SmokeTests, Callable[..., Any]]:
    smoke = SmokeTests(lambda *_: "http://test", fetched)
    spec: Any = SimpleNamespace(name="api", headers={}, query="")
    action = RunTests("r1", (SmokeTest(path="/", within=timedelta(seconds=60)),))
    return smoke, lambda now=NOW, action=action: smoke.probe(spec, SimpleNamespace(), action, now)  # type: ignore[arg-type]


def test_tests_that_take_long_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The observation goes on without a result, one run is under way at most, and the next observation takes it."""
    monkeypatch.setattr(smoke_tests, "WAIT_SECONDS", 0.05)
    answer, began = threading.Event(), []

    def slow(*_: str) -> tuple[int, str]:
        began.append(1)
        assert answer.wait(SOON)
        return 200, ""

    _, probe = case(slow)
    assert within(1.0, lambda: [probe(), probe(), probe()]) == [None, None, None]
    assert len(began) == 1
    answer.set()
    deadline = time.monotonic() + SOON
    while (result := probe()) is None and time.monotonic() < deadline:
        pass
    assert result is not None
    assert result.passed


def test_tests_that_never_end_fail_at_their_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even a thread that is held for ever holds a rollout for longer."""
    monkeypatch.setattr(smoke_tests, "WAIT_SECONDS", 0.01)
    over = threading.Event()
    _, probe = case(lambda *_: (over.wait(SOON), (200, ""))[1])
    assert probe() is None
    result = probe(NOW + timedelta(seconds=60))
    over.set()
    assert result is not None
    assert not result.passed


def test_a_result_is_of_the_release_that_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found out about one release says nothing about the next."""
    monkeypatch.setattr(smoke_tests, "WAIT_SECONDS", 0.01)
    over = threading.Event()
    _, probe = case(lambda *_: (over.wait(SOON), (200 if over.is_set() else 500, ""))[1])
    assert probe() is None
    over.set()
    result = None
    while result is None:
        result = probe(action=RunTests("r2", (SmokeTest(path="/", within=timedelta(seconds=60)),)))
    assert result.release == "r2"


def test_a_test_that_failed_says_what_was_asked_and_answered() -> None:
    """The request with the headers of the service's rule, what came, what was expected, and how often."""
    smoke = SmokeTests(lambda *_: "http://lb:9000", lambda *_: (503, "db down"))
    spec: Any = SimpleNamespace(name="api", headers={"Host": "api.example.com"}, query="v=2")
    action = RunTests("r1", (SmokeTest(path="/ready", times=3, within=timedelta(seconds=60)),))
    probe = lambda now: smoke.probe(spec, SimpleNamespace(), action, now)  # type: ignore[arg-type]  # noqa: E731
    results = [probe(NOW + timedelta(seconds=at)) for at in (0, 30, 60)]
    assert results[:2] == [None, None]
    assert results[2] is not None
    assert results[2].why == (
        'GET http://lb:9000/ready?v=2 answered 503 "db down", expected 200 (request 1 of 3); 3 tries in 1m; '
        "Host: api.example.com"
    )
    assert not smoke.tries
