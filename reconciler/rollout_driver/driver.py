"""Rollout driver: observe, decide, apply the actions, and observe again.

Engines decide (rollout/), AWS holds the state. Between them there is one rule: after a write, nothing further is
decided until AWS shows it, or has been read often enough (rollout/tracker.py). The next process needs nothing of this
one's memory.

It is one class because all of a step reads and writes the same trackers.
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
from reconciler.model import ownership
from reconciler.model.resource import Address, Calls
from reconciler.rollout import prefetch, read_only, safety
from reconciler.rollout.actions import DeleteTaskSet, RolloutAction, RunTask, RunTests, started_revision
from reconciler.rollout.blue_green import health
from reconciler.rollout.contest import HELD, UNDONE, Contest
from reconciler.rollout.engine import NOTHING, Phase, Prefetched, RolloutStep
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import Actor, Outcome
from reconciler.rollout.tracker import RolloutTracker
from reconciler.rollout_driver import engine_change, restarts, rollback_target, times
from reconciler.rollout_driver.failure_report import FailureReporter
from reconciler.rollout_driver.smoke_tests import SmokeTests
from reconciler.rollout_driver.targets import ServiceRollout
from reconciler.rollout_driver.task_runs import TaskRuns

T = TypeVar("T")

WIDTH = prefetch.AT_ONCE
"""Number of services observed in parallel."""

AGAIN = timedelta(seconds=1)
"""Time until the next observation while a write is not visible yet, or a smoke test failed."""

REFUSED_LONGEST = timedelta(seconds=60)
"""Longest time until the next observation after AWS refused a call several times in a row."""

MOST_DOUBLINGS = 8

REGISTERS = ("RegisterTaskDefinition",)
"""What a rollback may create, where its revision was deregistered."""

WAITING = frozenset({Phase.AWAITING_PROMOTION, Phase.BAKING})
"""Phases that last hours, and that only a deadline or a request ends."""

EACH = timedelta(seconds=1)
"""Extra time between observations for each waiting rollout. Each one costs two reads of Elastic Load Balancing, so
most of the account's ten calls a second are left to others. Fewer than fifteen rollouts wait no longer.
"""

WENT_WRONG = frozenset({Outcome.FAILED, Outcome.ROLLED_BACK})


@dataclass(frozen=True, slots=True)
class StepResult:
    """Result of one observation of one service.

    `seen` and `step` are None if AWS could not be read, or if this is `outdated`: another engine runs the service now,
    and the next pass says what is to be done. `settling`: a write is not visible yet, or not any more, so
    nothing was decided; `step` is what would be done, or the last one that was if the read was a late one.
    `done` are the applied actions; `error` is why the others were not. `diagnosis` explains a failure that was found in
    this observation. `refused` is the number of observations in a row, this one included, in which AWS refused a call.
    """

    rollout: ServiceRollout
    at: datetime
    seen: ObservedService | None = None
    step: RolloutStep | None = None
    settling: bool = False
    outdated: bool = False
    done: tuple[RolloutAction, ...] = ()
    error: errors.ReconcilerError | None = None
    diagnosis: Diagnosis | None = None
    refused: int = 0

    @property
    def wake_at(self) -> datetime | None:
        """When to observe again, later the more often AWS refuses; None if only a request or a new spec changes it."""
        if self.error is not None:
            return self.at + min(REFUSED_LONGEST, AGAIN * (1 << min(MOST_DOUBLINGS, max(0, self.refused - 1))))
        if self.settling or self.step is None:
            return self.at + AGAIN
        if any(isinstance(one, RunTests) and one not in self.done for one in self.step.decisions):
            return self.at + AGAIN
        return self.step.wake_at

    @property
    def waits(self) -> bool:
        """Whether it waits for a deadline or a request, in a phase that lasts hours."""
        return self.step is not None and self.step.phase in WAITING and not self.busy and not self.stabilizing

    @property
    def busy(self) -> bool:
        """Whether more can be done immediately."""
        return self.settling or self.step is None or bool(self.step.decisions) or self.error is not None

    @property
    def stabilizing(self) -> bool:
        """Whether it is healthy, but not in enough observations in a row yet."""
        return self.seen is not None and 0 < self.seen.looks < self.rollout.delivery.policy.looks and not self.at_rest

    @property
    def stuck(self) -> bool:
        """Whether AWS refused the call, and will refuse it again."""
        return self.error is not None and not isinstance(self.error, PASSING)

    @property
    def at_rest(self) -> bool:
        return not self.busy and self.wake_at is None


PASSING = (errors.Ambiguous, errors.Blocked, errors.Propagating, errors.Throttled, errors.StalePlan)
"""Errors that may be gone at the next observation."""


def count_waiting(results: Iterable[StepResult]) -> int:
    """Number of rollouts that only wait."""
    return sum(result.waits for result in results)


def wake_at(result: StepResult, waiting: int) -> datetime | None:
    """When to observe again if `waiting` rollouts wait: the more, the later, but never after a deadline."""
    soonest = result.wake_at
    if soonest is None or result.step is None or not result.waits:
        return soonest
    later = result.at + EACH * waiting
    until = result.step.until
    return max(soonest, later if until is None or until <= result.at else min(later, until))


@dataclass(slots=True)
class RolloutDriver:
    """All rollouts of one stack.

    `fresh`: nothing was written before this process started, so the first observation need not settle.
    """

    aws: AwsClient
    smoke: SmokeTests
    failure_reporter: FailureReporter = field(default_factory=FailureReporter)
    fresh: frozenset[Address] = frozenset()
    trackers: dict[Address, RolloutTracker] = field(default_factory=dict)
    decided: dict[Address, RolloutStep] = field(default_factory=dict)
    contests: dict[Address, Contest] = field(default_factory=dict)
    task_runs: TaskRuns = field(default_factory=TaskRuns)
    refused: dict[Address, int] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    def forget(self) -> None:
        """Another process may have led since."""
        self.trackers.clear()
        self.decided.clear()
        self.contests.clear()

    def look(self, rollout: ServiceRollout, known: Prefetched = NOTHING) -> tuple[ObservedService, RolloutStep]:
        """Observe and decide. Writes nothing and remembers nothing.

        One observation counts as many as are needed to confirm health, because a driver repeats it. Raises
        `errors.AwsError` if AWS cannot be read.
        """
        now = self.aws.clock.now()
        policy = rollout.delivery.policy
        known = self.aws.run(engine_change.first_read(rollout.change, rollout.subject, known), urgent=True)
        seen = self.aws.run(rollout.observe(known, now), urgent=True)
        _, seen, _ = RolloutTracker(now).look(seen, now)
        seen = replace(seen, looks=health.verdict(seen) * policy.looks)
        return seen, self._decided(rollout, seen, now)

    def advance_one(self, rollout: ServiceRollout, known: Prefetched = NOTHING) -> StepResult:
        """Observe once and apply the actions. Raises no AWS error: failures are in the result."""
        now = self.aws.clock.now()
        memory = self.trackers.setdefault(rollout.address, RolloutTracker(now, began=rollout.address not in self.fresh))
        try:
            known = self.aws.run(engine_change.first_read(rollout.change, rollout.subject, known), urgent=True)
            if engine_change.outdated(rollout.change, rollout.engine, known):
                return StepResult(rollout, now, settling=True, outdated=True)
            seen = self.aws.run(rollout.observe(known, now), urgent=True)
        except errors.AwsError as unread:
            return self._after(StepResult(rollout, now, error=unread))
        self.aws.mine.add(*rollout.engine.owned(seen))
        memory, seen, free = memory.look(seen, now)
        self.trackers[rollout.address] = memory
        step = self._decided(rollout, seen, now)
        contest = self.contests.get(rollout.address, Contest(seen.wanted))
        if free and not self.aws.halted:
            contest = self.contests[rollout.address] = contest.look(seen, now)
            try:
                step = self.aws.run(self._checked(rollout, seen, step, now), creating=REGISTERS, urgent=True)
            except errors.AwsError as unread:
                return self._after(StepResult(rollout, now, seen, step, error=unread))
        if not free and (step.decisions or memory.awaited or memory.kept or rollout.engine.starts(step, seen)):
            prefetched = step if memory.waiting(now) else self.decided.get(rollout.address, step)
            return StepResult(rollout, now, seen, replace(prefetched, ended=None), settling=True)
        if because := safety.breach(rollout.policy(seen), seen, step.decisions, now):
            self.aws.halt(safety.HALTED.format(rollout.address, because, rollout.address.name))
        if self.aws.halted:
            return self._after(StepResult(rollout, now, seen, step, error=errors.SafetyBreach(self.aws.halted)))
        self.decided[rollout.address] = step
        if contested := contest.of(step.decisions):
            because = HELD.format(contested, UNDONE, rollout.address.name)
            return self._after(StepResult(rollout, now, seen, step, error=errors.Contested(because)))
        diagnosis = None
        if step.ended is not None and step.ended.outcome in WENT_WRONG and step.ended.by is not Actor.PERSON:
            diagnosis = self.failure_reporter.write(self.aws, rollout, seen, step)
        done, error = self._carry_out(rollout, step, now)
        self.contests[rollout.address] = contest.wrote(done, seen)
        self._say(rollout, step, done, error)
        return self._after(StepResult(rollout, now, seen, step, done=done, error=error, diagnosis=diagnosis))

    def _decided(self, rollout: ServiceRollout, seen: ObservedService, now: datetime) -> RolloutStep:
        """The next step, with the pre-deployment task; none of a service whose state cannot be read."""
        ordinary = rollout.engine.decide(rollout.policy(seen), seen, now)
        if seen.marks.unreadable:
            return read_only.step(seen, ordinary)
        return rollout.step(self.task_runs.step(self.aws, rollout, seen, ordinary, now), seen, now)

    def checked(self, rollout: ServiceRollout, seen: ObservedService, step: RolloutStep) -> RolloutStep:
        """`step`, or the one that refuses a rollback that is not possible. Writes nothing."""
        return self.aws.run(self._checked(rollout, seen, step, self.aws.clock.now(), register=False), urgent=True)

    def _checked(
        self, rollout: ServiceRollout, seen: ObservedService, step: RolloutStep, now: datetime, *, register: bool = True
    ) -> Calls[RolloutStep]:
        stack, prepared = ownership.owner(dict(rollout.subject.stack_tags)), rollout.pre_deployment is not None
        step = yield from rollback_target.checked(step, seen, stack, now, register=register)
        step = yield from restarts.checked(step, seen, stack, prepared=prepared, register=register)
        return times.noted(rollout, seen, step, now) if register else step

    def _after(self, result: StepResult) -> StepResult:
        """`result`, with the number of results in a row that AWS refused."""
        address = result.rollout.address
        before = self.refused.get(address, 0)
        self.refused[address] = before + 1 if result.error is not None else before if result.settling else 0
        return replace(result, refused=self.refused[address])

    def advance(
        self, rollouts: Iterable[ServiceRollout], known: Mapping[Address, Prefetched] | None = None
    ) -> tuple[StepResult, ...]:
        """One step of each service, several in parallel. Their first reads are batched.

        A service whose step has not started when `stop` is set has no result.
        """
        prefetched, taken = known or {}, dict[Address, StepResult]()
        waiting = tuple(rollouts)
        unread = [rollout for rollout in waiting if rollout.address not in prefetched]
        self._take([rollout for rollout in waiting if rollout.address in prefetched], prefetched, taken)
        for start in range(0, len(unread), WIDTH):
            if start and self.stop.is_set():
                break
            some = unread[start : start + WIDTH]
            self._take(some, self._standing(some), taken)
        return tuple(taken[rollout.address] for rollout in waiting if rollout.address in taken)

    def _take(
        self, rollouts: Iterable[ServiceRollout], known: Mapping[Address, Prefetched], taken: dict[Address, StepResult]
    ) -> None:
        results = side_by_side(lambda rollout: self.advance_one(rollout, known.get(rollout.address, NOTHING)), rollouts)
        taken.update((result.rollout.address, result) for result in results)

    def _standing(self, rollouts: Sequence[ServiceRollout]) -> dict[Address, Prefetched]:
        """Empty if one of them cannot be read: then each service is read by itself, which shows which one it is."""
        if len(rollouts) < 2:
            return {}
        try:
            found = self.aws.run(
                prefetch.prefetch_missing([(rollout.subject, NOTHING) for rollout in rollouts]), urgent=True
            )
        except errors.AwsError as error:
            log.debug(events.ROLLOUT_REFUSED, because=f"reading together failed: {error}")
            return {}
        return {rollout.address: known for rollout, known in zip(rollouts, found, strict=True)}

    def _carry_out(
        self, rollout: ServiceRollout, step: RolloutStep, now: datetime
    ) -> tuple[tuple[RolloutAction, ...], errors.ReconcilerError | None]:
        """Apply actions in order, and none after one that failed. Expects everything that may have been written."""
        written: list[RolloutAction] = []
        done: list[RolloutAction] = []
        error: errors.ReconcilerError | None = None
        answered = True
        for decision in step.decisions:
            if isinstance(decision, RunTests):
                result = self.smoke.probe(rollout.delivery, rollout.subject, decision, now)
                if result is not None:
                    self.trackers[rollout.address] = self.trackers[rollout.address].learnt(result)
                    done.append(decision)
                continue
            try:
                if isinstance(decision, RunTask):
                    self.task_runs.start(self.aws, rollout, decision)
                    done.append(decision)
                    continue
                if _unregistered(decision, rollout):
                    raise errors.Blocked("the new revision of the task definition is not registered yet")
                fresh = not isinstance(decision, DeleteTaskSet)
                self.aws.run(rollout.calls_of(decision), fresh=fresh, urgent=True)
            except errors.LeaseLost:
                raise
            except errors.ReconcilerError as refusal:
                if isinstance(refusal, errors.Ambiguous):
                    written.append(decision)
                    answered = False
                error = refusal
                break
            written.append(decision)
            done.append(decision)
        self.trackers[rollout.address] = self.trackers[rollout.address].wrote(tuple(written), now, answered=answered)
        return tuple(done), error

    def _say(
        self,
        rollout: ServiceRollout,
        step: RolloutStep,
        done: tuple[RolloutAction, ...],
        error: errors.ReconcilerError | None,
    ) -> None:
        common = {"address": str(rollout.address), "release": step.release, "phase": step.phase}
        if done:
            log.info(events.ROLLOUT_STEP, **common, did=[type(one).__name__ for one in done], because=step.because)
        if step.ended is not None and error is None:
            log.info(events.ROLLOUT_ENDED, **common, outcome=step.ended.outcome, why=step.ended.why)
        if error is not None:
            log.warning(events.ROLLOUT_REFUSED, **common, because=str(error))


def _unregistered(decision: RolloutAction, rollout: ServiceRollout) -> bool:
    """It would deploy the wanted revision, which is not registered yet."""
    return started_revision(decision) == "" and not rollout.subject.release.task_definition


def side_by_side(look: Callable[[ServiceRollout], T], rollouts: Iterable[ServiceRollout]) -> tuple[T, ...]:
    several = tuple(rollouts)
    if len(several) <= 1:
        return tuple(map(look, several))
    with ThreadPoolExecutor(max_workers=WIDTH, thread_name_prefix="rollout") as pool:
        return tuple(pool.map(look, several))
