"""A control plane that writes down what it is told, and whose clock goes as fast as one likes."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from reconciler.local.inside import Usage
from reconciler.local.ports import Traffic


class Recorder:
    """`after` runs on a thread of its own, `speed` times as fast as the real clock; `close` ends it."""

    def __init__(self, *, speed: float = 1.0) -> None:
        self.speed = speed
        self.started: dict[str, tuple[str, dict[int, int]]] = {}
        self.failed: dict[str, str] = {}
        self.exits: list[tuple[str, str, int]] = []
        self.health: list[tuple[str, str, bool]] = []
        self.changed: list[str] = []
        self.usage: list[dict[str, Usage]] = []
        self.traffic: list[tuple[Traffic, ...]] = []
        self.lines: list[tuple[str, str, str]] = []
        self.batches: list[int] = []
        self._news = threading.Condition()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def until(self, true: Callable[[], object], seconds: float = 10.0) -> None:
        """Wait for something to become true; fails when it does not in time."""
        deadline = time.monotonic() + seconds
        while not true():  # without the lock: whoever reports may hold one of its own that `true` needs
            left = deadline - time.monotonic()
            assert left > 0, f"still not true after {seconds} s: {self.started=} {self.failed=} {self.exits=}"
            with self._news:
                self._news.wait(min(left, 0.01))  # what is waited for may be somebody else's

    def close(self) -> None:
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._thread.join()

    # ---- the control plane ------------------------------------------------------------------------------------------

    def on_started(self, task_id: str, address: str, ports: Mapping[int, int]) -> None:
        with self._news:
            self.started[task_id] = (address, dict(ports))
            self._news.notify_all()

    def on_failed_to_start(self, task_id: str, stopped_reason: str) -> None:
        with self._news:
            self.failed[task_id] = stopped_reason
            self._news.notify_all()

    def on_exit(self, task_id: str, container: str, exit_code: int, reason: str = "") -> None:
        with self._news:
            self.exits.append((task_id, container, exit_code))
            self._news.notify_all()

    def on_container_health(self, task_id: str, container: str, healthy: bool) -> None:
        with self._news:
            self.health.append((task_id, container, healthy))
            self._news.notify_all()

    def on_targets_changed(self, group_arn: str) -> None:
        with self._news:
            self.changed.append(group_arn)
            self._news.notify_all()

    def on_usage(self, usage: Mapping[str, Usage]) -> None:
        with self._news:
            self.usage.append(dict(usage))
            self._news.notify_all()

    def on_traffic(self, traffic: Sequence[Traffic]) -> None:
        with self._news:
            self.traffic.append(tuple(traffic))
            self._news.notify_all()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        with self._news:
            heapq.heappush(self._due, (time.monotonic() + seconds / self.speed, next(self._order), action))
            self._news.notify_all()

    def write_logs(self, region: str, group: str, stream: str, lines: tuple[tuple[int, str], ...]) -> None:
        with self._news:
            self.batches.append(len(lines))
            self.lines.extend((group, stream, text) for _, text in lines)
            self._news.notify_all()

    def _run(self) -> None:
        while True:
            with self._news:
                if self._closed:
                    return
                now = time.monotonic()
                if not self._due or self._due[0][0] > now:
                    self._news.wait(self._due[0][0] - now if self._due else None)
                    continue
                _, _, action = heapq.heappop(self._due)
            action()
