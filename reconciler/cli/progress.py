"""What a person sees while work is done: one line a change on stderr, and a heartbeat while AWS takes its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from reconciler.cli.terminal import Look, say
from reconciler.controller.until import Observer
from reconciler.model.plan import Action, PlanStep, Verb
from reconciler.reconcile.executor import Result, StepOutcome
from reconciler.reconcile.result import PassResult
from reconciler.rollout_driver.driver import StepResult

DONE = {
    Verb.CREATE: "created",
    Verb.UPDATE: "updated",
    Verb.REPLACE: "replaced",
    Verb.DELETE: "deleted",
    Verb.ROLL: "updated",
    Verb.ADOPT: "adopted",
}
QUIET_SECONDS = 10.0


class Progress(Observer):
    """Prints outcomes as they come, and has rollouts printed. Called from several threads."""

    def __init__(self, look: Look, rollouts: Callable[[StepResult], None]) -> None:
        self.look = look
        self._rollouts = rollouts
        self._lock = threading.Lock()
        self._started: dict[PlanStep, float] = {}
        self._said: set[tuple[str, str]] = set()
        self._last = time.monotonic()

    def on_start(self, step: PlanStep, action: Action) -> None:
        with self._lock:
            self._started[step] = time.monotonic()

    def on_end(self, outcome: StepOutcome) -> None:
        with self._lock:
            took = time.monotonic() - self._started.get(outcome.step, time.monotonic())
            key = (str(outcome.step), outcome.because)
            held = outcome.result is Result.WAITING and outcome.held_by is not None
            nothing = outcome.action.only_rolls and outcome.result is Result.DONE  # its rollout says more
            if held or nothing or (outcome.result is not Result.DONE and key in self._said):
                return
            self._said.add(key)
            self._say(outcome, took)

    def on_turn(self, turn: StepResult) -> None:
        self._rollouts(turn)

    def on_wait(self, last: PassResult | None, seconds: float) -> None:
        """A heartbeat, so that nobody wonders whether it still lives."""
        if last is None or not last.unfinished:
            return
        now = time.monotonic()
        if now - self._last < QUIET_SECONDS and last.outcomes:
            return
        self._last = now
        open_ = [outcome for outcome in last.outcomes if outcome.result is Result.WAITING]
        waiting = [str(outcome.held_by or outcome.step.address) for outcome in open_]
        waiting += [str(note.address) for note in last.plan.waiting]
        shown = ", ".join(dict.fromkeys(waiting))
        say(self.look.paint(f"  {self.look.sign('wait')} still waiting for {shown}", "dim"), self.look, err=True)

    def _say(self, outcome: StepOutcome, took: float) -> None:
        self._last = time.monotonic()
        address = str(outcome.step.address)
        match outcome.result:
            case Result.DONE if outcome.step.part == "drop" and outcome.action.verb is Verb.REPLACE:
                text = f"  {self.look.sign('ok')} {address}  the old one deleted ({took:.1f} s)"
                style = "green"
            case Result.DONE:
                text = f"  {self.look.sign('ok')} {address}  {DONE[outcome.action.verb]} ({took:.1f} s)"
                style = "green"
            case Result.WAITING:
                text, style = f"  {self.look.sign('wait')} {address}  waits: {outcome.because}", "yellow"
            case Result.SKIPPED:
                text, style = f"  {self.look.sign('dot')} {address}  not yet: {outcome.because}", "dim"
            case Result.FAILED:
                text, style = f"  {self.look.sign('bad')} {address}  failed: {outcome.because}", "red"
        say(self.look.paint(text, style), self.look, err=True)
