"""What one process remembers between looks, and may forget at any time: looks in a row, tests, its own last writes.

Forgetting costs time and nothing else. AWS may answer a read from before one's own last write; so after a write nothing
further is decided until the write is visible, or until it has had time enough and several reads in a row still do not
show it. A process that has just begun does not know what its predecessor wrote, and waits as long.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from reconciler.rollout.actions import (
    CreateTaskSet,
    DeleteTaskSet,
    RolloutAction,
    RunTests,
    ScaleTaskSet,
    SetPrimary,
    SetWeights,
    SuspendScaling,
    UpdateHealthCheck,
    UpdateService,
    WriteState,
)
from reconciler.rollout.blue_green import health
from reconciler.rollout.blue_green.context import LOOK_EVERY
from reconciler.rollout.state import ObservedService, Scaling, SmokeTestOutcome, TaskSet

SETTLE: Final = timedelta(seconds=5)
"""How long a write may take to be visible."""

REREADS: Final = 3
"""Looks after that which have to agree that it is not."""


@dataclass(frozen=True, slots=True)
class RolloutTracker:
    """`since`: when something was last written, or when the process began. `awaited`: what has to become visible."""

    since: datetime
    began: bool = True
    awaited: tuple[RolloutAction, ...] = ()
    rereads: int = 0
    of: str = ""
    looks: int = 0
    looked_at: datetime | None = None
    tested: SmokeTestOutcome | None = None

    def look(self, seen: ObservedService, now: datetime) -> tuple[RolloutTracker, ObservedService, bool]:
        """With one more look: what is remembered, the facts with it, and whether something may be decided."""
        memory = self._counted(seen, now)._reread(seen, now)
        return memory, replace(seen, looks=memory.looks, tested=memory.tested), not memory.waiting(now)

    def wrote(self, decisions: tuple[RolloutAction, ...], now: datetime) -> RolloutTracker:
        """After `decisions` were sent, answered or not."""
        if not decisions:
            return self
        return replace(self, since=now, began=False, awaited=decisions, rereads=0)

    def learnt(self, tested: SmokeTestOutcome) -> RolloutTracker:
        return replace(self, tested=tested)

    def waiting(self, now: datetime) -> bool:
        if self.began:
            return now - self.since < SETTLE
        return bool(self.awaited) and self.rereads < REREADS

    def _reread(self, seen: ObservedService, now: datetime) -> RolloutTracker:
        if self.awaited and all(visible(one, seen) for one in self.awaited):
            return replace(self, awaited=(), rereads=0)
        if self.awaited and now - self.since >= SETTLE:
            return replace(self, rereads=min(REREADS, self.rereads + 1))
        return self

    def _counted(self, seen: ObservedService, now: datetime) -> RolloutTracker:
        """Good and bad looks count when they are far enough apart; the first that turns counts at once."""
        newest, verdict = seen.newest, health.verdict(seen)
        before = self.looks if newest is not None and newest.id == self.of else 0
        same = verdict * before > 0
        if same and self.looked_at is not None and now - self.looked_at < LOOK_EVERY:
            return self
        looks = before + verdict if same else verdict
        tested = self.tested
        if newest is None or looks < 0 or (tested is not None and tested.release != newest.release):
            tested = None  # it was another that was tested, or this one while it was well
        return replace(self, of="" if newest is None else newest.id, looks=looks, looked_at=now, tested=tested)


def visible(decision: RolloutAction, seen: ObservedService) -> bool:
    """Whether the facts show what a decision wrote."""
    match decision:
        case WriteState():
            return all(
                getattr(seen.marks, name) == getattr(decision.after, name)
                for name in decision.fields
                if name != "request"  # people write it, too
            )
        case SuspendScaling(suspend):
            return seen.scaling is not (Scaling.ACTIVE if suspend else Scaling.SUSPENDED)
        case UpdateHealthCheck(slot):
            return seen.tuned[slot]
        case CreateTaskSet(release, slot):
            return any(one.release == release and one.slot == slot and one.scale for one in seen.alive)
        case ScaleTaskSet(identifier, scale):
            found = _find(seen, identifier)
            return found is None or found.scale == scale
        case SetWeights(listener, weights):
            return (seen.production if listener == "production" else seen.test) == weights
        case SetPrimary(identifier):
            found = _find(seen, identifier)
            return found is None or found.primary
        case DeleteTaskSet(identifier):
            found = _find(seen, identifier)
            return found is None or found.draining
        case UpdateService(definition):
            wanted = definition or seen.definition
            return any(one.primary and one.task_definition == wanted for one in seen.sets) and not seen.differs
        case RunTests():
            return True


def _find(seen: ObservedService, identifier: str) -> TaskSet | None:
    return next((one for one in seen.sets if one.id == identifier), None)
