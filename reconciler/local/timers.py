"""What is due when: the local AWS emulator as a discrete-event world.

`run_until` moves `now` from one due moment to the next, so that three hours in one step of a manual clock happen in
the same order, and with the same moments in every answer, as three hours of waiting.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(slots=True)
class Timers:
    now: datetime
    _heap: list[tuple[datetime, int, Callable[[], None]]] = field(default_factory=list)
    _order: itertools.count[int] = field(default_factory=itertools.count)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self.at(self.now + timedelta(seconds=max(0.0, seconds)), action)

    def at(self, moment: datetime, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (moment, next(self._order), action))

    @property
    def next_at(self) -> datetime | None:
        return self._heap[0][0] if self._heap else None

    def run_until(self, moment: datetime, drain: Callable[[], bool], settle: Callable[[], None]) -> None:
        """Live through everything up to `moment`, and leave `now` there.

        `drain` runs after each action, lets in what it has caused elsewhere, and says whether there was any. `settle`
        runs when nothing more happens at an instant, before the next: whoever judges the world sees it whole.
        """
        while True:
            drain()
            while self._heap and self._heap[0][0] <= self.now:
                _, _, action = heapq.heappop(self._heap)
                action()
                drain()
            settle()
            if drain() or (self._heap and self._heap[0][0] <= self.now):
                continue
            if self.now >= moment:
                return
            self.now = min(moment, self._heap[0][0]) if self._heap else moment
