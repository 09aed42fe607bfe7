"""How a new version of a service gets there, as values for an engine's `step`: a DeploymentStrategy, compiled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from reconciler.rollout.windows import Window

LOOKS: Final = 3
"""Looks in a row that have to find the same before it is believed: that a side is well, or that it is not."""


class Promotion(StrEnum):
    """Who lets a new version into production."""

    AUTO = "auto"
    MANUAL = "manual"
    TIMED = "timed"  # whichever comes first of a person and the clock


class OnNewRevision(StrEnum):
    """What becomes of a newer version that arrives in the middle of a rollout, before production has moved."""

    SUPERSEDE = "supersede"
    QUEUE = "queue"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class SmokeTest:
    """A request through the test listener and what its answer has to be, `times` in a row `within` a time."""

    path: str
    status: int = 200
    body: str = ""
    times: int = 1
    within: timedelta = timedelta(minutes=1)

    def fault(self, status: int, body: str) -> str:
        """What is wrong with an answer; empty if nothing is."""
        if status != self.status:
            return f"GET {self.path} answered {status}, not {self.status}"
        if self.body not in body:
            return f"GET {self.path} answered without {self.body}"
        return ""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of production for the new version, in percent, and how long it is watched there."""

    weight: int
    pause: timedelta


@dataclass(frozen=True, slots=True)
class Strategy:
    """Everything that a rollout may want to know of how it is to be done.

    `scale` is in percent of the desired count and holds until the switch. `drain` is how long a target group lets its
    targets finish: tasks stop only after their group has had no weight for that long. `max_5xx` is in percent.
    """

    engine: str = "task_sets"
    healthy_within: timedelta = timedelta(minutes=15)
    scale: int = 100
    max_failed_tasks: int = 3
    tests: tuple[SmokeTest, ...] = ()
    promotion: Promotion = Promotion.AUTO
    promote_after: timedelta = timedelta()
    shares: tuple[Share, ...] = ()
    verify_for: timedelta = timedelta(minutes=5)
    alarms: tuple[str, ...] = ()
    max_5xx: float | None = None
    teardown_after: timedelta = timedelta(hours=1)
    on_new_revision: OnNewRevision = OnNewRevision.SUPERSEDE
    windows: tuple[Window, ...] = ()
    drain: timedelta = timedelta(minutes=5)
    looks: int = LOOKS

    @property
    def weights(self) -> tuple[int, ...]:
        """Production's share for the new version, step by step, up to all of it."""
        return (*(share.weight for share in self.shares), 100)

    def weight_after(self, weight: int) -> int:
        return next(one for one in self.weights if one > weight)

    def weight_before(self, weight: int) -> int:
        return max((one for one in self.weights if one < weight), default=0)

    def pause_at(self, weight: int) -> timedelta:
        return next((share.pause for share in self.shares if share.weight == weight), timedelta())

    @property
    def test_for(self) -> timedelta:
        """All tests, one after the other."""
        return sum((test.within for test in self.tests), timedelta())

    @property
    def warm_for(self) -> timedelta:
        """Blue never goes before requests that were on their way to it could end."""
        return max(self.teardown_after, self.drain)
