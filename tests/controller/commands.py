"""What `diff`, `apply`, `destroy` and a request with `--now` do, without their terminal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.controller.controller import Controller
from reconciler.controller.events import EventRecorder
from reconciler.controller.revisions import ActiveRevision, FixedRevision
from reconciler.controller.schedule import COMMAND
from reconciler.controller.until import Ending, Observer, has_begun, has_ended
from reconciler.model.event import Event
from reconciler.model.plan import Plan
from reconciler.model.type_registry import discover
from reconciler.reconcile.result import PassResult
from reconciler.rollout_driver.driver import StepResult
from reconciler.source.base import Revision
from tests.harness.driving import Recorded
from tests.harness.emulated_stack import EmulatedStack

PATIENCE = 900.0
"""Seconds that `apply` gives AWS unless told otherwise."""


@dataclass(slots=True)
class Command:
    """One process of `apply`, and what came of it."""

    controller: Controller
    plan: Plan
    goal: Recorded
    events: list[Event] = field(default_factory=list)
    ending: Ending | None = None
    seconds: float = 0.0

    @property
    def left(self) -> list[str]:
        """Verbs and addresses of what is left to whoever reconciles next."""
        return actions(self.goal.passes[-1].plan, deferred=True)

    @property
    def results(self) -> tuple[StepResult, ...]:
        return tuple(self.controller.queue.results.values())


def actions(plan: Plan, *, deferred: bool = False) -> list[str]:
    every = [one.action for one in plan.deferred] if deferred else plan.actions
    return sorted(f"{one.verb} {one.address}" for one in every)


def command(
    stage: EmulatedStack,
    *,
    observer: Observer | None = None,
    stop: threading.Event | None = None,
    reports: tuple[Callable[[PassResult], None], ...] = (),
) -> Controller:
    """A new process, which remembers nothing, with the controller that the commands make."""
    stage.restart()
    return Controller(
        stage.aws,
        discover(),
        FixedRevision(ActiveRevision(Revision(""), stage.desired_state)),
        EventRecorder(stage.aws.clock),
        stage.driver.smoke,
        observer=observer,
        reports=reports,
        rhythm=COMMAND,
        stop=stop,
    )


def apply(
    stage: EmulatedStack,
    *,
    wait: bool = False,
    patience: float = PATIENCE,
    meanwhile: Callable[[], None] = lambda: None,
    settled: Callable[[], None] = lambda: None,
    observer: Observer | None = None,
    stop: threading.Event | None = None,
) -> Command:
    """Look, agree, and carry out; `meanwhile` is what happens while a person reads the plan."""
    controller = command(stage, observer=observer, stop=stop)
    plan = controller.look().plan
    meanwhile()
    goal = Recorded(
        goal=has_ended if wait else has_begun,
        patience=patience,
        rollout_patience=7200.0 if wait else 120.0,
        image_patience=patience if wait else None,
        deferred_too=wait,
        settled=settled,
    )
    found = Command(controller, plan, goal)
    began = stage.laptop.clock.monotonic()
    found.ending = controller.run(goal, agreed=plan)
    found.seconds = stage.laptop.clock.monotonic() - began
    return found
