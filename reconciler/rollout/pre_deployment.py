"""Pre-deployment task: runs before tasks of a new release start, and has to succeed.

    a release would start ─► intent stored ─► task runs ─► exit code 0 ─► release cleared ─► the engine starts it
                                                  └─────► failed, lost ─► release quarantined; `retry`

It knows no engine: a step that would start the wanted release is held back until the release is cleared. The intent is
stored before ECS is asked, and names the run, so that after a crash the same run is found or asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.rollout.actions import RunTask, WriteState, stored
from reconciler.rollout.attempts import TaskRun
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.new_attempt import judged_anew
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import Actor, Outcome, RolloutResult

LOOK_EVERY: Final = timedelta(seconds=5)
"""Time between two observations of a running task."""

ASK_EVERY: Final = timedelta(seconds=30)
"""Time between two attempts to start a task that ECS refused."""

RENEWED: Final = timedelta(minutes=10)
"""Age at which the stored intent to start a task that ECS refused is renewed."""

UNSEEN: Final = timedelta(minutes=5)
"""Age until which a task that ECS does not know is taken for one that it does not show yet."""

FORGOTTEN: Final = timedelta(minutes=50)
"""Age from which a run that was not found may have ended: ECS keeps stopped tasks for an hour."""


@dataclass(frozen=True, slots=True)
class PreDeployment:
    """The task of a service. `revision` is the number of its task definition's revision.

    `lacks` is why it cannot be started yet, and `planned` whether the plan makes what it lacks; a revision that is not
    registered yet is 0. `tasks` is the number of tasks that the service starts with. `judges` is the digest of where
    and as what it runs.
    """

    name: str
    revision: int = 0
    lacks: str = ""
    planned: bool = False
    tasks: int = 0
    judges: str = ""

    def __str__(self) -> str:
        return f"task/{self.name}"


@dataclass(frozen=True, slots=True)
class Found:
    """The observed run. `id` is empty if no task was found; `failure` is empty if it succeeded.

    `refused` is why ECS did not start it when this process last asked. `again`: it could not start, and another run
    can; AWS knows its role by then.
    """

    id: str = ""
    ended: bool = False
    failure: str = ""
    refused: str = ""
    again: bool = False


def step(
    task: PreDeployment | None,
    seen: ObservedService,
    ordinary: RolloutStep,
    found: Found | None,
    now: datetime,
    *,
    starts: bool,
    attempts: bool = True,
) -> RolloutStep:
    """`ordinary`, or the step that has to come before it.

    `starts`: `ordinary` starts the wanted release. `found` is None if no run is in progress, or it could not be read.
    `attempts`: whether the quarantine of a release is lifted whose task has changed.
    """
    s = _Situation(task, seen, ordinary, found or Found(), now, starts=starts)
    record = seen.marks.task_run
    if record is not None and not record.failed:
        return s.waiting(record) if found is None else s.in_progress(record)
    if task is None:
        return ordinary
    if attempts and record is not None and not task.lacks and corrected(task, seen):
        lifted = s.mark(quarantine=seen.marks.without_quarantined(record.release), task_run=None)
        return replace(ordinary, decisions=lifted, wake_at=now, because=f"{task} has changed; trying again")
    if seen.wanted in seen.marks.cleared:
        return s.first_tasks(task)
    return s.begin(task) if starts else ordinary


def corrected(task: PreDeployment | None, seen: ObservedService) -> bool:
    """Whether the task that failed, or still runs, for the wanted release is not as it is declared now.

    A task that failed is then run again once it lacks nothing.
    """
    record, marks = seen.marks.task_run, seen.marks
    if task is None or record is None or record.release != seen.wanted or marks.suspended is not None:
        return False
    if (record.failed and not marks.quarantined(record.release)) or (task.lacks and not task.planned):
        return False
    return task.revision != record.revision or judged_anew(record.judges, task.judges)


class _Situation:
    def __init__(
        self,
        task: PreDeployment | None,
        seen: ObservedService,
        ordinary: RolloutStep,
        found: Found,
        now: datetime,
        *,
        starts: bool,
    ) -> None:
        self.task, self.seen, self.ordinary = task, seen, ordinary
        self.found, self.now, self.starts = found, now, starts
        self.marks = seen.marks
        self.name = "the pre-deployment task" if task is None else str(task)

    def begin(self, task: PreDeployment) -> RolloutStep:
        if task.lacks:
            held = self._step(f"{task} has not started: {task.lacks}", health=RolloutHealth.SUSPENDED)
            return replace(held, wake_at=None, waits_for=Waiting.SPEC)  # the next pass knows more
        record = TaskRun(self.seen.wanted, task.revision, self.now.replace(microsecond=0), judges=task.judges)
        return self._step(f"starting {task}", *self.mark(task_run=record), RunTask(record))

    def first_tasks(self, task: PreDeployment) -> RolloutStep:
        """A service that was created without tasks is not deployed before it has some."""
        empty = task.tasks and not self.seen.desired and self.marks.live is None and self.marks.suspended is None
        ended = self.ordinary.ended is not None and self.starts
        if empty and (ended or self.ordinary.at_rest) and not self.marks.quarantined(self.seen.wanted):
            return replace(self._step(f"{task} has succeeded; the first tasks start next"), phase=Phase.SCALING_UP)
        return self.ordinary

    def in_progress(self, record: TaskRun) -> RolloutStep:
        found, age, now = self.found, self.now - record.at, self.now.replace(microsecond=0)
        if found.again:
            return self.waiting(record, *self.mark(task_run=replace(record, at=now, id="")))
        if found.ended:
            return self._failed(record, found.failure) if found.failure else self._succeeded(record)
        if found.id:
            noted = self.mark(task_run=replace(record, id=found.id))
            return self.waiting(replace(record, id=found.id), *noted)
        if record.id:
            lost = f"its exit code is unknown, because ECS does not know the task {record.id} any more"
            return self._failed(record, lost) if age >= UNSEEN else self.waiting(record)
        if found.refused:
            renewed = self.mark(task_run=replace(record, at=now)) if age >= RENEWED else ()
            return self._asked_again(record, *renewed)
        if age >= FORGOTTEN:
            return self._failed(record, "it is not known whether it ran, because its start was interrupted")
        return self._asked_again(record)

    def _asked_again(self, record: TaskRun, *renewed: WriteState) -> RolloutStep:
        """The same run, if it is still the one to start; ECS starts a run only once, however often it is asked."""
        if renewed:
            return self.waiting(record, *renewed)
        same = self.task is not None and not self.task.lacks and self.task.revision == record.revision
        if self.starts and same and record.release == self.seen.wanted:
            return self.waiting(record, RunTask(record))
        return self.waiting(record, *(self.mark(task_run=None) if self.now - record.at >= UNSEEN else ()))

    def waiting(self, record: TaskRun, *decisions: Any) -> RolloutStep:
        if not self.starts:
            if decisions:
                return replace(self.ordinary, decisions=(*decisions, *self.ordinary.decisions), wake_at=self.now)
            wakes = [self.now + LOOK_EVERY, *([self.ordinary.wake_at] if self.ordinary.wake_at is not None else [])]
            return replace(self.ordinary, wake_at=min(wakes))
        what = f"{self.name} (task {record.id[:8]})" if record.id else self.name
        if record.release != self.seen.wanted:
            return self._step(f"waiting for {what} of release {record.release[:6]} to end", *decisions)
        if self.found.refused:
            return self._step(f"{self.name} has not started: {self.found.refused}", *decisions, wake=ASK_EVERY)
        return self._step(f"{what} is running" if record.id else f"starting {what}", *decisions)

    def _succeeded(self, record: TaskRun) -> RolloutStep:
        noted = self.mark(task_run=None, cleared=self.marks.with_cleared(record.release))
        return self._recorded(f"{self.name} has succeeded", noted)

    def _failed(self, record: TaskRun, failure: str) -> RolloutStep:
        why = f"{self.name} failed: {failure}"
        fields: dict[str, Any] = {
            "task_run": replace(record, id=self.found.id or record.id, failed=True),
            "quarantine": self.marks.with_quarantined(record.release),
        }
        if record.release != self.seen.wanted or self.marks.quarantined(record.release):
            return self._recorded(why, self.mark(record.judges, **fields))
        at = self.now.replace(microsecond=0)
        ended = RolloutResult(record.release, Outcome.FAILED, Phase.PRE_DEPLOYMENT, at, Actor.ENGINE, why)
        noted = self._step(why, *self.mark(record.judges, **fields, ended=ended), health=RolloutHealth.DEGRADED)
        return replace(noted, phase=Phase.FAILED, ended=ended)

    def _recorded(self, because: str, noted: tuple[WriteState, ...]) -> RolloutStep:
        """The outcome is stored by itself, whatever the engine would do now."""
        if self.starts:
            return self._step(because, *noted)
        return replace(self.ordinary, decisions=noted, wake_at=self.now, ended=None)

    def mark(self, judges: str = "", **fields: Any) -> tuple[WriteState, ...]:
        """`judges`: the digest that a task which has failed was started with."""
        declared = self.seen.judges.partition(".")[2]
        return stored(self.marks, fields, f"{judges}.{declared}")

    def _step(
        self,
        because: str,
        *decisions: Any,
        wake: timedelta = LOOK_EVERY,
        health: RolloutHealth = RolloutHealth.PROGRESSING,
    ) -> RolloutStep:
        wake_at = self.now if decisions and not all(isinstance(one, RunTask) for one in decisions) else self.now + wake
        return RolloutStep(
            Phase.PRE_DEPLOYMENT,
            decisions,
            wake_at,
            because,
            health,
            self.seen.wanted,
            waits_for=Waiting.NOBODY,
            live=self.ordinary.live,
        )
