"""Runs of the controller as tests want them: one plan until it is in place, or rollouts until they reach a goal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.aws.client import AwsClient
from reconciler.controller.controller import Controller
from reconciler.controller.events import EventRecorder
from reconciler.controller.goals import IDLE_SECONDS, Applied
from reconciler.controller.revisions import ActiveRevision, FixedRevision
from reconciler.controller.schedule import COMMAND
from reconciler.controller.until import Ending, Observer, RolloutSummary, has_ended
from reconciler.diagnosis.report import Diagnosis
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Action, Plan, PlanStep
from reconciler.model.resource import Address
from reconciler.model.resource_type import Depth
from reconciler.model.type_registry import ResourceTypes
from reconciler.reconcile.executor import StepOutcome
from reconciler.reconcile.expectations import Expectations
from reconciler.reconcile.observe import owned_ids
from reconciler.reconcile.pass_ import DesiredState
from reconciler.reconcile.result import PassResult
from reconciler.rollout.engine import Phase, Prefetched
from reconciler.rollout_driver.driver import RolloutDriver, StepResult, count_waiting, wake_at
from reconciler.rollout_driver.smoke_tests import SmokeTests
from reconciler.rollout_driver.targets import ServiceRollout
from reconciler.source.base import Revision


@dataclass(slots=True)
class Recorded(Applied):
    """The goal of `apply`, and every pass on the way there."""

    passes: list[PassResult] = field(default_factory=list)

    def on_pass(self, report: PassResult) -> None:
        self.passes.append(report)
        Applied.on_pass(self, report)


def was_promoted(result: StepResult) -> bool:
    """As `has_ended`, or production traffic has shifted and was verified."""
    moved = result.step is not None and result.step.phase in (Phase.BAKING, Phase.TEARDOWN) and not result.busy
    return moved or has_ended(result)


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended, and its passes."""

    passes: tuple[PassResult, ...]
    ending: Ending

    @property
    def timed_out(self) -> bool:
        return self.ending is Ending.TIMED_OUT

    @property
    def interrupted(self) -> bool:
        return self.ending is Ending.INTERRUPTED

    @property
    def last(self) -> PassResult:
        """The last pass that did anything, or the only one there is."""
        return next((one for one in reversed(self.passes) if one.outcomes), self.passes[-1])

    @property
    def world(self) -> ObservedState:
        return self.passes[-1].world

    @property
    def made(self) -> dict[Address, str]:
        return {one.step.address: one.id for each in self.passes for one in each.outcomes if one.id}


@dataclass(slots=True)
class Watching(Observer):
    start: Callable[[PlanStep, Action], None] | None = None
    end: Callable[[StepOutcome], None] | None = None
    wait: Callable[[PassResult | None, float], None] | None = None

    def on_start(self, step: PlanStep, action: Action) -> None:
        if self.start is not None:
            self.start(step, action)

    def on_end(self, outcome: StepOutcome) -> None:
        if self.end is not None:
            self.end(outcome)

    def on_wait(self, last: PassResult | None, seconds: float) -> None:
        if self.wait is not None:
            self.wait(last, seconds)


def converge(
    aws: AwsClient,
    kinds: ResourceTypes,
    desired_state: DesiredState,
    first: tuple[ObservedState, Plan],
    *,
    patience_seconds: float,
    stop: threading.Event,
    on_start: Callable[[PlanStep, Action], None] | None = None,
    on_end: Callable[[StepOutcome], None] | None = None,
    on_wait: Callable[[PassResult | None, float], None] | None = None,
    expectations: Expectations | None = None,
) -> Report:
    """What `apply` does with a plan that a person approved, without its rollouts."""
    controller = Controller(
        aws,
        kinds,
        FixedRevision(ActiveRevision(Revision(""), desired_state)),
        EventRecorder(aws.clock),
        SmokeTests(lambda delivery, subject: ""),
        observer=Watching(on_start, on_end, on_wait),
        rhythm=COMMAND,
        stop=stop,
        expectations=expectations,
    )
    controller._looked = controller.last = PassResult(0, Depth.FULL, Revision(""), *first)
    aws.mine.add(*owned_ids(first[0], desired_state.place.stack, desired_state.wanted))
    controller.timer.looked(Depth.FULL, aws.clock.monotonic())
    goal = Recorded(patience=patience_seconds, services=frozenset())
    ending = controller.run(goal, agreed=first[1])
    return Report(tuple(goal.passes), ending)


def follow(
    driver: RolloutDriver,
    rollouts: Iterable[ServiceRollout],
    goal: Callable[[StepResult], bool],
    *,
    patience_seconds: float | None = None,
    on_result: Callable[[StepResult], None] | None = None,
    known: Mapping[Address, Prefetched] | None = None,
) -> RolloutSummary:
    """Turn after turn of every rollout until each has reached the goal, patience ends, or `driver.stop` is set.

    `known` is what was just read of them; the first step need not ask again.
    """
    clock = driver.aws.clock
    started = clock.monotonic()
    left = {rollout.address: rollout for rollout in rollouts}
    last: dict[Address, StepResult] = {}
    diagnoses: list[Diagnosis] = []
    while True:
        now = clock.now()
        waiting = count_waiting(last.values())
        due = [rollout for address, rollout in left.items() if _due(last.get(address), waiting, now)]
        for result in driver.advance(due, known if not last else None):
            last[result.rollout.address] = result
            if result.diagnosis is not None:
                diagnoses.append(result.diagnosis)
            if on_result is not None:
                on_result(result)
        left = {address: rollout for address, rollout in left.items() if address not in last or not goal(last[address])}
        results = tuple(last.values())
        if not left:
            return RolloutSummary(results, tuple(diagnoses))
        if driver.stop.is_set():
            return RolloutSummary(results, tuple(diagnoses), ending=Ending.INTERRUPTED)
        waiting = count_waiting(last.values())
        wakes = [wake for address in left if (wake := wake_at(last[address], waiting)) is not None]
        pause = max(0.0, min((wake - clock.now()).total_seconds() for wake in wakes)) if wakes else IDLE_SECONDS
        if patience_seconds is not None:
            rest = patience_seconds - (clock.monotonic() - started)
            if rest <= 0:
                return RolloutSummary(results, tuple(diagnoses), ending=Ending.TIMED_OUT)
            pause = min(pause, rest)
        if pause and clock.wait(driver.stop, pause):
            return RolloutSummary(results, tuple(diagnoses), ending=Ending.INTERRUPTED)


def _due(last: StepResult | None, waiting: int, now: datetime) -> bool:
    return last is None or (wake := wake_at(last, waiting)) is None or now >= wake
