"""What the app makes of a request's bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.app.test_running import App

HOST = b"\r\nHost: here"


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    running = App(ACCESS_LOG="on")
    yield running
    running.end()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /", 400),
        (b"GET  / HTTP/1.1" + HOST, 400),
        (b"G(T / HTTP/1.1" + HOST, 400),
        (b"GET /\x01 HTTP/1.1" + HOST, 400),
        (b"GET / HTTP/2.0" + HOST, 505),
        (b"GET / ICY/1.1" + HOST, 400),
        (b"GET / HTTP/1.1", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400),
        (b"GET / HTTP/1.1\r\nHost : here", 400),
        (b"GET / HTTP/1.1\r\nHost: he\nre", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1" + HOST, 400),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"1" * 5000 + HOST, 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2" + HOST, 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked" + HOST, 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked" + HOST, 411),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999" + HOST, 413),
    ],
)
def test_what_cannot_be_understood_is_refused(app: App, head: bytes, status: int) -> None:
    """A head that is not HTTP/1.1, or whose body has no clear length, gets the status that says so, and is the last."""
    said = app.send(head + b"\r\n\r\n")
    assert re.findall(rb"HTTP/1\.1 (\d+)", said) == [str(status).encode()]
    assert b"\r\nConnection: close\r\n" in said
    assert app.line("refused")["status"] == status


@pytest.mark.parametrize(
    ("target", "path"),
    [(b"/a?b=/c", "/a"), (b"http://here/a?b=://c", "/a"), (b"http://here", "/"), (b"/?b=http://here/a", "/")],
)
def test_the_query_is_no_part_of_the_path(app: App, target: bytes, path: str) -> None:
    """`path` is what stands before the question mark, also when the target has a host."""
    app.send(b"GET " + target + b" HTTP/1.1\r\nConnection: close" + HOST + b"\r\n\r\n")
    assert app.line("request")["path"] == path


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (b"GET / HTTP/1.1" + HOST, True),
        (b"GET / HTTP/1.1\r\nConnection: Close" + HOST, False),
        (b"GET / HTTP/1.0", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive", True),
    ],
)
def test_the_connection_stays_as_its_version_says(app: App, head: bytes, kept: bool) -> None:
    """1.1 stays unless it says close, 1.0 goes unless it says keep-alive."""
    said = app.send(head + b"\r\n\r\n" + b"GET /healthz HTTP/1.0\r\n\r\n")
    assert said.count(b"HTTP/1.1 200 ") == 1 + kept
    for _ in range(1 + kept):
        app.line("request")
