"""Forecast of a rollout: how long it takes until all of production has the new version, and for which reasons.

It is the simulation that is forecast, with the strategy's own times and `Durations`. The start of a task, which no spec
says, is corrected by what the last releases took until they were healthy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import Final

from reconciler.model import duration
from reconciler.rollout.attempts import ReleaseTimes
from reconciler.rollout.engine import Phase, TrafficShifter, engines
from reconciler.rollout.pre_deployment import PreDeployment
from reconciler.rollout.simulation import MORNING, Simulation
from reconciler.rollout.strategy import Promotion, Strategy


class Part(StrEnum):
    """What a rollout takes time for, in its order and in the words of people."""

    WINDOW = "deployment window"
    TASK = "pre-deployment task"
    START = "image and start"
    HEALTH = "health checks"
    STAGES = "stages of the deployment"
    DRAIN = "draining"
    TESTS = "tests"
    PROMOTION = "promotion"
    SHIFT = "traffic shift"
    VERIFY = "monitoring"
    BAKE = "bake time"
    REMOVAL = "removal of the old tasks"


AFTER: Final = (Part.VERIFY, Part.BAKE, Part.REMOVAL)
"""What comes once all of production has the new version."""

PARTS: Final = {
    Phase.IDLE: Part.WINDOW,
    Phase.PRE_DEPLOYMENT: Part.TASK,
    Phase.TESTING: Part.TESTS,
    Phase.AWAITING_PROMOTION: Part.PROMOTION,
    Phase.SHIFTING: Part.SHIFT,
    Phase.VERIFYING: Part.VERIFY,
    Phase.BAKING: Part.BAKE,
    Phase.TEARDOWN: Part.REMOVAL,
}
"""Of the phases that are one part; scaling up is several."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """`parts` in their order, without those that take no time.

    `manual`: a person has to promote, whose time is not forecast.
    """

    parts: tuple[tuple[Part, timedelta], ...]
    manual: bool = False

    @property
    def production(self) -> timedelta:
        """Until all of production has the new version."""
        return _sum(lasts for part, lasts in self.parts if part not in AFTER)

    @property
    def unattended(self) -> timedelta:
        """The same, without the wait for a promotion."""
        return _sum(lasts for part, lasts in self.parts if part not in (*AFTER, Part.PROMOTION))

    @property
    def whole(self) -> timedelta:
        """Until the previous version is gone."""
        return _sum(lasts for _, lasts in self.parts)

    def left(self, phase: Phase, elapsed: timedelta) -> timedelta:
        """Until all of production, of a rollout that has been in `phase` for `elapsed`."""
        last = list(Part).index(_of(phase)[-1])
        ahead = (lasts for part, lasts in self.parts if part not in AFTER and list(Part).index(part) > last)
        return max(timedelta(), self._in(phase) - elapsed) + _sum(ahead)

    def late(self, phase: Phase, elapsed: timedelta) -> timedelta:
        """By how much the phase takes longer than forecast."""
        return elapsed - self._in(phase)

    def _in(self, phase: Phase) -> timedelta:
        return _sum(lasts for part, lasts in self.parts if part in _of(phase))


SCALING_UP: Final = (Part.TASK, Part.START, Part.HEALTH, Part.STAGES, Part.DRAIN)
"""What happens in it under some engine, and the task that comes before."""


def _of(phase: Phase) -> tuple[Part, ...]:
    return SCALING_UP if phase is Phase.PRE_DEPLOYMENT else (PARTS[phase],) if phase in PARTS else SCALING_UP


def forecast(
    policy: Strategy,
    desired: int,
    *,
    first: bool = False,
    task: bool = False,
    start: datetime = MORNING,
    times: Iterable[ReleaseTimes] = (),
) -> Forecast:
    """Of a new version that nothing fails. `first`: nothing is running yet. `task`: it has a pre-deployment task.

    `times` are those of the last releases.
    """
    policy = learned(policy, desired, times, task=task)
    spent = _spent(policy, desired, first=first, task=task, start=start)
    manual = policy.promotion is Promotion.MANUAL and not first
    if manual:
        spent.pop(Phase.AWAITING_PROMOTION, None)
    up = spent.pop(Phase.SCALING_UP, timedelta()) + spent.pop(Phase.INITIAL_DEPLOYMENT, timedelta())
    parts = dict(_scaling_up(policy, desired, up, first=first))
    for phase, lasts in spent.items():
        if phase in PARTS:
            parts[PARTS[phase]] = lasts
    return Forecast(tuple((part, parts[part]) for part in Part if parts.get(part)), manual)


def learned(policy: Strategy, desired: int, times: Iterable[ReleaseTimes], *, task: bool = False) -> Strategy:
    """`policy`, with the start of a task that fits what the last releases took until they were healthy."""
    taken = [one.healthy for one in times if one.complete]
    if not taken:
        return policy
    spent = _spent(policy, desired, first=False, task=task, start=None)
    expected = _sum(spent.get(phase, timedelta()) for phase in (Phase.PRE_DEPLOYMENT, Phase.SCALING_UP))
    waves = _waves(policy, desired)
    start = policy.durations.start + (timedelta(seconds=median(taken)) - expected) / waves
    return replace(policy, durations=replace(policy.durations, start=max(timedelta(), start)))


def _spent(
    policy: Strategy, desired: int, *, first: bool, task: bool, start: datetime | None
) -> dict[Phase, timedelta]:
    """Phase → how long the simulated rollout is in it. `start`: None for a time at which every window is open."""
    if start is None:
        policy, start = replace(policy, windows=()), MORNING
    prepared = PreDeployment("task", revision=1) if task else None
    simulation = Simulation(policy, desired, first=first, start=start, task=prepared)
    looks = [(simulation.now, step.phase) for step in simulation.steps()]
    spent: dict[Phase, timedelta] = {}
    for (at, phase), (then, _) in pairwise(looks):
        spent[phase] = spent.get(phase, timedelta()) + (then - at)
    return spent


def _scaling_up(policy: Strategy, desired: int, up: timedelta, *, first: bool) -> Iterator[tuple[Part, timedelta]]:
    durations, shifter = policy.durations, engines()[policy.engine].shifts_traffic
    waves = _waves(policy, desired)
    start = min(up, durations.start * waves)
    yield Part.START, start
    if shifter.takes_role:
        health = min(up - start, durations.healthy)
        yield Part.HEALTH, health
        yield Part.STAGES, up - start - health
        return
    drain = policy.drain if shifter is TrafficShifter.NOBODY and not first else timedelta()
    drain = min(drain, up - start)
    yield Part.HEALTH, up - start - drain
    yield Part.DRAIN, drain


def _waves(policy: Strategy, desired: int) -> int:
    rolling = engines()[policy.engine].shifts_traffic is TrafficShifter.NOBODY
    return policy.durations.waves(desired) if rolling else 1


def _sum(several: Iterable[timedelta]) -> timedelta:
    return sum(several, timedelta())


# -- for people


def rounded(value: timedelta) -> str:
    """To the second below a minute, to five seconds below ten minutes, and to the minute from there on."""
    if value < timedelta(minutes=10):
        step = timedelta(seconds=1 if value < timedelta(minutes=1) else 5)
        return duration.format(round(value / step) * step)
    return duration.approximate(value)
