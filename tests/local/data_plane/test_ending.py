"""However the local AWS emulator ends, nothing of it remains."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.data_plane.stage import alive

ROOT = Path(__file__).parents[3]


class Laptop:
    def __init__(self, state: Path, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.local.data_plane.laptop", str(state)],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(state), **environment},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.told: dict[str, Any] = json.loads(self.process.stdout.readline())

    def remains(self) -> list[str]:
        found = [f"process {process}" for process in self.told["processes"] if alive(process)]
        if Path(self.told["folder"]).exists():
            found.append(self.told["folder"])
        with socket.socket() as client:
            if client.connect_ex(tuple(self.told["listener"])) == 0:
                found.append("listener")
        return found


def until(true: Callable[[], object], why: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not true():
        assert time.monotonic() < deadline, why()
        pause.wait(0.01)


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Callable[..., Laptop]]:
    made: list[Laptop] = []

    def make(**environment: str) -> Laptop:
        made.append(Laptop(tmp_path, **environment))
        return made[-1]

    yield make
    for one in made:
        one.process.kill()
        one.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_socket_or_file_remains(laptop: Callable[..., Laptop], number: signal.Signals) -> None:
    """Killed, terminated without a handler, or Ctrl-C: task, task's child, balancer, reaper and folder go."""
    running = laptop()
    assert len(running.remains()) == 6
    running.process.send_signal(number)
    until(lambda: not running.remains(), running.remains)


def test_a_sigterm_that_is_handled_ends_in_good_order(laptop: Callable[..., Laptop]) -> None:
    """`close` has ended everything by the time the process exits."""
    running = laptop(ON_SIGTERM="close")
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(5) == 0
    assert running.remains() == []


def test_a_ctrl_c_in_the_terminal_reaches_only_the_laptop(laptop: Callable[..., Laptop]) -> None:
    """Tasks, balancer and reaper are in sessions of their own."""
    running = laptop()
    own = os.getsid(running.process.pid)
    assert all(os.getsid(process) != own for process in running.told["processes"])


def test_without_the_reaper_the_kernel_still_ends_the_tasks(laptop: Callable[..., Laptop]) -> None:
    """Neither of the two has to be trusted alone (on Linux)."""
    running = laptop()
    child, shell, balancer, reaper = running.told["processes"]
    os.kill(reaper, signal.SIGKILL)
    running.process.kill()
    ends = (shell, balancer) if sys.platform == "linux" else (balancer,)
    until(lambda: not any(map(alive, ends)), running.remains)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)  # the one that only the reaper would have found
