"""Clues that tasks of a service have stopped by themselves, in what a pass reads of it anyway. Pure.

ECS reports which tasks it starts and which it stops, and never that one has ended. So the tasks that there should be
are counted: those that there were, with those that were started, without those that were stopped. What is missing has
stopped by itself, or is on its way and shows a moment later; the difference is carried on until the service is at rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

REMEMBERED: Final = timedelta(hours=1)
"""Time for which ECS shows stopped tasks, at least."""

_CHANGED: Final = re.compile(r"\) has (started|stopped) (\d+) (?:running )?tasks:")
_COMPLAINTS: Final = re.compile(
    r" is unable to consistently start tasks| was unable to (?:place|start) a task| is unhealthy in |"
    r" failed (?:container|ELB) health checks"
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen of a service last. `missing` is how many tasks may have stopped without being looked at."""

    newest: str
    tasks: int
    missing: int = 0
    complained: bool = False

    @property
    def suspicious(self) -> bool:
        return self.missing > 0 or self.complained

    def looked(self) -> Sighting:
        return Sighting(self.newest, self.tasks)


def sight(item: Mapping[str, Any], before: Sighting | None, now: datetime) -> Sighting:
    """`item` is the service as DescribeServices has it. At first sight, what was started within the hour counts."""
    events = item.get("events") or ()
    newest = str(events[0].get("id", "")) if events else ""
    tasks, desired = item.get("runningCount", 0) + item.get("pendingCount", 0), item.get("desiredCount", 0)
    if before is None:
        recent = [str(one.get("message", "")) for one in events if now - one["createdAt"] <= REMEMBERED]
        return Sighting(newest, tasks, _started(recent), _complain(recent))
    news = _since(events, before.newest)
    missing = before.missing + before.tasks + _started(news) - _stopped(news) - tasks
    complained = before.complained or _complain(news)
    if not news and tasks == desired and not item.get("pendingCount", 0) and tasks == before.tasks:
        missing = max(0, before.missing)
    return Sighting(newest, tasks, missing, complained)


def _since(events: Iterable[Mapping[str, Any]], newest: str) -> list[str]:
    found: list[str] = []
    for event in events:
        if event.get("id") == newest:
            break
        found.append(str(event.get("message", "")))
    return found


def _started(messages: Iterable[str]) -> int:
    return _count(messages, "started")


def _stopped(messages: Iterable[str]) -> int:
    return _count(messages, "stopped")


def _count(messages: Iterable[str], verb: str) -> int:
    found = (_CHANGED.search(message) for message in messages)
    return sum(int(match[2]) for match in found if match is not None and match[1] == verb)


def _complain(messages: Iterable[str]) -> bool:
    return any(_COMPLAINTS.search(message) for message in messages)
