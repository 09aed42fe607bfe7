"""What the app makes of a request's bytes."""

from __future__ import annotations

import pytest

from app.http11 import Malformed, parse

HOST = b"\r\nHost: here"


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
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2" + HOST, 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked" + HOST, 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked" + HOST, 411),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999" + HOST, 413),
    ],
)
def test_what_cannot_be_understood_is_refused(head: bytes, status: int) -> None:
    """A head that is not HTTP/1.1, or whose body has no clear length, gets the status that says so."""
    with pytest.raises(Malformed) as refused:
        parse(head)
    assert refused.value.status == status


def test_the_query_is_no_part_of_the_path() -> None:
    """`path` is what stands before the question mark, also when the target has a host."""
    assert parse(b"GET /a?b=/c HTTP/1.1" + HOST).path == "/a"
    assert parse(b"GET http://here/a?b=://c HTTP/1.1" + HOST).path == "/a"


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (b"GET / HTTP/1.1" + HOST, True),
        (b"GET / HTTP/1.1\r\nConnection: Close" + HOST, False),
        (b"GET / HTTP/1.0", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive", True),
    ],
)
def test_the_connection_stays_as_its_version_says(head: bytes, kept: bool) -> None:
    """1.1 stays unless it says close, 1.0 goes unless it says keep-alive."""
    assert parse(head).keep_alive is kept
