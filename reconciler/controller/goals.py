"""Goals of commands: when a run of the controller is done.

`apply` runs until the approved plan is applied and the rollouts have started, or with `--wait` finished. A request with
`--now` works on one service until the request is handled and its immediate effects are done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from reconciler import errors
from reconciler.controller.until import FOREVER, Ending, Until, has_begun
from reconciler.diagnosis.report import Diagnosis
from reconciler.model.plan import RefusalCode
from reconciler.model.resource import Address, Observed, ResourceHealth
from reconciler.reconcile.executor import Result, summary
from reconciler.reconcile.pass_ import check_refusals
from reconciler.reconcile.tasks_first import unpushed
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Response
from reconciler.rollout_driver.driver import StepResult
from reconciler.rollout_driver.targets import ServiceRollout, pinned

if TYPE_CHECKING:
    from reconciler.controller.controller import Controller
    from reconciler.reconcile.result import PassResult

PASSING: Final = (errors.Ambiguous, errors.Blocked, errors.Propagating, errors.Throttled)
"""Errors that may be gone at the next read."""

TASK_SECONDS: Final = 5.0
"""Longest time between two looks at one-off tasks that are waited for."""

IMAGE_SECONDS: Final = 5.0
"""The same, at images that are waited for."""

IDLE_SECONDS: Final = 5.0
"""Time between checks while only a request is awaited."""


@dataclass(slots=True)
class Applied(Until):
    """The plan is applied as far as no rollout has to come first, and the rollouts have reached `goal`.

    `patience`: time limit in seconds from the start; `rollout_patience`: time limit of the rollouts after that.
    `deferred_too`: whether deferred actions are applied in the end. `settled` is called once when the plan is applied.
    `task_patience`: how long to wait for one-off tasks to end, at least as long as for the rollouts. `image_patience`:
    how long to wait for images to be pushed; None for not at all.
    """

    goal: Callable[[StepResult], bool] = has_begun
    patience: float = FOREVER
    rollout_patience: float = FOREVER
    task_patience: float = 0.0
    image_patience: float | None = None
    deferred_too: bool = False
    services: frozenset[Address] | None = None
    settled: Callable[[], None] = lambda: None
    last: PassResult | None = field(init=False, default=None)
    done: int = field(init=False, default=0)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    _deadline: float | None = field(init=False, default=None)
    _rollouts_deadline: float | None = field(init=False, default=None)
    _tasks_deadline: float | None = field(init=False, default=None)
    _images_deadline: float | None = field(init=False, default=None)
    _waiting_for_rollouts: bool = field(init=False, default=False)
    _last_look: tuple[str, ...] | None = field(init=False, default=None)

    def on_pass(self, report: PassResult) -> None:
        self.last = report
        self.done += summary(report.outcomes)[Result.DONE]

    def on_result(self, result: StepResult) -> None:
        if result.diagnosis is not None:
            self.diagnoses.append(result.diagnosis)

    @property
    def in_place(self) -> bool:
        """Whether the plan was carried out as far as it could be."""
        return self._waiting_for_rollouts

    def counts(self) -> tuple[int, int]:
        """Number of actions done in all, and failed in the last pass."""
        return self.done, 0 if self.last is None else summary(self.last.outcomes)[Result.FAILED]

    def reached(self, controller: Controller) -> Ending | None:
        now = controller.aws.clock.monotonic()
        if not self._in_place(controller):
            self._last_look = None
            if self._deadline is None or self._waiting_for_rollouts:  # what begins after a rollout has its own time
                self._deadline, self._waiting_for_rollouts = now + self.patience, False
            return Ending.TIMED_OUT if now >= self._deadline else None
        self._waiting_for_rollouts = True
        if self._rollouts_deadline is None or self._tasks_deadline is None:
            self._rollouts_deadline, self._tasks_deadline = now + self.rollout_patience, now + self.task_patience
            self._images_deadline = None if self.image_patience is None else now + self.image_patience
            self.settled()
        queue = controller.queue
        results = [queue.results.get(rollout.address) for rollout in queue.declared]
        if not all(result is not None and self.goal(result) for result in results):
            return Ending.TIMED_OUT if now >= self._rollouts_deadline else None
        if self._images_deadline is not None and self.unpushed:
            controller.timer.requeue_within(IMAGE_SECONDS)
            return Ending.TIMED_OUT if now >= self._images_deadline else None
        if self.running_tasks(controller) and now < self._tasks_deadline:
            if controller.timer.rest > TASK_SECONDS:
                controller.timer.requeue_soon(wrote=False)
            return None
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
        last = self.last
        if last is None:
            return False
        if last.refusals:
            unread = last.world.unreadable.values()
            read_failed = all(one.code is RefusalCode.READ_FAILED for one in last.refusals)
            if read_failed and all(isinstance(error, PASSING) for error in unread):
                return False
            check_refusals(last.plan)
        return not last.unfinished and (bool(last.failed) or not last.wrote)

    @property
    def unpushed(self) -> tuple[str, ...]:
        """Where to push the images that something waits for, as of the last pass."""
        return () if self.last is None else tuple(one.facts["tag_uri"] for one in unpushed(self.last.world))

    def running_tasks(self, controller: Controller) -> tuple[Observed[Any], ...]:
        """One-off tasks of the specs that have not ended, as of the last pass."""
        return self._tasks(controller, ResourceHealth.PROGRESSING)

    def failed_tasks(self, controller: Controller) -> tuple[Observed[Any], ...]:
        """One-off tasks of the specs that failed."""
        return self._tasks(controller, ResourceHealth.DEGRADED)

    def _tasks(self, controller: Controller, health: ResourceHealth) -> tuple[Observed[Any], ...]:
        if self.last is None or controller.revisions.active is None:
            return ()
        wanted, world = controller.revisions.active.wanted, self.last.world
        kinds = [name for name, kind in controller.kinds.items() if kind.runs_to_completion]
        ours = (one for name in kinds for one in world.found.get(name, ()) if one.address in wanted)
        return tuple(one for one in ours if one.health is health)

    def _nothing_deferred(self, controller: Controller) -> bool:
        """Whether a last pass, now that the rollouts have finished, leaves nothing to do; it is started here."""
        left = () if self.last is None else tuple(str(one.action.drop) for one in self.last.plan.deferred)
        if not self.deferred_too or not left or left == self._last_look:
            return True
        self._last_look = left
        controller.timer.requeue_now()
        return False


@dataclass(slots=True)
class RequestHandled(Until):
    """One request on one service was answered, and its immediate effects are done.

    `deployed`: the version that it is about, if the specs declare another one, which is not started meanwhile.
    """

    service: Address
    request: str
    while_suspended: bool = False
    resources: bool = False
    deployed: Version | None = None
    answer: Response | None = field(init=False, default=None)

    @property
    def services(self) -> frozenset[Address]:  # type: ignore[override]  # read only
        return frozenset({self.service})

    def target(self, rollout: ServiceRollout) -> ServiceRollout:
        return rollout if self.deployed is None else pinned(rollout, self.deployed)

    def reached(self, controller: Controller) -> Ending | None:
        if controller.failure is not None and not isinstance(controller.failure, PASSING):
            raise controller.failure
        result = controller.queue.results.get(self.service)
        if result is None:
            self._check(controller)
            return None
        if result.seen is not None and result.seen.marks.unreadable:  # since it was requested: it is never answered
            raise errors.UnknownFormat(f"{self.service} is read-only: {result.seen.marks.unreadable}")
        response = result.seen.marks.response if result.seen is not None else None
        if response is not None and response.id == self.request:
            self.answer = response
        over = result.stuck or (self.answer is not None and not result.busy and not result.stabilizing)
        return Ending.REACHED if over else None

    def seconds_left(self, controller: Controller) -> float:
        return IDLE_SECONDS

    def _check(self, controller: Controller) -> None:
        """Raises why the service has no result, where another pass would not give it one."""
        last, lack = controller.last, controller.queue.missing.get(self.service)
        if last is None:
            return
        for one in last.refusals:
            if one.code is RefusalCode.SUSPENDED and not self.while_suspended:
                raise errors.Refused(one.because, code=one.code)
        if lack is not None and not last.world.unreadable:
            raise errors.ReconcilerError(f"{self.service}: {lack.because}")


@dataclass(slots=True)
class Restarted(RequestHandled):
    """A restart was refused; or it was accepted, and its rollout has ended."""

    def reached(self, controller: Controller) -> Ending | None:
        handled = super(Restarted, self).reached(controller)
        result = controller.queue.results.get(self.service)
        if handled is None or result is None or result.stuck or result.seen is None:
            return handled
        if self.answer is not None and not self.answer.accepted:
            return handled
        wanted = result.rollout.subject.release.id
        return handled if result.at_rest and result.seen.marks.restarts(wanted) else None
