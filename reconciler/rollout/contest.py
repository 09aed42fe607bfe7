"""Contest detection: what a rollout has written and somebody else keeps changing back.

Only what was written by this process, was visible, and is not any more counts as undone; what a rollout itself changes
back does not. After three times within an hour the step that would write it again is not carried out, until another
release is wanted or an operator makes a request. Drift of resources has the same rule (reconcile/drift.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

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
from reconciler.rollout.state import ObservedService
from reconciler.rollout.tracker import left_of, visible, with_definition

UNDONE: Final = 3
"""Number of times a write may be undone within the window before it is no longer repeated."""

WINDOW: Final = timedelta(hours=1)

HELD: Final = (
    "not written: {0}, changed back outside the controller {1} times within an hour; find out who changes it, then run "
    "`reconciler suspend {2}` and `reconciler resume {2}`"
)
"""Said of what is held, `UNDONE`, and the service's name."""


@dataclass(frozen=True, slots=True)
class Contest:
    """`ours` is what was written last of each thing, `undone` what somebody else has changed back since, and when.

    `held`: what is no longer written.
    """

    wanted: str = ""
    ours: tuple[RolloutAction, ...] = ()
    undone: tuple[tuple[datetime, str], ...] = ()
    held: frozenset[str] = frozenset()

    def look(self, seen: ObservedService, now: datetime) -> Contest:
        """Add an observation that shows everything that was written, unless somebody has undone it."""
        if seen.wanted != self.wanted or seen.marks.pending_request is not None:
            return Contest(seen.wanted)
        if seen.lacked or seen.marks.retry is not None:  # ECS gave up a deployment, and it is started again
            return replace(self, ours=tuple(one for one in self.ours if not isinstance(one, UpdateService)))
        gone = [one for one in self.ours if not visible(one, seen)]
        undone = (*self.undone, *((now, _what(one)) for one in gone))
        undone = tuple((at, what) for at, what in undone if now - at < WINDOW)
        names = [what for _, what in undone]
        held = self.held | {what for what in names if names.count(what) >= UNDONE}
        return replace(self, ours=tuple(one for one in self.ours if one not in gone), undone=undone, held=held)

    def wrote(self, decisions: tuple[RolloutAction, ...], seen: ObservedService) -> Contest:
        kept = [left for one in self.ours if (left := left_of(one, decisions)) is not None]
        if any(isinstance(one, EngineAction) for one in decisions):  # what it leads to moves traffic, not somebody else
            kept = [one for one in kept if not isinstance(one, SetWeights)]
        new = [
            with_definition(one, seen)
            for one in decisions
            if not isinstance(one, DeleteTaskSet | RunTests | RunTask | EngineAction)
        ]
        return replace(self, ours=(*kept, *new))

    def of(self, decisions: tuple[RolloutAction, ...]) -> str:
        """What these actions would write and somebody keeps undoing, or ""."""
        return next((_what(one) for one in decisions if _what(one) in self.held), "")


def _what(decision: RolloutAction) -> str:
    match decision:
        case SetWeights(listener=name):
            return f"the weights of the {name} listener"
        case CreateTaskSet() | DeleteTaskSet():
            return "a task set"
        case ScaleTaskSet():
            return "the scale of a task set"
        case SetPrimary():
            return "the primary task set"
        case SuspendScaling():
            return "the suspension of scaling in"
        case UpdateHealthCheck():
            return "the health check of a target group"
        case UpdateService():
            return "the deployment of the service"
        case WriteState():
            return "the stored state"
        case RunTests() | RunTask() | EngineAction():  # an engine that has others do it sees what they make of it
            return ""
