"""Progress of a controller on stderr: a line for each change, and a heartbeat while AWS takes its time."""

from __future__ import annotations

import threading
import time

from reconciler.cli.output.rollout_text import turn_line
from reconciler.cli.output.terminal import Look, say
from reconciler.clock import Clock
from reconciler.controller.until import Observer
from reconciler.model.plan import Action, PlanStep, Verb
from reconciler.model.resource import Address
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
HEARTBEAT_SECONDS = 10.0


class Progress(Observer):
    """Prints outcomes of changes and of rollouts as they come. Called from several threads."""

    def __init__(self, clock: Clock, look: Look) -> None:
        self.look = look
        self._rollouts = RolloutProgress(clock, look)
        self._lock = threading.Lock()
        self._started: dict[PlanStep, float] = {}
        self._printed: set[tuple[str, str]] = set()
        self._last = time.monotonic()

    def on_start(self, step: PlanStep, action: Action) -> None:
        with self._lock:
            self._started[step] = time.monotonic()

    def on_end(self, outcome: StepOutcome) -> None:
        with self._lock:
            seconds = time.monotonic() - self._started.get(outcome.step, time.monotonic())
            key = (str(outcome.step), outcome.because)
            held = outcome.result is Result.WAITING and outcome.held_by is not None
            nothing = outcome.action.only_rolls and outcome.result is Result.DONE  # its rollout is reported instead
            if held or nothing or (outcome.result is not Result.DONE and key in self._printed):
                return
            self._printed.add(key)
            self._print(outcome, seconds)

    def on_turn(self, turn: StepResult) -> None:
        self._rollouts.report(turn)

    def on_wait(self, last: PassResult | None, seconds: float) -> None:
        if last is None or not last.unfinished:
            return
        now = time.monotonic()
        if now - self._last < HEARTBEAT_SECONDS and last.outcomes:
            return
        self._last = now
        pending = [outcome for outcome in last.outcomes if outcome.result is Result.WAITING]
        waiting = [str(outcome.held_by or outcome.step.address) for outcome in pending]
        waiting += [str(note.address) for note in last.plan.waiting]
        listed = ", ".join(dict.fromkeys(waiting))
        say(self.look.paint(f"  {self.look.sign('wait')} still waiting for {listed}", "dim"), self.look, err=True)

    def _print(self, outcome: StepOutcome, seconds: float) -> None:
        self._last = time.monotonic()
        address = str(outcome.step.address)
        match outcome.result:
            case Result.DONE if outcome.step.part == "drop" and outcome.action.verb is Verb.REPLACE:
                sign, style, text = "ok", "green", f"old resource deleted ({seconds:.1f}s)"
            case Result.DONE:
                sign, style, text = "ok", "green", f"{DONE[outcome.action.verb]} ({seconds:.1f}s)"
            case Result.WAITING:
                sign, style, text = "wait", "yellow", f"waiting: {outcome.because}"
            case Result.SKIPPED:
                sign, style, text = "dot", "dim", f"skipped: {outcome.because}"
            case Result.FAILED:
                sign, style, text = "bad", "red", f"failed: {outcome.because}"
        say(self.look.paint(f"  {self.look.sign(sign)} {address} {text}", style), self.look, err=True)


class RolloutProgress:
    """Prints a line when the state of a rollout changes, and a heartbeat while it does not."""

    def __init__(self, clock: Clock, look: Look) -> None:
        self.clock, self.look = clock, look
        self._last: dict[Address, str] = {}
        self._at = clock.monotonic()

    def report(self, turn: StepResult) -> None:
        line = turn_line(turn, self.look)
        now = self.clock.monotonic()
        settling = turn.settling and turn.job.address in self._last
        if (line == self._last.get(turn.job.address) or settling) and now - self._at < HEARTBEAT_SECONDS:
            return
        if line == self._last.get(turn.job.address) and turn.step is not None and not turn.busy:
            line = self.look.paint(line, "dim")
        else:
            self._last[turn.job.address] = line
        self._at = now
        say(line, self.look, err=True)
