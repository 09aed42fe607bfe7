"""Who is who, concluded from one look: which side is blue, which is green, what is to be brought, what is left over.

Task sets never change their age, so that age tells: what is younger than the side that serves is on its way in, and
what is older was there before it. Nothing here depends on who looked before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from reconciler.rollout.actions import RolloutAction, WriteState
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.state import WHOLE, ObservedService, TaskSet
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome, RolloutResult, StoredState
from reconciler.rollout.strategy import OnNewRevision, Strategy

LOOK_EVERY: Final = timedelta(seconds=5)
"""How far apart looks are that count as one more in a row."""

POLL_EVERY: Final = timedelta(seconds=15)
"""How often to look while nothing is about to happen."""


class TrafficState(StrEnum):
    FOREIGN = "foreign"  # production is where we never put it
    NOTHING_LIVE = "nothing live"  # no side was ever in production, or none is left
    HALF = "half"  # production is shared with a side that is gone
    SHARED = "shared"  # both sides have some of it
    SWITCHED = "switched"  # the younger side has all of it
    BEFORE = "before"  # the older side has all of it, and there is something to do
    REST = "rest"


@dataclass(frozen=True, slots=True)
class RolloutContext:
    """`live` has production (the older side, where it is shared). `green` is on its way in, `blue` was there before.

    `target` is the release to bring, or "" to stay. `left` are sets without traffic that are neither.
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
    def going_back(self) -> bool:
        """What is brought ran before: it was tested and let in once already."""
        back = self.marks.rollback_target
        return back is not None and back.release == self.target and self.marks.quarantined(self.seen.wanted)

    @property
    def flight(self) -> str:
        """The release that is being rolled out; "" when none is."""
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
        return self.marks.hold is not None and self.marks.hold.release == self.flight

    def due(self, release: str) -> Deadline | None:
        """The stored deadline, if it is this release's."""
        found = self.marks.deadline
        return found if found is not None and found.release == release else None

    def mark(self, **fields: Any) -> tuple[WriteState, ...]:
        """What writes `fields`; nothing, if they are so already."""
        after = replace(self.marks, **fields)
        return () if after == self.marks else (WriteState(self.marks, after),)

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
        """Look again at the stored deadline if that comes before `wake`; at once, where something is to be done."""
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


def of(policy: Strategy, seen: ObservedService, now: datetime) -> RolloutContext:
    # a set without tasks that never was primary is evidence of a first deployment that failed
    sides = tuple(one for one in seen.alive if one.scale or one.primary)
    if seen.production is None or sum(seen.production) != WHOLE or seen.deleting:
        return RolloutContext(policy, seen, now, TrafficState.FOREIGN, target=_target(policy, seen, None, None))
    on = [slot for slot in (0, 1) if seen.production[slot]]
    having = [_chief(sides, slot) for slot in on]
    serving = sorted((one for one in having if one is not None), key=_age)
    live, more = (serving[0] if serving else None), serving[1:]
    if live is None or not any(one.primary for one in sides):
        target = _target(policy, seen, None, None)
        return RolloutContext(policy, seen, now, TrafficState.NOTHING_LIVE, live, target=target)
    if more:
        target = _target(policy, seen, live, more[0])
        return RolloutContext(policy, seen, now, TrafficState.SHARED, live, green=more[0], blue=live, target=target)
    if len(on) > 1:
        return RolloutContext(policy, seen, now, TrafficState.HALF, live, target=_target(policy, seen, live, None))
    others = [one for one in sides if one.slot != live.slot]
    older = [one for one in others if _age(one) < _age(live)]
    younger = [one for one in others if _age(one) > _age(live)]
    idle = tuple(one for one in seen.alive if one.slot != live.slot)
    if older:
        blue = older[-1]
        target = _target(policy, seen, live, None)
        return RolloutContext(
            policy, seen, now, TrafficState.SWITCHED, live, blue=blue, left=_but(idle, blue), target=target
        )
    target = _target(policy, seen, live, younger[-1] if younger else None)
    green = None
    if target != live.release:
        green = next((one for one in reversed(younger) if one.release == target), None)
    left = _but(idle, green)
    shape = TrafficState.BEFORE if left or target not in ("", live.release) else TrafficState.REST
    return RolloutContext(policy, seen, now, shape, live, green=green, left=left, target=target)


def _target(policy: Strategy, seen: ObservedService, live: TaskSet | None, flight: TaskSet | None) -> str:
    marks, wanted = seen.marks, seen.wanted
    if not marks.quarantined(wanted):
        under_way = flight is not None and flight.release != wanted and not marks.quarantined(flight.release)
        reverted = live is not None and live.release == wanted
        if flight is not None and under_way and not reverted and policy.on_new_revision is not OnNewRevision.SUPERSEDE:
            return flight.release
        return wanted
    if marks.rollback_target is not None and not marks.quarantined(marks.rollback_target.release):
        return marks.rollback_target.release
    return ""


def newcomer(situation: RolloutContext) -> str:
    """A release that arrived in the middle of another's rollout, and that the rollout has nothing to do with; or ""."""
    wanted = situation.seen.wanted
    sides = (situation.live, situation.blue)
    known = {situation.flight, *(one.release for one in sides if one is not None)}
    return "" if not situation.flight or situation.marks.quarantined(wanted) or wanted in known else wanted


def _chief(sides: tuple[TaskSet, ...], slot: int) -> TaskSet | None:
    """Of several sets in one slot, the one that counts: the primary one, else the youngest."""
    here = [one for one in sides if one.slot == slot]
    return next((one for one in here if one.primary), here[-1] if here else None)


def _age(one: TaskSet) -> tuple[datetime, str]:
    return one.born, one.id


def _but(some: tuple[TaskSet, ...], one: TaskSet | None) -> tuple[TaskSet, ...]:
    return tuple(other for other in some if other is not one)


FIRST_STAGES: Final = frozenset({DeadlineKind.UP, DeadlineKind.TEST, DeadlineKind.GATE})
"""While its deadline is one of these, green has never had production."""
