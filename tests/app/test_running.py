"""The app as a process."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


class App:
    def __init__(self, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app"],
            cwd=ROOT,
            env={"HOST": "127.0.0.1", "PORT": "0", "VERSION": "v3", **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = self.line("listening")["port"]

    def line(self, event: str) -> dict[str, Any]:
        """The next log line, which is this event's."""
        assert self.process.stdout is not None
        line: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert line["event"] == event
        return line

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()

    def send(self, text: bytes) -> bytes:
        """What comes back, until the app closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(text)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture
def app() -> Iterator[App]:
    running = App()
    yield running
    running.end()


def test_one_connection_carries_many_requests(app: App) -> None:
    """A connection is kept, and every answer on it names the version."""
    connection = app.connect()
    for _ in range(3):
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("X-App-Version")) == (200, "v3")
        assert b"version v3" in answer.read()
    connection.close()


def test_head_has_the_length_and_no_body(app: App) -> None:
    """HEAD is GET without the body."""
    connection = app.connect()
    connection.request("GET", "/healthz")
    length = len(connection.getresponse().read())
    connection.request("HEAD", "/healthz")
    answer = connection.getresponse()
    assert (answer.getheader("Content-Length"), answer.read()) == (str(length), b"")
    connection.close()


def test_pipelined_requests_are_answered_in_order_past_a_body(app: App) -> None:
    """A body that nobody wants is skipped; what follows it is the next request."""
    said = app.send(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab"
        b"cGET /nope HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.0\r\n\r\n"
    )
    assert re.findall(rb"HTTP/1\.1 (\d+)", said) == [b"405", b"404", b"200"]


def test_garbage_is_refused_and_logged(app: App) -> None:
    """What is not HTTP gets 400, a line in the log, and a closed connection."""
    said = app.send(b"\x16\x03\x01 hello\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 400 ")
    assert app.line("refused")["status"] == 400


def test_a_client_that_never_ends_its_head_is_refused(app: App) -> None:
    """A header of more than 64 KiB is not waited for."""
    with socket.create_connection(("127.0.0.1", app.port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000)
        assert connection.recv(65536).startswith(b"HTTP/1.1 431 ")


def test_sigterm_drains_and_ends_with_0(app: App) -> None:
    """After SIGTERM kept and new connections are still answered, with `Connection: close`; then it exits 0."""
    kept, fresh = app.connect(), app.connect()
    kept.request("GET", "/")
    kept.getresponse().read()
    os.kill(app.process.pid, signal.SIGTERM)
    app.line("draining")
    for connection in (kept, fresh):
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Connection")) == (200, "close")
        answer.read()
        connection.close()
    assert app.process.wait(timeout=5) == 0
    assert app.line("stopped")["requests"] == 3


def test_a_request_that_has_begun_to_arrive_is_waited_for(app: App) -> None:
    """SIGTERM in the middle of a request: the app does not exit before the rest has come and is answered."""
    with socket.create_connection(("127.0.0.1", app.port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        os.kill(app.process.pid, signal.SIGTERM)
        app.line("draining")
        with pytest.raises(subprocess.TimeoutExpired):
            app.process.wait(timeout=0.6)
        connection.sendall(b"Host: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert app.process.wait(timeout=5) == 0


def test_each_request_is_logged_when_asked_for() -> None:
    """ACCESS_LOG=on is a line per request."""
    running = App(ACCESS_LOG="on")
    connection = running.connect()
    connection.request("GET", "/nope")
    connection.getresponse().read()
    connection.close()
    line = running.line("request")
    running.end()
    assert (line["method"], line["path"], line["status"]) == ("GET", "/nope", 404)


def test_a_port_that_is_taken_ends_it_with_1() -> None:
    """An app that cannot listen says why and exits 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run(
            [sys.executable, "-m", "app"],
            cwd=ROOT,
            env={"HOST": "127.0.0.1", "PORT": str(taken.getsockname()[1])},
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    assert done.returncode == 1
    assert json.loads(done.stdout)["event"] == "failed"
