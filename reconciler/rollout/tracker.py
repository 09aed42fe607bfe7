"""Rollout tracker: in-memory state of one process, such as streaks of observations, test results and own writes.

It may be lost at any time, which only costs time. AWS may return data from before the process's own last write. After a
write nothing further is decided until the write is visible, or until several reads after `SETTLE` still do not show it.
A new process does not know what its predecessor wrote, and waits as long.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from reconciler.rollout import stored_state
from reconciler.rollout.actions import (
    CreateTaskSet,
    DeleteTaskSet,
    EngineAction,
    RolloutAction,
    RunTask,
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
"""Time for a write to become visible."""

REREADS: Final = 3
"""Number of reads after that which have to agree that it is not visible."""


@dataclass(frozen=True, slots=True)
class RolloutTracker:
    """`since`: the last write, or the start of the process. `awaited`: writes that are not visible yet.

    `missing_since`: when tasks of the newest task set were first seen to be missing, of `needed` ones. `failed_before`:
    how many of its tasks had failed when it was last complete, or when it was first observed.
    """

    since: datetime
    began: bool = True
    awaited: tuple[RolloutAction, ...] = ()
    rereads: int = 0
    of: str = ""
    looks: int = 0
    looked_at: datetime | None = None
    tested: SmokeTestOutcome | None = None
    missing_since: datetime | None = None
    needed: int = 0
    failed_before: int | None = None

    def look(self, seen: ObservedService, now: datetime) -> tuple[RolloutTracker, ObservedService, bool]:
        """Add one observation. Returns the tracker, the observation with its streak, and whether to decide."""
        memory = self._missed(seen, now)
        memory = memory._counted(memory._known(seen), now)._reread(seen, now)
        return memory, memory._known(seen), not memory.waiting(now)

    def _known(self, seen: ObservedService) -> ObservedService:
        """The observation with what only this process knows of it."""
        return replace(
            seen,
            looks=self.looks,
            tested=self.tested,
            missing_since=self.missing_since,
            failed_before=self.failed_before,
        )

    def _missed(self, seen: ObservedService, now: datetime) -> RolloutTracker:
        """Missing tasks have their time from when they were first wanted and missing."""
        newest = seen.newest
        if newest is None:
            return replace(self, missing_since=None, needed=0, failed_before=None)
        known = newest.id == self.of
        needed, lacks = newest.needed(seen.desired), health.missing(seen)
        still = known and lacks and needed == self.needed and not health.lack(seen)
        before = self.failed_before if known and lacks and self.failed_before is not None else newest.failed
        since = None if not lacks else (self.missing_since if still and self.missing_since is not None else now)
        return replace(
            self, missing_since=since, needed=needed if lacks else 0, failed_before=min(before, newest.failed)
        )

    def wrote(self, decisions: tuple[RolloutAction, ...], now: datetime) -> RolloutTracker:
        """After `decisions` were sent, whether or not AWS answered."""
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
        """Observations count if they are far enough apart; the first one that differs counts at once."""
        newest, verdict = seen.newest, health.verdict(seen)
        before = self.looks if newest is not None and newest.id == self.of else 0
        same = verdict * before > 0
        if same and self.looked_at is not None and now - self.looked_at < LOOK_EVERY:
            return self
        looks = before + verdict if same else verdict
        tested = self.tested
        if newest is None or looks < 0 or (tested is not None and tested.release != newest.release):
            tested = None  # the test result belongs to another version, or to an earlier state of this one
        return replace(self, of="" if newest is None else newest.id, looks=looks, looked_at=now, tested=tested)


def visible(decision: RolloutAction, seen: ObservedService) -> bool:
    """Whether the observed state shows the effect of an action."""
    match decision:
        case WriteState():
            names = (name for name in decision.fields if name != "request")  # operators write it too
            there = replace(seen.marks, **{name: getattr(decision.after, name) for name in names})
            return stored_state.written(seen.marks, there) == ({}, ())  # a tag has room for the start of a reason
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
            primary = next((one for one in seen.sets if one.primary), None)
            begun = primary is not None and primary.task_definition == wanted and primary.state != "FAILED"
            return begun and not seen.differs
        case RunTests() | RunTask():
            return True
        case EngineAction():
            return decision.visible(seen)


def _find(seen: ObservedService, identifier: str) -> TaskSet | None:
    return next((one for one in seen.sets if one.id == identifier), None)
