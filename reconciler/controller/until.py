"""Until: what a run of the controller works on, and when it is done; and the progress of a rollout.

`reconciler run` has no goal and never ends. Those of commands are in goals.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from reconciler.diagnosis.report import Diagnosis
from reconciler.model.plan import Action, PlanStep
from reconciler.model.resource import Address
from reconciler.reconcile.executor import StepOutcome
from reconciler.rollout.engine import Phase, Waiting
from reconciler.rollout_driver.driver import StepResult
from reconciler.rollout_driver.targets import ServiceRollout

if TYPE_CHECKING:
    from reconciler.controller.controller import Controller
    from reconciler.reconcile.result import PassResult

FOREVER: Final = float("inf")


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
    def on_result(self, result: StepResult) -> None: ...


class Until:
    """No goal: work on everything, without end.

    `resources`: whether plans are executed. `services`: whose rollouts are advanced (None: all). `while_suspended`:
    whether rollouts are advanced while the stack is suspended.
    """

    resources: bool = True
    services: frozenset[Address] | None = None
    while_suspended: bool = False

    def target(self, rollout: ServiceRollout) -> ServiceRollout:
        """What a rollout is to reach: what the specs declare, unless the goal is about another version."""
        return rollout

    def on_pass(self, report: PassResult) -> None:
        """A pass has ended."""

    def on_result(self, result: StepResult) -> None:
        """A rollout was observed and advanced if possible."""

    def reached(self, controller: Controller) -> Ending | None:
        """Checked after each round. Raises `errors.ReconcilerError` if the goal cannot be reached any more."""
        return None

    def seconds_left(self, controller: Controller) -> float:
        """Seconds until `reached` has to be checked again."""
        return FOREVER


# -- progress of a rollout


def has_begun(result: StepResult) -> bool:
    """Everything that can be done immediately is done.

    A version whose health is being confirmed is waited for, because the next process would start counting again.
    """
    return result.stuck or not (result.busy or result.stabilizing)


def has_ended(result: StepResult) -> bool:
    """Only a request or a new spec continues it, or AWS refuses."""
    return result.at_rest or result.stuck


def awaits_a_person(result: StepResult) -> bool:
    """Nobody but a person continues it: time alone does not."""
    return result.step is not None and result.step.waits_for is Waiting.PERSON


def has_ended_or_waits(result: StepResult) -> bool:
    return has_ended(result) or awaits_a_person(result)


def went_wrong(result: StepResult) -> bool:
    """The wanted version is not in production, and will not be without a request."""
    if result.step is None:
        return False
    if result.step.phase in (Phase.FAILED, Phase.ROLLED_BACK, Phase.ROLLING_BACK):
        return True
    return result.seen is not None and result.seen.marks.quarantined(result.seen.wanted)


@dataclass(frozen=True, slots=True)
class RolloutSummary:
    """Summary of the rollouts: the last result of each service, and the failures so far."""

    results: tuple[StepResult, ...]
    diagnoses: tuple[Diagnosis, ...] = ()
    ending: Ending = Ending.REACHED

    @property
    def timed_out(self) -> bool:
        return self.ending is Ending.TIMED_OUT

    @property
    def interrupted(self) -> bool:
        return self.ending is Ending.INTERRUPTED

    @property
    def waits_for_promotion(self) -> bool:
        return any(result.step is not None and result.step.phase is Phase.AWAITING_PROMOTION for result in self.results)

    @property
    def awaits_a_person(self) -> bool:
        return any(map(awaits_a_person, self.results))

    @property
    def suspended(self) -> bool:
        """Whether a service waits for `resume`."""
        return any(result.seen is not None and result.seen.marks.suspended is not None for result in self.results)

    @property
    def went_wrong(self) -> tuple[StepResult, ...]:
        return tuple(result for result in self.results if went_wrong(result))

    @property
    def read_only(self) -> tuple[StepResult, ...]:
        """Services whose stored state cannot be read."""
        return tuple(result for result in self.results if result.seen is not None and result.seen.marks.unreadable)

    @property
    def refused(self) -> tuple[StepResult, ...]:
        return tuple(result for result in self.results if result.stuck)
