"""Rollout strategy: a DeploymentStrategy compiled to the values that an engine decides by."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from reconciler.printable import escaped
from reconciler.rollout.durations import Durations
from reconciler.rollout.windows import Window

BODY_SHOWN: Final = 60
"""Characters of the body of a response that a failed test shows."""
LOOKS: Final = 3
"""Number of observations in a row that have to agree before a side counts as healthy or unhealthy."""


class Promotion(StrEnum):
    """How a new version is promoted."""

    AUTO = "auto"
    MANUAL = "manual"
    TIMED = "timed"  # whichever comes first of a person and the clock


class OnNewRevision(StrEnum):
    """What happens to a newer version that appears during a rollout, before traffic has shifted."""

    SUPERSEDE = "supersede"
    QUEUE = "queue"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class SmokeTest:
    """A request to the test listener and the expected response, `times` in a row `within` a time limit."""

    path: str
    status: int = 200
    body: str = ""
    times: int = 1
    within: timedelta = timedelta(minutes=1)

    def fault(self, status: int, body: str) -> str:
        """What is wrong with a response, with the beginning of its body; or ""."""
        answered = f"answered {status} {_beginning(body)}"
        if status != self.status:
            return f"{answered}, expected {self.status}"
        if self.body not in body:
            return f"{answered}, expected a body with {_beginning(self.body)}"
        return ""


def _beginning(body: str) -> str:
    """On one line, and printable: the version may have sent anything."""
    text = " ".join(body[: 4 * BODY_SHOWN].split())
    if not text:
        return "without a body"
    return json.dumps(escaped(text[:BODY_SHOWN]) + ("…" if len(text) > BODY_SHOWN else ""), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Share:
    """A traffic step: the new version's share of production in percent, and how long it is kept."""

    weight: int
    pause: timedelta


@dataclass(frozen=True, slots=True)
class Function:
    """A function that AWS calls in stages of a deployment, which are in the words of the specs."""

    name: str
    stages: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.stages)})"


@dataclass(frozen=True, slots=True)
class Strategy:
    """How a rollout is done.

    `scale` is in percent of the desired count until traffic shifts. `drain` is the deregistration delay of the target
    groups: tasks stop only after their group has had no weight for that long. `max_5xx` is in percent. `stickiness`:
    for how long a client stays with its version while both receive traffic. `promotes_rotations`: a release that has
    nothing new but versions of secrets needs no promotion. `durations` are for simulations and forecasts only: no
    decision depends on them.
    """

    engine: str = "task_sets"
    healthy_within: timedelta = timedelta(minutes=15)
    scale: int = 100
    max_failed_tasks: int = 3
    tests: tuple[SmokeTest, ...] = ()
    promotion: Promotion = Promotion.AUTO
    promotes_rotations: bool = False
    promote_after: timedelta = timedelta()
    shares: tuple[Share, ...] = ()
    stickiness: timedelta | None = None
    verify_for: timedelta = timedelta(minutes=5)
    alarms: tuple[str, ...] = ()
    max_5xx: float | None = None
    teardown_after: timedelta = timedelta(hours=1)
    on_new_revision: OnNewRevision = OnNewRevision.SUPERSEDE
    windows: tuple[Window, ...] = ()
    functions: tuple[Function, ...] = ()
    drain: timedelta = timedelta(minutes=5)
    looks: int = LOOKS
    durations: Durations = field(default_factory=Durations)

    @property
    def weights(self) -> tuple[int, ...]:
        """The traffic steps of the new version, up to 100 percent."""
        return (*(share.weight for share in self.shares), 100)

    def weight_after(self, weight: int) -> int:
        return next(one for one in self.weights if one > weight)

    def weight_before(self, weight: int) -> int:
        return max((one for one in self.weights if one < weight), default=0)

    def pause_at(self, weight: int) -> timedelta:
        return next((share.pause for share in self.shares if share.weight == weight), timedelta())

    @property
    def test_for(self) -> timedelta:
        """The time limit of all tests together."""
        return sum((test.within for test in self.tests), timedelta())

    @property
    def warm_for(self) -> timedelta:
        """The bake time, never shorter than connection draining."""
        return max(self.teardown_after, self.drain)
