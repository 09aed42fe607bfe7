"""Rollout tracker: in-memory state of one process, such as streaks of observations, test results and own writes.

It may be lost at any time, which only costs time. AWS may return data from before the process's own writes, and a read
may be older than the one before it. Hence these rules:

- After a write, nothing further is decided until a read shows it, or until several reads after its time do not.
- A read that does not show it any more is not acted on for as long as AWS may answer late. Nor is one that shows
  production where it was before it moved, whoever has moved it.
- A new process does not know what its predecessor wrote. It waits until reads have agreed for a while, and as long as
  AWS may answer late it does so again whenever one shows another state that is not of its own making.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from reconciler.rollout import state_tags
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
from reconciler.rollout.blue_green.context import LOOK_EVERY, apart
from reconciler.rollout.state import ObservedService, Scaling, SmokeTestOutcome, TaskSet, Weights

SETTLE: Final = timedelta(seconds=5)
"""Time for a write to become visible that AWS did not respond to, and for the reads of a new process to agree."""

LATEST: Final = timedelta(seconds=30)
"""Longest time by which AWS answers late: for so long a write that it responded to is there, whatever a read shows."""

REREADS: Final = 3
"""Number of reads after that which have to agree that it is not visible."""


@dataclass(frozen=True, slots=True)
class RolloutTracker:
    """`since`: the last write; before it, the start of the process or a later read that disagreed with the one before.
    `awaited`: writes that are not visible yet; `answered`: whether AWS responded to them. `kept`: writes that were
    visible, and when they were sent. `started`: the start of the process, whose last read showed `shape`. `production`
    was read last, and `moved` says when it was first read so, and what it had been; `mover`: this process moved it.

    `of` is the task set that `looks` counts for, `last_started` the start of the last of its healthy tasks when the
    streak began. `missing_since`: when tasks of the newest task set were first seen to be missing, of `needed` ones.
    `failed_before`: how many of its tasks had failed when it was last complete, or when it was first observed.
    """

    since: datetime
    began: bool = True
    awaited: tuple[RolloutAction, ...] = ()
    answered: bool = True
    kept: tuple[tuple[datetime, RolloutAction], ...] = ()
    production: Weights | None = None
    moved: tuple[datetime, Weights | None] | None = None
    mover: bool = False
    started: datetime | None = None
    shape: Hashable = None
    rereads: int = 0
    of: str = ""
    looks: int = 0
    looked_at: datetime | None = None
    last_started: datetime | None = None
    tested: SmokeTestOutcome | None = None
    missing_since: datetime | None = None
    needed: int = 0
    failed_before: int | None = None

    def look(self, seen: ObservedService, now: datetime) -> tuple[RolloutTracker, ObservedService, bool]:
        """Add one observation. Returns the tracker, the observation with its streak, and whether to decide."""
        memory = replace(self, kept=tuple((at, one) for at, one in self.kept if now - at < LATEST))
        if not all(visible(one, seen) for _, one in memory.kept) or memory._late(seen, now):
            return memory, memory._known(seen), False
        if seen.production != memory.production:
            memory = replace(memory, production=seen.production, moved=(now, memory.production))
        memory = memory._missed(seen, now)
        memory = memory._counted(memory._known(seen), now)._reread(seen, now)._agreed(seen, now)
        return memory, memory._known(seen), not memory.waiting(now)

    def _late(self, seen: ObservedService, now: datetime) -> bool:
        """Whether production is where it was before it moved, which may have been read from before that. A new process
        does not know which was before, unless it moved it itself.
        """
        new = not self.mover and (self.began or self.started is not None)
        if self.moved is None or new or seen.production == self.production:
            return False
        at, before = self.moved
        return before is not None and seen.production == before and now - at < LATEST

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

    def wrote(self, decisions: tuple[RolloutAction, ...], now: datetime, *, answered: bool = True) -> RolloutTracker:
        """After `decisions` were sent; `answered`: AWS responded to all of them."""
        if not decisions:
            return self
        kept = tuple((at, left) for at, one in self.kept if (left := left_of(one, decisions)) is not None)
        moves = any(isinstance(one, SetWeights | EngineAction) for one in decisions)
        return replace(
            self, since=now, began=False, awaited=decisions, answered=answered, kept=kept, shape=None, rereads=0,
            moved=None if moves else self.moved, mover=moves or self.mover,
        )  # fmt: skip

    def learnt(self, tested: SmokeTestOutcome) -> RolloutTracker:
        return replace(self, tested=tested)

    def waiting(self, now: datetime) -> bool:
        if self.began:
            return now - self.since < SETTLE
        return bool(self.awaited) and self.rereads < REREADS

    def _reread(self, seen: ObservedService, now: datetime) -> RolloutTracker:
        if self.awaited and all(visible(one, seen) for one in self.awaited):
            kept = tuple((self.since, with_definition(one, seen)) for one in self.awaited if isinstance(one, KEPT))
            return replace(self, awaited=(), kept=(*self.kept, *kept), rereads=0)
        if self.awaited and now - self.since >= (LATEST if self.answered else SETTLE):
            return replace(self, rereads=min(REREADS, self.rereads + 1))
        return self

    def _agreed(self, seen: ObservedService, now: datetime) -> RolloutTracker:
        """A new process, and what its last two reads show of what the one before it may have written."""
        if self.awaited or (not self.began and self.started is None):
            return self
        started = self.since if self.started is None else self.started
        if now - started >= LATEST:
            return replace(self, started=None, shape=None)
        shape = _shape(seen)
        if self.shape in (None, shape):
            return replace(self, started=started, shape=shape)
        return replace(self, started=started, shape=shape, since=now, began=True)

    def _counted(self, seen: ObservedService, now: datetime) -> RolloutTracker:
        """Observations count if they are far enough apart; the first one that differs counts at once. So does one that
        finds other tasks healthy: each of a version that crashes may be, between its start and its end.
        """
        newest, verdict = seen.newest, health.verdict(seen)
        before = self.looks if newest is not None and newest.id == self.of else 0
        same = verdict * before > 0 and not (verdict > 0 and self._replaced(newest))
        wait = apart(newest, now) if verdict > 0 else LOOK_EVERY
        if same and self.looked_at is not None and now - self.looked_at < wait:
            return self
        looks = before + verdict if same else verdict
        started = self.last_started if same or newest is None else newest.last_started
        tested = self.tested
        if newest is None or looks < 0 or (tested is not None and tested.release != newest.release):
            tested = None  # the test result belongs to another version, or to an earlier state of this one
        return replace(
            self, of="" if newest is None else newest.id, looks=looks, looked_at=now, last_started=started,
            tested=tested,
        )  # fmt: skip

    def _replaced(self, newest: TaskSet | None) -> bool:
        """Whether one of its healthy tasks was started after those that the streak began with."""
        started = None if newest is None else newest.last_started
        return started is not None and self.last_started is not None and started > self.last_started


def visible(decision: RolloutAction, seen: ObservedService) -> bool:
    """Whether the observed state shows the effect of an action."""
    match decision:
        case WriteState():
            names = (name for name in decision.fields if name != "request")  # operators write it too
            there = replace(seen.marks, **{name: getattr(decision.after, name) for name in names})
            return state_tags.written(seen.marks, there) == ({}, ())  # a tag has room for the start of a reason
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
            return begun and not (seen.differs and wanted == seen.definition)
        case RunTests() | RunTask():
            return True
        case EngineAction():
            return decision.visible(seen)


KEPT: Final = (CreateTaskSet, DeleteTaskSet, ScaleTaskSet, SetPrimary, SetWeights, UpdateService, WriteState)
"""Writes after which a read from before them leads astray; the others are only repeated."""


def with_definition(decision: RolloutAction, seen: ObservedService) -> RolloutAction:
    """A write with what it meant, whatever is wanted later."""
    if isinstance(decision, UpdateService):
        return UpdateService(decision.task_definition or seen.definition)
    return decision


def left_of(old: RolloutAction, new: tuple[RolloutAction, ...]) -> RolloutAction | None:
    """What is left of an earlier write after later ones, or None."""
    for one in new:
        match old, one:
            case WriteState(), WriteState():
                undone = {name: getattr(old.before, name) for name in one.fields}
                old = WriteState(old.before, replace(old.after, **undone))
                if not old.fields:
                    return None
            case SetWeights(), SetWeights() if old.listener == one.listener:
                return None
            case CreateTaskSet(), DeleteTaskSet() | ScaleTaskSet():
                return None
            case ScaleTaskSet(), ScaleTaskSet() if old.id == one.id:
                return None
            case UpdateHealthCheck(), UpdateHealthCheck() if old.slot == one.slot:
                return None
            case (
                (SetPrimary(), SetPrimary()) | (SuspendScaling(), SuspendScaling()) | (UpdateService(), UpdateService())
            ):
                return None
    return old


def _shape(seen: ObservedService) -> Hashable:
    """What only a reconciler or a person writes. A request is for the next process to answer, whenever it is seen."""
    sets = tuple((one.id, one.scale, one.primary, one.draining) for one in seen.sets)
    change = None if seen.change is None else replace(seen.change, busy="")
    return seen.production, seen.test, sets, replace(seen.marks, request=None), change


def _find(seen: ObservedService, identifier: str) -> TaskSet | None:
    return next((one for one in seen.sets if one.id == identifier), None)
