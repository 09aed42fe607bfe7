"""Rollout context, derived from one observation: blue, green, the target release and the task sets to remove.

The creation time of a task set never changes: a task set younger than the one in production is on its way in, and an
older one was in production before. Nothing depends on who observed the service before.

A fix of two versions that are both unhealthy is started beside the one without production. The one in production then
counts as live, and both others are judged by their age: the youngest is green, the other is removed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from reconciler.rollout.actions import RolloutAction, WriteState, stored
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.state import UNNAMED, WHOLE, ObservedService, TaskSet
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome, RolloutResult, StoredState
from reconciler.rollout.strategy import LOOKS, OnNewRevision, Strategy

LOOK_EVERY: Final = timedelta(seconds=5)
"""Time between observations while something is about to happen; the least between two that count against a side."""

CONFIRM_EVERY: Final = timedelta(seconds=1)
"""Minimum time between two observations that both count for a side whose tasks are proven."""

PROVEN: Final = LOOK_EVERY * (LOOKS - 1)
"""For which tasks have run that are proven: as long as observations would take that see them run. Those of a version
that crashes soon after its start never are, although ELB may find them healthy at their first check.
"""

POLL_EVERY: Final = timedelta(seconds=15)
"""Time between observations while nothing is about to happen."""


class TrafficState(StrEnum):
    FOREIGN = "foreign"  # production traffic was changed outside the controller
    NOTHING_LIVE = "nothing live"  # no version has been in production, or none is left
    PARTIALLY_ORPHANED = "partially orphaned"  # part of production traffic goes to a version that is gone
    SHARED = "shared"  # both sides receive production traffic
    SWITCHED = "switched"  # the younger side receives all of it
    BEFORE = "before"  # the older side receives all of it, and a rollout or cleanup is due
    REST = "rest"


@dataclass(frozen=True, slots=True)
class RolloutContext:
    """`live` receives production traffic (the older side, if it is shared). `green` is being rolled out, `blue` was
    before.

    `target` is the release to roll out, or "" to change nothing. `left` are the other task sets without traffic.
    """

    policy: Strategy
    seen: ObservedService
    now: datetime
    shape: TrafficState
    live: TaskSet | None = None
    green: TaskSet | None = None
    blue: TaskSet | None = None
    left: tuple[TaskSet, ...] = ()
    target: str = ""

    @property
    def marks(self) -> StoredState:
        return self.seen.marks

    @property
    def serving(self) -> tuple[TaskSet, ...]:
        """The task sets that production depends on, unless no version was found to serve yet."""
        if self.live is None or self.shape is TrafficState.NOTHING_LIVE:
            return ()
        assert self.seen.production is not None
        return tuple(one for one in (self.live, self.green) if one is not None and self.seen.production[one.slot])

    @property
    def going_back(self) -> bool:
        """Whether the target ran in production before, so that it was tested and promoted already."""
        back = self.marks.rollback_target
        return back is not None and back.release == self.target and not self.seen.startable

    @property
    def flight(self) -> str:
        """The release that is being rolled out, or ""."""
        match self.shape:
            case TrafficState.SHARED:
                assert self.green is not None
                return self.green.release
            case TrafficState.SWITCHED:
                assert self.live is not None
                return self.live.release
            case TrafficState.NOTHING_LIVE:
                return self.target
            case TrafficState.BEFORE:
                assert self.live is not None
                return "" if self.target == self.live.release else self.target
            case _:
                return ""

    @property
    def held(self) -> bool:
        return self.marks.hold_of(self.flight) is not None

    @property
    def look_again(self) -> timedelta:
        """Until the next observation, of a side that only has to be confirmed as healthy or is about to be."""
        return apart(self.seen.newest, self.now) if 0 < self.seen.looks < self.policy.looks else LOOK_EVERY

    def due(self, release: str) -> Deadline | None:
        """The stored deadline, if it belongs to this release."""
        found = self.marks.deadline
        return found if found is not None and found.release == release else None

    def mark(self, **fields: Any) -> tuple[WriteState, ...]:
        return stored(self.marks, fields, self.seen.judges)

    def ended(self, release: str, outcome: Outcome, phase: Phase, by: Actor, why: str = "") -> RolloutResult:
        return RolloutResult(release, outcome, phase, self.now.replace(microsecond=0), by, why)

    def step(
        self,
        phase: Phase,
        because: str,
        *decisions: RolloutAction,
        health: RolloutHealth = RolloutHealth.PROGRESSING,
        wake: timedelta | datetime | None = POLL_EVERY,
        waits_for: Waiting = Waiting.NOBODY,
        ended: RolloutResult | None = None,
    ) -> RolloutStep:
        """Wake at the stored deadline if it comes before `wake`; immediately if there are actions."""
        release = self.flight or (self.live.release if self.live is not None else self.target)
        found = self.due(release)
        until = found.at if found is not None else None
        wake_at = self.now + wake if isinstance(wake, timedelta) else wake
        if decisions:
            wake_at = self.now
        elif wake_at is not None and until is not None and self.now < until < wake_at:
            wake_at = until
        slot = None if self.live is None else self.live.slot
        return RolloutStep(phase, tuple(decisions), wake_at, because, health, release, until, waits_for, ended, slot)


def apart(side: TaskSet | None, now: datetime) -> timedelta:
    """Minimum time between two observations that both count for a side."""
    started = None if side is None else side.last_started
    return CONFIRM_EVERY if started is not None and now - started >= PROVEN else LOOK_EVERY


def of(policy: Strategy, seen: ObservedService, now: datetime) -> RolloutContext:
    """The context of an observation. An alarm does not stop the way back, since it may be why that is taken."""
    found = _of(policy, seen, now)
    return replace(found, seen=replace(seen, alarms=())) if found.going_back and seen.alarms else found


def _of(policy: Strategy, seen: ObservedService, now: datetime) -> RolloutContext:
    # a task set without tasks that was never primary is evidence of a failed initial deployment
    sides = tuple(one for one in seen.alive if one.scale or one.primary)
    if seen.production is None or sum(seen.production) != WHOLE or seen.deleting:
        return RolloutContext(policy, seen, now, TrafficState.FOREIGN, target=_target(policy, seen, None, None))
    on = [slot for slot in (0, 1) if seen.production[slot]]
    having = [_preferred_task_set(sides, slot) for slot in on]
    serving = sorted((one for one in having if one is not None), key=_creation_order)
    live, more = (serving[0] if serving else None), serving[1:]
    if live is None or not any(one.primary for one in sides):
        first = next((one for one in reversed(sides) if one.scale), None) if seen.waits else None
        target = _target(policy, seen, None, first)
        return RolloutContext(policy, seen, now, TrafficState.NOTHING_LIVE, live, target=target)
    if more:
        target = _target(policy, seen, live, more[0])
        return RolloutContext(policy, seen, now, TrafficState.SHARED, live, green=more[0], blue=live, target=target)
    if len(on) > 1:
        target = _target(policy, seen, live, None)
        return RolloutContext(policy, seen, now, TrafficState.PARTIALLY_ORPHANED, live, target=target)
    others = [one for one in sides if one.slot != live.slot]
    older = [one for one in others if _creation_order(one) < _creation_order(live)]
    younger = [one for one in others if _creation_order(one) > _creation_order(live)]
    idle = tuple(one for one in seen.alive if one.slot != live.slot)
    if older and all(one.release == UNNAMED for one in younger):  # otherwise a fix has been started in blue's place
        blue = older[-1]
        target = _target(policy, seen, live, None)
        return RolloutContext(
            policy, seen, now, TrafficState.SWITCHED, live, blue=blue, left=_without(idle, blue), target=target
        )
    target = _target(policy, seen, live, younger[-1] if younger else None)
    green = None
    if target != live.release:
        green = next((one for one in reversed((*older, *younger)) if one.release == target), None)
    left = _without(idle, green)
    shape = TrafficState.BEFORE if left or target not in ("", live.release) else TrafficState.REST
    return RolloutContext(policy, seen, now, shape, live, green=green, left=left, target=target)


def _target(policy: Strategy, seen: ObservedService, live: TaskSet | None, flight: TaskSet | None) -> str:
    """The release to roll out. One that is under way goes on until another one can be started in its place."""
    back = seen.marks.rollback_target
    under_way = flight.release if flight is not None and _resumable(seen.marks, flight) else ""
    if seen.startable:
        reverted = live is not None and live.release == seen.wanted
        kept = under_way and not reverted and policy.on_new_revision is not OnNewRevision.SUPERSEDE
        return under_way if kept else seen.wanted
    if under_way:
        return under_way
    return back.release if back is not None and not seen.marks.quarantined(back.release) else ""


def _resumable(marks: StoredState, flight: TaskSet) -> bool:
    """Whether a task set is on its way to production, and not left over or created by hand."""
    due = marks.deadline
    leaving = due is not None and due.release == flight.release and due.stage is DeadlineKind.RETIRE
    return flight.release != UNNAMED and not leaving and not marks.quarantined(flight.release)


def newcomer(situation: RolloutContext) -> str:
    """A release that appeared during the rollout of another one, or ""."""
    wanted = situation.seen.wanted
    sides = (situation.live, situation.blue)
    known = {situation.flight, *(one.release for one in sides if one is not None)}
    return "" if not situation.flight or not situation.seen.startable or wanted in known else wanted


def _preferred_task_set(sides: tuple[TaskSet, ...], slot: int) -> TaskSet | None:
    """The task set of a slot that counts: the primary one, otherwise the youngest."""
    here = [one for one in sides if one.slot == slot]
    return next((one for one in here if one.primary), here[-1] if here else None)


def _creation_order(one: TaskSet) -> tuple[datetime, str]:
    return one.born, one.id


def _without(some: tuple[TaskSet, ...], one: TaskSet | None) -> tuple[TaskSet, ...]:
    return tuple(other for other in some if other is not one)


FIRST_STAGES: Final = frozenset({DeadlineKind.UP, DeadlineKind.TEST, DeadlineKind.GATE})
"""Deadline kinds during which green has never received production traffic."""
