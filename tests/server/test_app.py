"""The server answers three paths, to whoever may ask, within bounds."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from reconciler import errors, events, http_guard
from reconciler.clock import ManualClock
from reconciler.controller.status import ControllerStatus
from reconciler.server import app, serving
from reconciler.server.app import application
from reconciler.server.health import PATIENCE_SECONDS, Health
from reconciler.server.metrics import CONTENT_TYPE, Metrics
from reconciler.server.serving import Serving, bound
from tests.server.fixtures import report


def serve(address: str, port: int, health: Health, metrics: Metrics) -> Serving:
    sock, loopback = bound(address, port)
    return Serving(application(health, metrics, loopback_only=loopback), sock, loopback_only=loopback)


class Case:
    def __init__(self) -> None:
        self.standing = ControllerStatus()
        self.clock = ManualClock()
        self.health = Health(lambda: self.standing, self.clock)
        self.metrics = Metrics(lambda: self.standing)
        self.server: Serving = serve("127.0.0.1", 0, self.health, self.metrics)

    @property
    def place(self) -> tuple[str, int]:
        parts = urlsplit(self.server.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(*self.place, timeout=5)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def raw(self, text: bytes) -> bytes:
        with socket.create_connection(self.place, timeout=5) as sock:
            sock.sendall(text)
            return _everything(sock)


def _everything(sock: socket.socket) -> bytes:
    found = b""
    try:
        while more := sock.recv(65536):
            found += more
    except ConnectionResetError:
        pass  # it had not read all that we said when it hung up
    return found


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.setattr(serving, "MOST_AT_ONCE", 8)
    found = Case()
    yield found
    found.server.close()


def test_health_follows_the_loop(case: Case) -> None:
    """200 while it comes on, 503 once it does not."""
    assert case.ask("GET", "/healthz")[0] == 200
    case.clock.advance(PATIENCE_SECONDS + 1)
    status, _, body = case.ask("GET", "/healthz")
    assert (status, json.loads(body)["status"]) == (503, "stuck")


def test_readiness_says_what_is_missing(case: Case) -> None:
    """503 with the reasons as JSON, 200 once there are none."""
    status, _, body = case.ask("GET", "/readyz")
    assert (status, json.loads(body)["because"]) == (503, ["no revision is active"])
    case.standing = ControllerStatus(revision="4f1c2ab")
    case.health.on_pass(report())
    status, _, body = case.ask("GET", "/readyz")
    assert (status, json.loads(body)["because"]) == (200, [])


def test_metrics_are_prometheus_s(case: Case) -> None:
    """In its text format, under its content type."""
    case.metrics.on_pass(report())
    status, headers, body = case.ask("GET", "/metrics?x=1")
    assert (status, headers["Content-Type"]) == (200, CONTENT_TYPE)
    assert b'reconciler_passes_total{depth="fast",result="unchanged"} 1.0' in body


def test_head_is_get_without_the_body(case: Case) -> None:
    """The same status and length, and nothing more."""
    _, whole, body = case.ask("GET", "/readyz")
    status, headers, none = case.ask("HEAD", "/readyz")
    assert (status, headers["Content-Length"], none) == (503, whole["Content-Length"], b"")
    assert int(whole["Content-Length"]) == len(body)
    assert case.raw(b"HEAD /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").endswith(b"\r\n\r\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(case: Case, method: str) -> None:
    """There is GET and HEAD."""
    status, headers, _ = case.ask(method, "/metrics")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../etc/passwd", "/healthz%00", "//healthz", "/debug"])
def test_there_is_nothing_else(case: Case, path: str) -> None:
    """No path but the three, however it is written."""
    assert case.ask("GET", path)[0] == 404


def test_every_answer_carries_the_security_headers(case: Case) -> None:
    """Whatever was asked, and however badly."""
    for path in ("/healthz", "/metrics", "/nowhere"):
        _, headers, _ = case.ask("GET", path)
        for name, value in app.HEADERS.items():
            assert headers[name] == value
    assert b"X-Content-Type-Options: nosniff" in case.raw(b"nonsense\r\n\r\n")


@pytest.mark.parametrize("host", ["evil.example", "169.254.169.254", "evil.example:9090", "", "localhost.evil.example"])
def test_over_loopback_a_name_that_was_made_to_point_here_is_refused(case: Case, host: str) -> None:
    """A page in a browser on this machine cannot read it under a name of its own."""
    assert case.ask("GET", "/metrics", Host=host)[0] == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9090", "127.0.0.1:1", "[::1]:9090", "127.1.2.3"])
def test_over_loopback_this_machine_s_own_names_are_taken(case: Case, host: str) -> None:
    """Whatever port some tunnel has given it."""
    assert case.ask("GET", "/healthz", Host=host)[0] == 200


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"GET /healthz\r\n\r\n", 400),
        (b"GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nOrigin : http://evil.example\r\n\r\n", 400),
        (b"GET /healthz HTTP/2\r\nHost: localhost\r\n\r\n", 400),
        (b"\xff\xfe\x00\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Many: 1\r\n" * 1000 + b"\r\n", 431),
    ],
)
def test_what_makes_no_sense_is_refused(case: Case, text: bytes, status: int) -> None:
    """Malformed and oversized requests get an answer that repeats nothing of them."""
    answer = case.raw(text)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"evil" not in answer
    assert b"aaaa" not in answer


def test_whoever_says_nothing_is_hung_up_on(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection has so long for all of its request, and dripping it does not make it longer."""
    monkeypatch.setattr(serving, "REQUEST_SECONDS", 0.1)
    with socket.create_connection(case.place, timeout=5) as sock:
        sock.sendall(b"GET /healthz HT")
        assert _everything(sock) == b""


def test_a_head_that_drips_is_cut(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """One deadline is for all of it, however often a byte comes."""
    monkeypatch.setattr(serving, "REQUEST_SECONDS", 0.3)
    began = time.monotonic()
    with socket.create_connection(case.place, timeout=5) as sock, contextlib.suppress(OSError):
        while time.monotonic() - began < 5:
            sock.sendall(b"G")
            time.sleep(0.02)
    assert time.monotonic() - began < 2


def test_slow_strangers_do_not_take_the_health_check_away(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The container's own health check has a place that nobody else gets; otherwise ECS replaces the operator."""
    monkeypatch.setattr(http_guard, "is_loopback_address", lambda text: text == "127.0.0.1")
    server = serve("0.0.0.0", 0, case.health, case.metrics)
    try:
        place = ("127.0.0.1", urlsplit(server.url).port or 0)
        strangers = [
            socket.create_connection(place, timeout=5, source_address=("127.0.0.2", 0))
            for _ in range(serving.MOST_AT_ONCE)
        ]
        try:
            with socket.create_connection(place, timeout=5, source_address=("127.0.0.2", 0)) as sock:
                assert _everything(sock).startswith(b"HTTP/1.1 503 ")
            for _ in range(3):
                with socket.create_connection(place, timeout=5) as sock:
                    sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                    assert _everything(sock).startswith(b"HTTP/1.1 200 ")
        finally:
            for sock in strangers:
                sock.close()
    finally:
        server.close()


def test_more_than_so_many_at_once_are_turned_away(case: Case) -> None:
    """The ninth is told so at once; when one of the eight goes, there is room again."""
    held = [socket.create_connection(case.place, timeout=5) for _ in range(serving.MOST_AT_ONCE)]
    try:
        with socket.create_connection(case.place, timeout=5) as sock:
            assert _everything(sock).startswith(b"HTTP/1.1 503 ")
        assert sum(thread.name == "http" for thread in threading.enumerate()) == 1
        for sock in held[:2]:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert _everything(sock).startswith(b"HTTP/1.1 200 ")
    finally:
        for sock in held:
            sock.close()
    assert case.ask("GET", "/healthz")[0] == 200


def test_a_fault_in_one_answer_does_not_end_the_others(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer contains nothing of the fault, and the next request is answered."""
    from structlog.testing import capture_logs

    def broken() -> bytes:
        raise RuntimeError("a secret may stand here")

    with monkeypatch.context() as patch, capture_logs() as logs:
        patch.setattr(case.metrics, "text", broken)
        answer = case.raw(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"secret" not in answer
    assert [line["event"] for line in logs] == [events.REQUEST_FAILED]
    assert case.ask("GET", "/metrics")[0] == 200


def test_it_closes_and_leaves_nothing(case: Case) -> None:
    """After `close` nobody listens, and no thread is left."""
    other = Case()
    place = other.place
    other.server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place, timeout=5)
    assert sum(thread.name == "http" for thread in threading.enumerate()) == 1


def test_a_port_that_is_taken_is_one_line(case: Case) -> None:
    """An error for a person, with the address and the reason."""
    with pytest.raises(errors.ReconcilerError, match=r"cannot listen on 127\.0\.0\.1:"):
        serve(*case.place, case.health, case.metrics)
    with pytest.raises(errors.ReconcilerError):
        serve("no.such.host.invalid", 0, case.health, case.metrics)
