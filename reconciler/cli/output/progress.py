"""Progress of a controller on stderr: a line for each change, and a heartbeat while AWS takes its time."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

from reconciler.cli.output.rollout_text import result_line
from reconciler.cli.output.terminal import Look, say
from reconciler.clock import Clock
from reconciler.controller.until import Observer
from reconciler.model import duration
from reconciler.model.plan import Action, PlanStep, Verb
from reconciler.model.resource import Address
from reconciler.reconcile.executor import Result, StepOutcome
from reconciler.reconcile.result import PassResult
from reconciler.rollout.engine import Phase, Waiting
from reconciler.rollout_driver.driver import StepResult

HEARTBEAT_SECONDS = 10.0
LONGEST_HEARTBEAT_SECONDS = 600.0


class Progress(Observer):
    """Prints outcomes of changes and of rollouts as they come. Called from several threads."""

    def __init__(self, clock: Clock, look: Look) -> None:
        self.look = look
        self._rollouts = RolloutProgress(clock, look)
        self._lock = threading.Lock()
        self._started: dict[PlanStep, float] = {}
        self._printed: set[tuple[str, str]] = set()
        self._last = time.monotonic()
        self._waiting = ""

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

    def on_result(self, result: StepResult) -> None:
        self._rollouts.report(result)

    def on_wait(self, last: PassResult | None, seconds: float) -> None:
        if last is None or not last.unfinished:
            return
        now = time.monotonic()
        pending = [outcome for outcome in last.outcomes if outcome.result is Result.WAITING]
        waiting = [str(outcome.held_by or outcome.step.address) for outcome in pending]
        waiting += [str(note.address) for note in last.plan.waiting]
        listed = ", ".join(dict.fromkeys(waiting))
        if now - self._last < HEARTBEAT_SECONDS and (last.outcomes or listed == self._waiting):
            return
        self._last, self._waiting = now, listed
        say(self.look.paint(f"  {self.look.sign('wait')} still waiting for {listed}", "dim"), self.look, err=True)

    def _print(self, outcome: StepOutcome, seconds: float) -> None:
        self._last = time.monotonic()
        address = str(outcome.step.address)
        match outcome.result:
            case Result.DONE if outcome.step.part == "drop" and outcome.action.verb is Verb.REPLACE:
                sign, style, text = "ok", "green", f"old resource deleted ({seconds:.1f}s)"
            case Result.DONE:
                done = Verb.UPDATE if outcome.action.verb is Verb.ROLL else outcome.action.verb
                sign, style, text = "ok", "green", f"{done.past} ({seconds:.1f}s)"
                text += f"; {outcome.because}" if outcome.because else ""
            case Result.WAITING:
                sign, style, text = "wait", "yellow", f"waiting: {outcome.because}"
            case Result.SKIPPED:
                sign, style, text = "dot", "dim", f"skipped: {outcome.because}"
            case Result.FAILED:
                sign, style, text = "bad", "red", f"failed: {outcome.because}"
        say(self.look.paint(f"  {self.look.sign(sign)} {address} {text}", style), self.look, err=True)


class RolloutProgress:
    """Prints a line when the state of a rollout changes, and while it does not, a heartbeat.

    Each heartbeat comes after twice the time of the one before, because a promotion may be waited for for days. It says
    how long the state has been the same.
    """

    def __init__(self, clock: Clock, look: Look) -> None:
        self.clock, self.look = clock, look
        self._printed: dict[Address, tuple[str, float, float, float]] = {}
        """The last line of each rollout, when it was new, when the next heartbeat is due, and the pause before it."""

    def report(self, result: StepResult) -> None:
        line, now = result_line(result, self.look), self.clock.monotonic()
        last, began, due, pause = self._printed.get(result.rollout.address, ("", now, now, HEARTBEAT_SECONDS / 2))
        same = line == last
        if (same and result.at_rest) or ((same or (result.settling and last)) and now < due):
            return
        pause = min(2 * pause, LONGEST_HEARTBEAT_SECONDS) if same else HEARTBEAT_SECONDS
        began = began if same else now
        self._printed[result.rollout.address] = (line, began, now + pause, pause)
        text = f"{line} [{duration.format(timedelta(seconds=round(now - began)))} elapsed]" if same else line
        step = result.step
        gated = step is not None and step.phase is Phase.AWAITING_PROMOTION and step.waits_for is Waiting.PERSON
        if gated and not same:
            text += f"; in another terminal: reconciler promote {result.rollout.delivery.name}"
        say(self.look.paint(text, "dim") if same else text, self.look, err=True)
