"""Real processes over one lease: stopped, killed, and told to go."""

from __future__ import annotations

import itertools
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.store.endpoint import listening

pytestmark = pytest.mark.promise("S8", "processes that compete, and are paused and killed")

PATIENCE = 60.0


@dataclass
class Swarm:
    """Writers, and what they say: (writer, words)."""

    file: Path
    url: str
    ttl: float
    stops: float
    said: queue.Queue[tuple[str, list[str]]] = field(default_factory=queue.Queue)
    writers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)
    holder: str = ""

    def start(self, name: str) -> None:
        command = [sys.executable, "-m", "tests.store.writer", str(self.file), self.url, name, name]
        writer = subprocess.Popen([*command, str(self.ttl), str(self.stops)], stdout=subprocess.PIPE, text=True)
        self.writers[name] = writer
        thread = threading.Thread(target=self._listen, args=(name, writer), daemon=True)
        thread.start()
        self.threads.append(thread)

    def next(self, seconds: float) -> tuple[str, list[str]] | None:
        try:
            name, words = self.said.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return None
        if words[0] == "acquired":
            self.holder = name
        return name, words

    def begin(self, writers: int) -> None:
        """Start so many, and go on once all contend and one has it."""
        for number in range(writers):
            self.start(f"writer-{number}")
        for _ in range(writers):
            self.until(lambda name, words: words[0] == "ready")
        if not self.holder:
            self.until(lambda name, words: words[0] == "acquired")

    def until(self, wanted: Callable[[str, list[str]], bool]) -> tuple[str, list[str]]:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            heard = self.next(end - time.monotonic())
            if heard is not None and wanted(*heard):
                return heard
        raise AssertionError("the writers have not said so in time")

    def close(self) -> None:
        for writer in self.writers.values():
            if writer.poll() is None:
                writer.send_signal(signal.SIGKILL)
            writer.wait(PATIENCE)
        for thread in self.threads:
            thread.join(PATIENCE)
        for writer in self.writers.values():
            assert writer.stdout is not None
            writer.stdout.close()

    def _listen(self, name: str, writer: subprocess.Popen[str]) -> None:
        assert writer.stdout is not None
        for line in writer.stdout:
            self.said.put((name, line.split()))


def in_order(writes: list[tuple[int, str]]) -> list[str]:
    """What is wrong with the arrivals: an epoch after a later one, or one of two writers."""
    wrong, latest, owner = [], 0, dict[int, str]()
    for place, (epoch, name) in enumerate(writes):
        if epoch < latest:
            wrong.append(f"{place}: epoch {epoch} of {name} after {latest}")
        if owner.setdefault(epoch, name) != name:
            wrong.append(f"{place}: epoch {epoch} of {name} and of {owner[epoch]}")
        latest = max(latest, epoch)
    return wrong


@pytest.mark.slow
def test_writers_that_stop_and_die_never_write_out_of_turn(tmp_path: Path) -> None:
    """Four processes, each stopped for three TTLs at any moment: epochs arrive in order, one writer each."""
    ttl, seconds = 0.5, 12.0
    with listening() as arrivals:
        swarm = Swarm(tmp_path / "store.db", arrivals.url, ttl, stops=0.1)
        try:
            swarm.begin(4)
            asleep: dict[str, float] = {}
            stops: dict[str, int] = {}
            end = time.monotonic() + seconds
            killed = 0
            while (now := time.monotonic()) < end:
                heard = swarm.next(0.05)
                if heard is not None and heard[1][0] == "stopping":
                    asleep[heard[0]] = now + 3 * ttl
                    stops[heard[1][1]] = stops.get(heard[1][1], 0) + 1
                for name in [name for name, wake in asleep.items() if wake <= now]:
                    del asleep[name]
                    swarm.writers[name].send_signal(signal.SIGCONT)
                if killed < 2 and now > end - seconds / (1.5 + killed) and swarm.holder in swarm.writers:
                    killed += 1
                    swarm.writers[swarm.holder].send_signal(signal.SIGKILL)
                    swarm.start(f"writer-{3 + killed}")
        finally:
            swarm.close()
        wrong = in_order(arrivals.writes)
        epochs = len({epoch for epoch, _ in arrivals.writes})
        print(f"{len(arrivals.writes)} writes in {epochs} epochs, stops {stops}, {len(wrong)} out of turn")
        assert wrong == []
        assert epochs >= 5
        assert set(stops) == {"before", "sign", "send", "after"}


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_a_leader_that_goes_is_replaced(tmp_path: Path, how: signal.Signals) -> None:
    """A killed leader's lease is taken within the TTL and a period, a stopped one's at once."""
    ttl, took = 1.0, []
    with listening() as arrivals:
        swarm = Swarm(tmp_path / "store.db", arrivals.url, ttl, stops=0)
        try:
            swarm.begin(7)
            for _ in range(6):
                leader, arrived = swarm.holder, len(arrivals.writes)
                wait_until(lambda: len(arrivals.writes) > arrived)  # noqa: B023
                began = time.monotonic()
                swarm.writers[leader].send_signal(how)
                _, words = swarm.until(lambda name, words: words[0] == "acquired")
                took.append(float(words[2]) - began)
        finally:
            swarm.close()
        assert in_order(arrivals.writes) == []
    took.sort()
    print(f"{how.name}: p50 {took[len(took) // 2]:.2f} s, max {took[-1]:.2f} s of {len(took)}, TTL {ttl} s")
    assert took[-1] <= (ttl + 1.0 if how is signal.SIGKILL else 1.0)


@pytest.mark.slow
def test_a_store_that_is_deleted_has_one_writer_afterwards(tmp_path: Path) -> None:
    """Two live processes, and a TTL of minutes: whoever has it in the new file writes alone from then on."""
    file = tmp_path / "store.db"
    with listening() as arrivals:
        swarm = Swarm(file, arrivals.url, 120.0, stops=0)
        try:
            swarm.begin(2)
            wait_until(lambda: len(arrivals.writes) > 10)
            file.unlink()
            _, words = swarm.until(lambda name, words: words[0] == "acquired")
            assert words[1] in ("1", "2")
            arrived = len(arrivals.writes)
            wait_until(lambda: len(arrivals.writes) > arrived + 100)
        finally:
            swarm.close()
    turns = [name for name, _ in itertools.groupby(name for _, name in arrivals.writes)]
    print(f"{len(arrivals.writes)} writes, in turns of {turns}")
    assert len(turns) <= 2


def wait_until(true: Callable[[], bool]) -> None:
    end, step = time.monotonic() + PATIENCE, threading.Event()
    while not true():
        assert time.monotonic() < end, "it has not happened in time"
        step.wait(0.01)
