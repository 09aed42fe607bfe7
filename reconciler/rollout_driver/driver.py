"""Drives rollouts: look, step, carry out what was decided, look again.

What to do is the engine's to say (rollout/); what has happened is AWS's. In between stands one rule: after a write,
nothing further is decided until AWS shows it, or has been asked often enough (rollout/memory.py). Nothing here is
needed by the next process: kill this one anywhere, and the next looks at what is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from reconciler import errors, events
from reconciler.aws.client import AwsClient
from reconciler.diagnosis.report import Diagnosis
from reconciler.log import log
from reconciler.model.resource import Address
from reconciler.rollout import prefetch
from reconciler.rollout.actions import CreateTaskSet, RolloutAction, RunTests, UpdateService
from reconciler.rollout.blue_green import health
from reconciler.rollout.engine import NOTHING, Phase, Prefetched, RolloutStep
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import Actor, Outcome
from reconciler.rollout.tracker import RolloutTracker
from reconciler.rollout_driver.failure_report import FailureReporter
from reconciler.rollout_driver.smoke_tests import SmokeTests
from reconciler.rollout_driver.targets import ServiceRollout

T = TypeVar("T")

WIDTH = prefetch.AT_ONCE
"""Services looked at side by side."""

AGAIN = timedelta(seconds=1)
"""How soon to look again for a write that AWS does not show yet, or at a test that did not hold."""

WAITING = frozenset({Phase.AWAITING_PROMOTION, Phase.BAKING})
"""Phases of hours, in which nothing moves before a deadline or a word."""

EACH = timedelta(seconds=1)
"""For each rollout that waits, how much longer all of them do until they are looked at again: two reads of ELB's take
its place, and so they leave most of the account's ten a second to others. Fewer than fifteen wait no longer for it."""

WENT_WRONG = frozenset({Outcome.FAILED, Outcome.ROLLED_BACK})


@dataclass(frozen=True, slots=True)
class StepResult:
    """One look at one service, and what came of it.

    `seen` and `step` are None where AWS could not be read. `settling`: something that was written is not visible yet,
    and nothing was decided. `done` was carried out; `error` is why the rest was not. `diagnosis` is of a failure that
    this very look found.
    """

    job: ServiceRollout
    at: datetime
    seen: ObservedService | None = None
    step: RolloutStep | None = None
    settling: bool = False
    done: tuple[RolloutAction, ...] = ()
    error: errors.ReconcilerError | None = None
    diagnosis: Diagnosis | None = None

    @property
    def wake_at(self) -> datetime | None:
        """When to look again; None: only a person or a new spec changes anything."""
        if self.settling or self.error is not None or self.step is None:
            return self.at + AGAIN
        if any(isinstance(one, RunTests) and one not in self.done for one in self.step.decisions):
            return self.at + AGAIN
        return self.step.wake_at

    @property
    def waits(self) -> bool:
        """For a deadline or a word, in a phase that takes its time."""
        return self.step is not None and self.step.phase in WAITING and not self.busy and not self.counting

    @property
    def busy(self) -> bool:
        """There is more to do at once; nothing has to happen first."""
        return self.settling or self.step is None or bool(self.step.decisions) or self.error is not None

    @property
    def counting(self) -> bool:
        """It was found well, and not often enough yet to be believed."""
        return self.seen is not None and 0 < self.seen.looks < self.job.delivery.policy.looks and not self.at_rest

    @property
    def stuck(self) -> bool:
        """AWS refused, and will again."""
        return self.error is not None and not isinstance(self.error, PASSING)

    @property
    def at_rest(self) -> bool:
        return not self.busy and self.wake_at is None


PASSING = (errors.Ambiguous, errors.Blocked, errors.Propagating, errors.Throttled, errors.StalePlan)
"""Errors that the next look may not meet again."""


def crowd(turns: Iterable[StepResult]) -> int:
    """How many of them merely wait."""
    return sum(turn.waits for turn in turns)


def wake_at(turn: StepResult, waiting: int) -> datetime | None:
    """When to look again, where so many are `waiting`: the more, the later, but for a deadline."""
    soonest = turn.wake_at
    if soonest is None or turn.step is None or not turn.waits:
        return soonest
    later = turn.at + EACH * waiting
    until = turn.step.until
    return max(soonest, later if until is None or until <= turn.at else min(later, until))


@dataclass(slots=True)
class RolloutDriver:
    """All rollouts of one stack, as one process drives them.

    `fresh` says that nobody wrote anything before this process: then there is nothing to wait for at its first look.
    """

    aws: AwsClient
    smoke: SmokeTests
    obituary: FailureReporter = field(default_factory=FailureReporter)
    fresh: frozenset[Address] = frozenset()
    memories: dict[Address, RolloutTracker] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    def look(self, job: ServiceRollout, known: Prefetched = NOTHING) -> tuple[ObservedService, RolloutStep]:
        """The facts and what they lead to; nothing is written, and nothing remembered.

        One look is taken for as many as it takes to be believed: whoever drives the rollout looks again and again.
        Raises `errors.AwsError` where AWS cannot be read.
        """
        now = self.aws.clock.now()
        policy = job.delivery.policy
        seen = self.aws.run(job.engine.observe(job.subject, policy, now, known), urgent=True)
        seen = replace(seen, looks=health.verdict(seen) * policy.looks)
        return seen, job.engine.decide(policy, seen, now)

    def turn(self, job: ServiceRollout, known: Prefetched = NOTHING) -> StepResult:
        """Look once, and do what that leads to. Raises nothing of AWS's: what went wrong is in the turn."""
        now, policy = self.aws.clock.now(), job.delivery.policy
        memory = self.memories.setdefault(job.address, RolloutTracker(now, began=job.address not in self.fresh))
        try:
            seen = self.aws.run(job.engine.observe(job.subject, policy, now, known), urgent=True)
        except errors.AwsError as unread:
            return StepResult(job, now, error=unread)
        memory, seen, free = memory.look(seen, now)
        self.memories[job.address] = memory
        step = job.engine.decide(policy, seen, now)
        if not free and (step.decisions or memory.awaited):
            return StepResult(job, now, seen, step, settling=True)
        diagnosis = None
        if step.ended is not None and step.ended.outcome in WENT_WRONG and step.ended.by is not Actor.PERSON:
            diagnosis = self.obituary.write(self.aws, job, seen, step)
        done, error = self._carry_out(job, step, now)
        self._say(job, step, done, error)
        return StepResult(job, now, seen, step, done=done, error=error, diagnosis=diagnosis)

    def turns(
        self, jobs: Iterable[ServiceRollout], known: Mapping[Address, Prefetched] | None = None
    ) -> tuple[StepResult, ...]:
        """One turn of each, some of them side by side. What those look at first is asked for together, right before.

        Whose turn has not begun when `stop` is set has none.
        """
        told, taken = known or {}, dict[Address, StepResult]()
        waiting = tuple(jobs)
        unread = [job for job in waiting if job.address not in told]
        self._take([job for job in waiting if job.address in told], told, taken)
        for start in range(0, len(unread), WIDTH):
            if start and self.stop.is_set():
                break
            some = unread[start : start + WIDTH]
            self._take(some, self._standing(some), taken)
        return tuple(taken[job.address] for job in waiting if job.address in taken)

    def _take(
        self, jobs: Iterable[ServiceRollout], known: Mapping[Address, Prefetched], taken: dict[Address, StepResult]
    ) -> None:
        turns = side_by_side(lambda job: self.turn(job, known.get(job.address, NOTHING)), jobs)
        taken.update((turn.job.address, turn) for turn in turns)

    def _standing(self, jobs: Sequence[ServiceRollout]) -> dict[Address, Prefetched]:
        """Nothing where one of them cannot be read: then each asks for itself, and it turns out which."""
        if len(jobs) < 2:
            return {}
        try:
            found = self.aws.run(prefetch.prefetch_missing([(job.subject, NOTHING) for job in jobs]), urgent=True)
        except errors.AwsError as error:
            log.debug(events.ROLLOUT_REFUSED, because=f"not read together: {error}")
            return {}
        return {job.address: known for job, known in zip(jobs, found, strict=True)}

    def _carry_out(
        self, job: ServiceRollout, step: RolloutStep, now: datetime
    ) -> tuple[tuple[RolloutAction, ...], errors.ReconcilerError | None]:
        """In order, and none after one that failed. What may have been written is waited for."""
        written: list[RolloutAction] = []
        done: list[RolloutAction] = []
        error: errors.ReconcilerError | None = None
        for decision in step.decisions:
            if isinstance(decision, RunTests):
                result = self.smoke.probe(job.delivery, job.subject, decision.tests, now)
                if result is not None:
                    self.memories[job.address] = self.memories[job.address].learnt(result)
                    done.append(decision)
                continue
            try:
                if _unregistered(decision, job):
                    raise errors.Blocked("the new revision of the task definition is not registered yet")
                self.aws.run(job.engine.apply(decision, job.subject), urgent=True)
            except errors.LeaseLost:
                raise
            except errors.ReconcilerError as refusal:
                if isinstance(refusal, errors.Ambiguous):
                    written.append(decision)
                error = refusal
                break
            written.append(decision)
            done.append(decision)
        self.memories[job.address] = self.memories[job.address].wrote(tuple(written), now)
        return tuple(done), error

    def _say(
        self,
        job: ServiceRollout,
        step: RolloutStep,
        done: tuple[RolloutAction, ...],
        error: errors.ReconcilerError | None,
    ) -> None:
        common = {"address": str(job.address), "release": step.release, "phase": step.phase}
        if done:
            log.info(events.ROLLOUT_STEP, **common, did=[type(one).__name__ for one in done], because=step.because)
        if step.ended is not None and error is None:
            log.info(events.ROLLOUT_ENDED, **common, outcome=step.ended.outcome, why=step.ended.why)
        if error is not None:
            log.warning(events.ROLLOUT_REFUSED, **common, because=str(error))


def _unregistered(decision: RolloutAction, job: ServiceRollout) -> bool:
    """It would run the wanted revision, and that is not there."""
    wants = isinstance(decision, CreateTaskSet | UpdateService) and not decision.task_definition
    return wants and not job.subject.release.task_definition


def side_by_side(look: Callable[[ServiceRollout], T], jobs: Iterable[ServiceRollout]) -> tuple[T, ...]:
    several = tuple(jobs)
    if len(several) <= 1:
        return tuple(map(look, several))
    with ThreadPoolExecutor(max_workers=WIDTH, thread_name_prefix="rollout") as pool:
        return tuple(pool.map(look, several))
