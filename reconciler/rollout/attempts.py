"""Attempts at a release, as they are stored: one that was rejected, its pre-deployment task, when it began, and the
next attempt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Rejection:
    """A release that was rejected because `flight` was being rolled out."""

    release: str
    flight: str

    @property
    def why(self) -> str:
        return f"rejected because {self.flight} was being rolled out"

    def text(self) -> str:
        return f"{self.release}:{self.flight}"


@dataclass(frozen=True, slots=True)
class TaskRun:
    """The last run of the pre-deployment task, until it has succeeded.

    `revision` is the number of its task definition's revision, `at` when ECS was about to be asked, `id` the task, as
    far as it is known. `judges` is the digest of where and as what it runs, as it was declared then.
    """

    release: str
    revision: int
    at: datetime
    id: str = ""
    failed: bool = False
    judges: str = ""

    def text(self) -> str:
        state = f"{'failed' if self.failed else 'started'}{self.judges and ':'}{self.judges}"
        return f"{self.release}:{self.revision}:{int(self.at.timestamp())}:{self.id or '-'}:{state}"


@dataclass(frozen=True, slots=True)
class Retry:
    """When a release is started again for which AWS had no capacity, after `attempts` attempts."""

    release: str
    attempts: int
    at: datetime

    def text(self) -> str:
        return f"{self.release}:{self.attempts}:{int(self.at.timestamp())}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """When the rollout of a release began. Its deployment, if it has one, was created afterwards."""

    release: str
    at: datetime

    def text(self) -> str:
        return f"{self.release}:{int(self.at.timestamp())}"


@dataclass(frozen=True, slots=True)
class ReleaseTimes:
    """When the rollout of a release began, how many seconds it was `expected` to take until all of production, and how
    many it took until it was healthy, tested, approved and in production; 0 is not yet.

    `expected` does not include the wait for a promotion, which people and timers end.
    """

    release: str
    began: datetime
    expected: int
    healthy: int = 0
    tested: int = 0
    approved: int = 0
    production: int = 0

    @property
    def complete(self) -> bool:
        return self.production > 0

    @property
    def taken(self) -> int:
        """Seconds until all of production, without the wait for a promotion."""
        return self.production - (self.approved - self.tested)

    def passed(self, stages: int, now: datetime) -> ReleaseTimes:
        """With the time of those of the four stages that it has passed only now."""
        seconds = max(1, int((now - self.began).total_seconds()))
        past: dict[str, Any] = {name: seconds for name in STAGES[:stages] if not getattr(self, name)}
        return replace(self, **past)

    def text(self) -> str:
        numbers = (int(self.began.timestamp()), self.expected, *(getattr(self, name) for name in STAGES))
        return f"{self.release}:{':'.join(map(str, numbers))}"


STAGES: Final = ("healthy", "tested", "approved", "production")

KEPT_TIMES: Final = 3
"""Releases whose times a tag value has room for."""


# -- from tags


def _rejection(text: str) -> Rejection | None:
    match = re.fullmatch(r"([^:\s]+):([^:\s]+)", text)
    return None if match is None else Rejection(match[1], match[2])


def _task_run(text: str) -> TaskRun | None:
    match = re.fullmatch(r"([^:\s]+):(\d{1,9}):(\d{1,11}):([\w-]+):(started|failed)(?::(\w+))?", text)
    if match is None:
        return None
    at, id = datetime.fromtimestamp(int(match[3]), UTC), "" if match[4] == "-" else match[4]
    return TaskRun(match[1], int(match[2]), at, id, match[5] == "failed", match[6] or "")


def _retry(text: str) -> Retry | None:
    match = re.fullmatch(r"([^:\s]+):(\d{1,9}):(\d{1,11})", text)
    return None if match is None else Retry(match[1], int(match[2]), datetime.fromtimestamp(int(match[3]), UTC))


def _attempt(text: str) -> Attempt | None:
    match = re.fullmatch(r"([^:\s]+):(\d{1,11})", text)
    return None if match is None else Attempt(match[1], datetime.fromtimestamp(int(match[2]), UTC))


def _times(text: str) -> tuple[ReleaseTimes, ...]:
    """Those that can be read: nothing is decided by them, so the others hold nothing up."""
    matches = (re.fullmatch(r"([^:\s]+):(\d{1,11})" + r":(\d{1,9})" * 5, one) for one in text.split())
    return tuple(_time(match) for match in matches if match is not None)


def _time(match: re.Match[str]) -> ReleaseTimes:
    release, began, *seconds = match.groups()
    return ReleaseTimes(release, datetime.fromtimestamp(int(began), UTC), *map(int, seconds))


READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "rejected": _rejection,
    "task_run": _task_run,
    "attempt": _attempt,
    "retry": _retry,
    "times": _times,
}
"""The fields of `StoredState` that hold them; None if a value cannot be parsed."""
