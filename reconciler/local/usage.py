"""CPU time and memory of a process with all that it has started, as Linux accounts for them in /proc."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

MEASURABLE = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class Used:
    """CPU seconds since the process began, those of its children that have ended included, and bytes of memory now."""

    cpu: float = 0.0
    memory: int = 0

    def __add__(self, other: Used) -> Used:
        return Used(self.cpu + other.cpu, self.memory + other.memory)


def of(pid: int) -> Used:
    """Nothing where the process is gone."""
    found = Used()
    waiting = [pid]
    while waiting:
        process = waiting.pop()
        with contextlib.suppress(OSError):  # it ended meanwhile
            found += _of_one(process)
            for thread in os.listdir(f"/proc/{process}/task"):
                children = Path(f"/proc/{process}/task/{thread}/children").read_text()
                waiting.extend(map(int, children.split()))
    return found


def _of_one(pid: int) -> Used:
    """proc(5), /proc/PID/stat, from the third field on: 11 to 14 are times, 21 is resident pages."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = sum(map(int, words[11:15]))
    return Used(ticks / os.sysconf("SC_CLK_TCK"), int(words[21]) * os.sysconf("SC_PAGE_SIZE"))
