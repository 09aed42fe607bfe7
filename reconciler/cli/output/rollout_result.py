"""Result of a run's rollouts: what is printed at the end, and the exit code."""

from __future__ import annotations

import sys

from reconciler.cli.output.exits import Exit
from reconciler.cli.output.failure_text import failure_text
from reconciler.cli.output.rollout_text import under_way
from reconciler.cli.output.terminal import Look, echo, look_of, say
from reconciler.controller.controller import Controller
from reconciler.controller.goals import Applied
from reconciler.controller.until import Ending, RolloutSummary
from reconciler.rollout import read_only
from reconciler.rollout.engine import Phase


def report_rollouts(
    controller: Controller, goal: Applied, ending: Ending, look: Look, *, waited: bool, verbose: int
) -> Exit:
    """Print where the rollouts of a run stand; the exit code."""
    results = tuple(controller.queue.results.values())
    code = report(RolloutSummary(results, tuple(goal.diagnoses), ending), look, waited=waited, verbose=verbose)
    waiting = any(
        (result.seen is not None and result.seen.waits)
        or (result.step is not None and result.step.phase is Phase.PRE_DEPLOYMENT)
        for result in results
    )
    if code == Exit.DONE and waited and (waiting or controller.queue.missing):
        return Exit.PENDING
    if code == Exit.DONE and not waited and any(not result.at_rest for result in results):
        echo("Follow it with `reconciler status --watch`; the controller or `apply --wait` completes it.", err=True)
    return code


def report(summary: RolloutSummary, look: Look, *, waited: bool, verbose: int = 0) -> Exit:
    """Print the results that the progress has not shown; the exit code is the worst of any service."""
    for diagnosis in summary.diagnoses:
        say("\n" + failure_text(diagnosis, look, verbose=verbose), look, err=True)
    if summary.interrupted:
        return Exit.INTERRUPTED
    for result in summary.refused:
        say(f"error: {result.rollout.address}: {result.error}", look, err=True)
    if summary.refused:
        return Exit.FAILED
    for result in summary.read_only:
        assert result.step is not None
        say(f"blocked ({read_only.CODE}): {result.rollout.address}: {result.step.because}", look, err=True)
    if summary.read_only:
        return Exit.BLOCKED
    for result in summary.results:
        held = result.step is not None and result.step.phase is Phase.PRE_DEPLOYMENT
        if result.step is not None and (held or not result.at_rest) and result not in summary.went_wrong:
            say(under_way(result), look_of(sys.stdout, "never"))
    if summary.went_wrong:
        return Exit.ROLLED_BACK
    if summary.timed_out and waited:
        return Exit.WAITING if summary.waits_for_promotion else Exit.TIMED_OUT
    if waited and (summary.suspended or summary.awaits_a_person):
        return Exit.WAITING
    return Exit.DONE
