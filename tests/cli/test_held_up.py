"""`run` while whoever it talks to does not: it stays alive, and SIGTERM is obeyed."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from reconciler import events
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.queued import Queued
from tests.cli.test_running import status
from tests.harness.peers import dripping, peer, silent

SOON = 8.0
SPECS = Path(__file__).parents[2] / "specs"
QUICKLY = (
    "import sys; from reconciler.cli import signals; signals.CUT_SECONDS, signals.HAND_OVER_SECONDS = 0.3, 1.8\n"
    "from reconciler.cli.main import main; main()"
)


@contextlib.contextmanager
def running(
    *words: object, stderr: Any = subprocess.PIPE, script: str = QUICKLY, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    line = [sys.executable, "-c", script, "run", *map(str, words)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=stderr, env={**os.environ, **environment})
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def stopped(process: subprocess.Popen[bytes]) -> int:
    """The exit code after SIGTERM."""
    process.send_signal(signal.SIGTERM)
    return process.wait(SOON)


@pytest.fixture
def invalid(tmp_path: Path) -> Path:
    (tmp_path / "stack.yaml").write_text("kind: Stack\nnam: x\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that is full."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    yield reader, writer
    with contextlib.suppress(OSError):
        os.close(reader)
    os.close(writer)


@pytest.fixture
def port() -> int:
    """A port that is free: the one that is chosen by the process would stand in the log that nobody reads."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found: int = listener.getsockname()[1]
        return found


def test_a_log_that_nobody_reads_holds_up_nobody(invalid: Path, pipe: tuple[int, int], port: int) -> None:
    """Neither the controller nor its end; and what is waiting is read once somebody reads."""
    with running(invalid, "-o", "json", "--listen", f"127.0.0.1:{port}", stderr=pipe[1]) as process:
        healthy(f"http://127.0.0.1:{port}", process)
        os.set_blocking(pipe[0], False)
        assert os.read(pipe[0], 4096) == b"x" * 4096
        deadline, text = time.monotonic() + SOON, b""
        while events.SPEC_REJECTED.encode() not in text and time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                text += os.read(pipe[0], 4096)
        assert events.SPEC_REJECTED.encode() in text
        assert stopped(process) == Exit.TERMINATED


def healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            assert status(url, "/healthz") == 200
            return
        time.sleep(0.05)
    raise AssertionError("it does not answer")


def test_a_full_log_does_not_hold_up_the_end(invalid: Path, pipe: tuple[int, int], port: int) -> None:
    """SIGTERM is obeyed while not a byte can be written."""
    with running(invalid, "-o", "json", "--listen", f"127.0.0.1:{port}", stderr=pipe[1]) as process:
        healthy(f"http://127.0.0.1:{port}", process)
        assert stopped(process) == Exit.TERMINATED


def test_a_log_whose_reader_is_gone_ends_nothing(invalid: Path, pipe: tuple[int, int], port: int) -> None:
    """The controller goes on; its exit code is that of the signal."""
    os.close(pipe[0])
    with running(invalid, "-o", "json", "--listen", f"127.0.0.1:{port}", stderr=pipe[1]) as process:
        healthy(f"http://127.0.0.1:{port}", process)
        time.sleep(0.5)
        assert process.poll() is None
        assert stopped(process) == Exit.TERMINATED


def test_a_git_host_that_is_silent_does_not_hold_up_the_end() -> None:
    """Before any specs were read there is nothing to hand over."""
    with peer(silent) as port, running("--source", f"http://127.0.0.1:{port}/x.git#main", "-o", "json") as process:
        time.sleep(1.5)
        assert stopped(process) == Exit.TERMINATED


def test_an_aws_that_is_silent_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """A call that does not end is abandoned before the supervisor loses its patience."""
    shutil.copytree(SPECS, tmp_path / "specs")
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    asked = threading.Event()

    def behave(sock: Any) -> None:
        sock.recv(1)
        asked.set()
        silent(sock)

    with peer(behave) as port:
        url = f"http://127.0.0.1:{port}"
        with running(tmp_path / "specs", "-o", "json", AWS_ENDPOINT_URL=url, **keys) as process:
            assert asked.wait(SOON)
            assert stopped(process) == Exit.TERMINATED
            assert process.stderr is not None
            last = json.loads(process.stderr.read().splitlines()[-1])
    assert last["event"] == events.STOPPING


def test_a_sign_in_that_trickles_is_cut(tmp_path: Path) -> None:
    """It is a call in flight like any other: the process ends by itself, and is not abandoned."""
    shutil.copytree(SPECS, tmp_path / "specs")
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    asked = threading.Event()

    def behave(sock: socket.socket) -> None:
        asked.set()
        dripping(b" ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")(sock)

    with peer(behave) as port:
        url, script = f"http://127.0.0.1:{port}", QUICKLY.replace("1.8", "30")
        with running(tmp_path / "specs", "-o", "json", script=script, AWS_ENDPOINT_URL=url, **keys) as process:
            assert asked.wait(SOON)
            assert stopped(process) == Exit.TERMINATED
            assert process.stderr is not None
            last = json.loads(process.stderr.read().splitlines()[-1])
    assert (last["event"], last.get("because")) == (events.STOPPING, None)


def test_a_thread_that_goes_on_does_not_hold_up_the_end(invalid: Path, port: int) -> None:
    """Python waits for it when the process ends: for its call, or for a program that gives credentials."""
    script = "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()\n" + QUICKLY
    with running(invalid, "-o", "json", "--listen", f"127.0.0.1:{port}", script=script) as process:
        healthy(f"http://127.0.0.1:{port}", process)
        assert stopped(process) == Exit.TERMINATED


# -- the queue


class Slow(io.StringIO):
    """A stream in memory that takes nothing until it is `open`."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()
        self.entered = threading.Event()

    def fileno(self) -> int:
        raise OSError

    def write(self, text: str) -> int:
        self.entered.set()
        assert self.open.wait(SOON)
        return super().write(text)


def test_everything_is_written_in_order_once_it_can_be() -> None:
    """Writers never wait, and nothing is lost within the limit."""
    slow = Slow()
    queue = Queued(slow, "stdout")  # type: ignore[arg-type]
    for number in range(100):
        queue.write(f"{number}\n")
    slow.open.set()
    queue.drain(SOON)
    assert slow.getvalue().split() == [str(number) for number in range(100)]


def test_what_exceeds_the_limit_is_lost_and_counted() -> None:
    """The memory of a process does not grow with what nobody reads."""
    slow = Slow()
    queue = Queued(slow, "stdout", most=10)  # type: ignore[arg-type]
    queue.write("first")
    assert slow.entered.wait(SOON)
    with capture_logs() as logs:
        for _ in range(5):
            queue.write("12345")
        slow.open.set()
        queue.drain(SOON)
    assert slow.getvalue() == "first1234512345"
    assert [(line["event"], line["writes"]) for line in logs] == [(events.OUTPUT_LOST, 3)]


def test_an_output_that_is_gone_is_reported_once() -> None:
    """After that writing costs nothing."""
    reader, writer = os.pipe()
    os.close(reader)
    with capture_logs() as logs, os.fdopen(writer, "w") as stream:
        queue = Queued(stream, "stdout")
        for _ in range(3):
            queue.write("x")
            queue.drain(SOON)
    assert [line["event"] for line in logs] == [events.OUTPUT_LOST]


def test_a_pipe_that_does_not_block_loses_nothing() -> None:
    """Whoever shares it may have made it so: Node.js does. It is full as soon as its reader is slow."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    text = "".join(f"{number}\n" for number in range(50_000))
    found: list[str] = []
    with capture_logs() as logs, os.fdopen(reader) as read:
        with os.fdopen(writer, "w") as stream:
            queue = Queued(stream, "stdout")
            queue.write(text)
            queue.drain(0.2)  # nobody reads yet
            thread = threading.Thread(target=lambda: found.append(read.read()))
            thread.start()
            queue.drain(SOON)
        thread.join(SOON)
    assert (found == [text], logs) == (True, [])


def test_a_report_of_a_full_disk_that_goes_there_too_is_not_reported_again() -> None:
    """The log is written to stderr: a line about each line that is lost would never end."""
    reported: list[str] = []
    with open("/dev/full", "w") as stream:
        queue = Queued(stream, "stderr")

        def warning(*_: object, reason: str, **__: object) -> None:
            reported.append(reason)
            if len(reported) < 100:
                queue.write("a line of the log")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("reconciler.cli.output.queued.log.__class__.warning", warning)
            queue.write("x")
            queue.drain(SOON)
            queue.drain(SOON)
    assert reported == ["No space left on device"]
