"""Execution of an approved plan, by `apply` and `destroy`: confirmation, the run, its result and exit code."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import click

from reconciler import errors
from reconciler.cli import plan_file
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.plan_json import dumps
from reconciler.cli.output.terminal import Look, echo, interactive, printed, say
from reconciler.cli.session import Stack
from reconciler.cli.signals import stopping, unwind

if TYPE_CHECKING:
    from reconciler.controller.controller import Controller
    from reconciler.controller.goals import Applied
    from reconciler.model.plan import Plan

APPLY_PATIENCE = 15 * 60.0
BEGIN_PATIENCE = 120.0
TASK_PATIENCE = 120.0
TASK_START = 5.0
"""Real seconds that a task takes to start and fail where the clock of the emulator runs faster."""

DESTROY_PATIENCE = 45 * 60.0


def confirm(question: str, expected: str, output: str, look: Look) -> None:
    """Ask for `expected`.

    Raises `errors.NotApproved` for any other answer, and where there is nobody to ask.
    """
    if output == "json" or not interactive():
        why = "-o json does not prompt" if output == "json" else "not a terminal"
        raise errors.NotApproved(f"{why}; nothing was changed. Pass --auto-approve (-y)")
    answer = click.prompt(printed(look.paint(question, "bold")), default="", show_default=False, err=True)
    if answer.strip() != expected:
        raise errors.NotApproved("not confirmed; nothing was changed")


def unchanged(stack: Stack, plan: Plan, output: str) -> Exit:
    """The end of a command that changes nothing: there is nothing to change, or the plan is blocked."""
    if output == "json":
        echo(dumps(plan_file.document(stack, plan) | {"done": 0}))
    return Exit.BLOCKED if plan.refusals else Exit.DONE


def execute(
    stack: Stack, controller: Controller, approved: Plan, *, output: str, timeout: float | None, wait: bool = False
) -> Exit:
    """Run `controller` until `approved`, its plan, is in place.

    `wait`: until every rollout has ended or, without a `timeout`, waits for nobody but a person.
    """
    from reconciler.cli.output.rollout_result import report_rollouts
    from reconciler.cli.output.task_result import report_tasks
    from reconciler.controller.goals import Applied
    from reconciler.controller.until import FOREVER, Ending, has_begun, has_ended, has_ended_or_waits

    leaving, look, speed = stack.target.leaving, stack.err_look, stack.aws.clock.speed
    resources = timeout if timeout is not None else DESTROY_PATIENCE if leaving else APPLY_PATIENCE
    rollouts = timeout if timeout is not None else FOREVER if wait else BEGIN_PATIENCE
    goal = Applied(
        goal=has_begun if not wait else has_ended_or_waits if timeout is None else has_ended,
        patience=speed * resources,
        rollout_patience=speed * rollouts,
        task_patience=_task_patience(timeout, speed) if wait else 0.0,
        image_patience=speed * resources if wait else None,
        deferred_too=wait,
        services=approved.only,
        settled=lambda: _report_settled(stack, controller, goal, output),
    )

    def stop(_: signal.Signals) -> None:
        echo("Stopping after in-flight calls (Ctrl-C again to stop immediately)", err=True)
        controller.wake.set()

    with stopping(stop, unwind, controller.stop) as stopped:
        ending = controller.run(goal, agreed=approved)
    done, failed = goal.counts()
    interrupted, timed_out = ending is Ending.INTERRUPTED, ending is Ending.TIMED_OUT
    code = Exit.DONE
    if not leaving and not interrupted:
        code = report_rollouts(controller, goal, ending, look, waited=wait, verbose=stack.verbose)
        _report_warnings(stack, controller)
        code = report_tasks(controller, goal, look, code, waited=wait, verbose=stack.verbose)
    report_calls(stack)
    if output == "json":
        result = {"done": done, "failed": failed, "timed_out": timed_out, "interrupted": interrupted}
        echo(dumps(plan_file.document(stack, approved) | result))
    if interrupted:
        echo(f"Interrupted: {_changes(done)} applied. Run `reconciler apply` to continue.", err=True)
        return stopped.code
    if failed:
        say(look.paint(f"Failed: {_changes(done)} applied, {failed} failed.", "red"), look, err=True)
        return Exit.FAILED
    if timed_out and not goal.in_place:
        pending = _pending(goal)
        text = f"{_changes(done)} applied, {pending} {_plural('resource', pending)} still pending"
        echo(f"Timed out: {text}. Re-run, or raise --timeout.", err=True)
        return Exit.TIMED_OUT
    _report_deferred(goal)
    if output == "text" and leaving:
        echo(f"Destroy complete: {_changes(done)}.")
    return Exit.BLOCKED if code == Exit.DONE and goal.last is not None and goal.last.read_only else code


def _report_warnings(stack: Stack, controller: Controller) -> None:
    """What the result of the rollouts does not show."""
    from reconciler.cli.rollout_session import rollout_warnings

    look = stack.err_look
    for rollout in controller.queue.rollouts:
        for warning in rollout_warnings(stack, rollout):
            say(look.paint(f"{look.sign('warn')} {rollout.address}   {warning}", "yellow"), look, err=True)


def _task_patience(timeout: float | None, speed: float) -> float:
    """How long `--wait` waits for one-off tasks: some never end, so that it is not for ever."""
    return max(TASK_PATIENCE, speed * TASK_START) if timeout is None else speed * timeout


def _report_settled(stack: Stack, controller: Controller, goal: Applied, output: str) -> None:
    """Printed once, between the changes and the progress of the rollouts."""
    done, failed = goal.counts()
    if output == "text" and done and not stack.target.leaving:
        echo(f"{'Applied' if failed else 'Apply complete'}: {_changes(done)}.", err=bool(failed))
    for address, not_ready in controller.queue.missing.items():
        echo(f"{address}: {not_ready}.", err=True)
    for address, result in controller.queue.results.items():
        told = result.step is not None and result.seen is not None and result.seen.waits in result.step.because
        if result.seen is not None and result.seen.waits and not told:  # otherwise the progress has said it
            echo(f"{address}: the new version is waiting: {result.seen.waits}.", err=True)
    if goal.image_patience is not None and goal.unpushed:
        echo(f"Waiting for {_plural('image', len(goal.unpushed))} to be pushed: {', '.join(goal.unpushed)}.", err=True)


def _report_deferred(goal: Applied) -> None:
    """What is left to the next reconciliation."""
    deferred = goal.last.plan.deferred if goal.last is not None else ()
    if deferred:
        echo("Deferred to the controller or the next `reconciler apply`:", err=True)
    for entry in deferred:
        echo(f"  {entry.action.verb} {entry.action.address}: {entry.because}", err=True)
    for uri in goal.unpushed:
        echo(f"Push the image {uri}; the controller or the next `reconciler apply` then starts its tasks.", err=True)


def _pending(goal: Applied) -> int:
    """How many resources of the last pass are not in place."""
    from reconciler.reconcile.executor import Result

    last = goal.last
    if last is None:
        return 0
    unfinished = {one.step.address for one in last.outcomes if one.result in (Result.WAITING, Result.SKIPPED)}
    return len(unfinished | {note.address for note in last.plan.waiting})


def report_calls(stack: Stack) -> None:
    """`-v`: the calls to AWS, by operation."""
    if not stack.verbose:
        return
    counts = stack.aws.counts
    echo(f"{counts.total()} AWS calls, {stack.aws.writes.total()} of them writes:", err=True)
    for name, count in sorted(counts.items()):
        echo(f"  {count:4} {name}", err=True)


def _changes(count: int) -> str:
    return f"{count} {_plural('change', count)}"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
