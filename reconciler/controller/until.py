"""Goals of a run: what the controller works on, and when it is done.

`reconciler run` has none and never ends. `apply` runs until the approved plan is applied and the rollouts have started,
or with `--wait` finished. A request with `--now` works on one service until the request is handled and its immediate
effects are done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from reconciler import errors
from reconciler.diagnosis.report import Diagnosis
from reconciler.model.plan import Action, PlanStep, RefusalCode
from reconciler.model.resource import Address
from reconciler.reconcile.executor import Result, StepOutcome, summary
from reconciler.reconcile.pass_ import check_refusals
from reconciler.rollout.engine import Phase, Waiting
from reconciler.rollout.requests import Response
from reconciler.rollout_driver.driver import StepResult

if TYPE_CHECKING:
    from reconciler.controller.controller import Controller
    from reconciler.reconcile.result import PassResult

FOREVER: Final = float("inf")
PASSING: Final = (errors.Ambiguous, errors.Blocked, errors.Propagating, errors.Throttled)
"""Errors that may be gone at the next read."""


class Ending(StrEnum):
    REACHED = "reached"
    TIMED_OUT = "timed out"
    INTERRUPTED = "interrupted"
    LEASE_LOST = "lease lost"


class Observer:
    """Receives each step of the work as it happens."""

    def on_start(self, step: PlanStep, action: Action) -> None: ...
    def on_end(self, outcome: StepOutcome) -> None: ...
    def on_wait(self, last: PassResult | None, seconds: float) -> None: ...
    def on_turn(self, turn: StepResult) -> None: ...


class Until:
    """No goal: work on everything, without end.

    `resources`: whether plans are executed. `services`: whose rollouts are advanced (None: all). `while_suspended`:
    whether rollouts are advanced while the stack is suspended.
    """

    resources: bool = True
    services: frozenset[Address] | None = None
    while_suspended: bool = False

    def on_pass(self, report: PassResult) -> None:
        """A pass has ended."""

    def on_turn(self, turn: StepResult) -> None:
        """A rollout was observed and advanced if possible."""

    def reached(self, controller: Controller) -> Ending | None:
        """Checked after each round. Raises `errors.ReconcilerError` if the goal cannot be reached any more."""
        return None

    def seconds_left(self, controller: Controller) -> float:
        """Seconds until `reached` has to be checked again."""
        return FOREVER


# -- progress of a rollout


def has_begun(turn: StepResult) -> bool:
    """Everything that can be done immediately is done.

    A version whose health is being confirmed is waited for, because the next process would start counting again.
    """
    return turn.stuck or not (turn.busy or turn.stabilizing)


def has_ended(turn: StepResult) -> bool:
    """Only a request or a new spec continues it, or AWS refuses."""
    return turn.at_rest or turn.stuck


def was_promoted(turn: StepResult) -> bool:
    """As `has_ended`, or production traffic has shifted and was verified."""
    moved = turn.step is not None and turn.step.phase in (Phase.BAKING, Phase.TEARDOWN) and not turn.busy
    return moved or has_ended(turn)


def went_wrong(turn: StepResult) -> bool:
    """The wanted version is not in production, and will not be without a request."""
    if turn.step is None:
        return False
    if turn.step.phase in (Phase.FAILED, Phase.ROLLED_BACK, Phase.ROLLING_BACK):
        return True
    return turn.seen is not None and turn.seen.marks.quarantined(turn.seen.wanted)


@dataclass(frozen=True, slots=True)
class RolloutSummary:
    """Summary of the rollouts: the last turn of each service, and the failures so far."""

    turns: tuple[StepResult, ...]
    diagnoses: tuple[Diagnosis, ...] = ()
    ending: Ending = Ending.REACHED

    @property
    def timed_out(self) -> bool:
        return self.ending is Ending.TIMED_OUT

    @property
    def interrupted(self) -> bool:
        return self.ending is Ending.INTERRUPTED

    @property
    def waits_for_person(self) -> bool:
        steps = [turn.step for turn in self.turns if turn.step is not None]
        return any(step.waits_for is Waiting.PERSON and step.phase is Phase.AWAITING_PROMOTION for step in steps)

    @property
    def went_wrong(self) -> tuple[StepResult, ...]:
        return tuple(turn for turn in self.turns if went_wrong(turn))

    @property
    def refused(self) -> tuple[StepResult, ...]:
        return tuple(turn for turn in self.turns if turn.stuck)


# -- goals


@dataclass(slots=True)
class Applied(Until):
    """The plan is applied as far as no rollout has to come first, and the rollouts have reached `goal`.

    `patience`: time limit in seconds from the start; `rollout_patience`: time limit of the rollouts after that.
    `deferred_too`: whether deferred actions are applied in the end. `settled` is called once when the plan is applied.
    """

    goal: Callable[[StepResult], bool] = has_begun
    patience: float = FOREVER
    rollout_patience: float = FOREVER
    deferred_too: bool = False
    services: frozenset[Address] | None = None
    settled: Callable[[], None] = lambda: None
    passes: list[PassResult] = field(default_factory=list)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    _deadline: float | None = field(init=False, default=None)
    _rollouts_deadline: float | None = field(init=False, default=None)
    _waiting_for_rollouts: bool = field(init=False, default=False)
    _last_look: tuple[str, ...] | None = field(init=False, default=None)

    def on_pass(self, report: PassResult) -> None:
        self.passes.append(report)

    def on_turn(self, turn: StepResult) -> None:
        if turn.diagnosis is not None:
            self.diagnoses.append(turn.diagnosis)

    @property
    def in_place(self) -> bool:
        """Whether the plan was carried out as far as it could be."""
        return self._waiting_for_rollouts

    def counts(self) -> tuple[int, int]:
        """Number of actions done in all, and failed in the last pass."""
        each = [summary(one.outcomes) for one in self.passes]
        return sum(count[Result.DONE] for count in each), each[-1][Result.FAILED] if each else 0

    def reached(self, controller: Controller) -> Ending | None:
        now = controller.aws.clock.monotonic()
        if not self._in_place(controller):
            self._last_look = None
            if self._deadline is None or self._waiting_for_rollouts:  # what begins after a rollout has its own time
                self._deadline, self._waiting_for_rollouts = now + self.patience, False
            return Ending.TIMED_OUT if now >= self._deadline else None
        self._waiting_for_rollouts = True
        if self._rollouts_deadline is None:
            self._rollouts_deadline = now + self.rollout_patience
            self.settled()
        queue = controller.queue
        turns = [queue.turns.get(job.address) for job in queue.jobs]
        if not all(turn is not None and self.goal(turn) for turn in turns):
            return Ending.TIMED_OUT if now >= self._rollouts_deadline else None
        return Ending.REACHED if self._nothing_deferred(controller) else None

    def seconds_left(self, controller: Controller) -> float:
        deadline = self._rollouts_deadline if self._waiting_for_rollouts else self._deadline
        left = FOREVER if deadline is None else max(0.0, deadline - controller.aws.clock.monotonic())
        return min(IDLE_SECONDS, left) if self._waiting_for_rollouts else left

    def _in_place(self, controller: Controller) -> bool:
        """Another pass would change nothing, and AWS shows every write.

        Raises what prevents another pass.
        """
        if controller.failure is not None:
            if not isinstance(controller.failure, PASSING):
                raise controller.failure
            return False
        if not self.passes:
            return False
        last = self.passes[-1]
        if last.refusals:
            unread = last.world.unreadable.values()
            read_failed = all(one.code is RefusalCode.READ_FAILED for one in last.refusals)
            if read_failed and all(isinstance(error, PASSING) for error in unread):
                return False
            check_refusals(last.plan)
        return not last.unfinished and (bool(last.failed) or not last.wrote)

    def _nothing_deferred(self, controller: Controller) -> bool:
        """Whether a last pass, now that the rollouts have finished, leaves nothing to do; it is started here."""
        left = tuple(str(one.action.drop) for one in self.passes[-1].plan.deferred)
        if not self.deferred_too or not left or left == self._last_look:
            return True
        self._last_look = left
        controller.timer.requeue_now()
        return False


IDLE_SECONDS: Final = 5.0
"""Time between checks while only a request is awaited."""


@dataclass(slots=True)
class RequestHandled(Until):
    """One request on one service was answered, and its immediate effects are done."""

    service: Address
    request: str
    while_suspended: bool = False
    resources: bool = False
    answer: Response | None = field(init=False, default=None)

    @property
    def services(self) -> frozenset[Address]:  # type: ignore[override]  # read only
        return frozenset({self.service})

    def reached(self, controller: Controller) -> Ending | None:
        if controller.failure is not None and not isinstance(controller.failure, PASSING):
            raise controller.failure
        turn = controller.queue.turns.get(self.service)
        if turn is None:
            self._check(controller)
            return None
        response = turn.seen.marks.response if turn.seen is not None else None
        if response is not None and response.id == self.request:
            self.answer = response
        over = turn.stuck or (self.answer is not None and not turn.busy and not turn.stabilizing)
        return Ending.REACHED if over else None

    def seconds_left(self, controller: Controller) -> float:
        return IDLE_SECONDS

    def _check(self, controller: Controller) -> None:
        """Raises why the service has no turn, where another pass would not give it one."""
        last, lack = controller.last, controller.queue.missing.get(self.service)
        if last is None:
            return
        for one in last.refusals:
            if one.code is RefusalCode.SUSPENDED and not self.while_suspended:
                raise errors.Refused(one.because, code=one.code)
        if lack is not None and not last.world.unreadable:
            raise errors.ReconcilerError(f"{self.service}: {lack.because}")
