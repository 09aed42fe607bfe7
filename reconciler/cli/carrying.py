"""What was approved is carried out, and how it went: as text, JSON and an exit code."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import click

from reconciler.cli import planfile
from reconciler.cli.connect import Stack
from reconciler.cli.exits import Exit
from reconciler.cli.signals import stopping, unwind
from reconciler.cli.terminal import Look, say
from reconciler.cli.views.plan_json import dumps

if TYPE_CHECKING:
    from reconciler.controller.controller import Controller
    from reconciler.controller.until import Applied
    from reconciler.model.plan import Plan

APPLY_PATIENCE = 15 * 60.0
BEGIN_PATIENCE = 120.0
DESTROY_PATIENCE = 45 * 60.0


def carry_out(
    stack: Stack,
    controller: Controller,
    approved: Plan,
    look: Look,
    *,
    output: str,
    timeout: float | None,
    verbose: int,
    wait: bool = False,
) -> int:
    """`approved` is what `controller` has planned, and a person agreed to. `wait`: until every rollout has ended."""
    from reconciler.cli.rolling import report_rollouts
    from reconciler.controller.until import FOREVER, Applied, Ending, has_begun, has_ended

    speed = stack.aws.clock.speed
    rollouts = timeout if timeout is not None else FOREVER if wait else BEGIN_PATIENCE
    goal = Applied(
        goal=has_ended if wait else has_begun,
        patience=speed * (timeout or (DESTROY_PATIENCE if stack.wish.leaving else APPLY_PATIENCE)),
        rollout_patience=speed * rollouts,
        deferred_too=wait,
        settled=lambda: _say_settled(stack, controller, goal, output),
    )

    def stop(_: signal.Signals) -> None:
        click.echo("stopping: the calls under way are let end (once more to stop at once)", err=True)
        controller.wake.set()

    with stopping(stop, unwind) as stopped:
        controller.stop = controller.queue.rollouts.stop = stopped.stop
        ending = controller.run(goal, agreed=approved)
    done, failed = goal.counts()
    code = Exit.DONE
    if not stack.wish.leaving and ending is not Ending.INTERRUPTED:
        code = Exit(report_rollouts(controller, goal, ending, look, waited=wait, verbose=verbose))
    say_calls(stack, verbose)
    if output == "json":
        told = {
            "done": done,
            "failed": failed,
            "timed_out": ending is Ending.TIMED_OUT,
            "interrupted": ending is Ending.INTERRUPTED,
        }
        click.echo(dumps(planfile.document(stack, approved) | told))
    if ending is Ending.INTERRUPTED:
        click.echo(f"Interrupted after {done} changes; the next apply goes on from there.", err=True)
        return stopped.code
    if failed:
        say(look.paint(f"{done} changes made, {failed} failed.", "red"), look, err=True)
        return Exit.FAILED
    if ending is Ending.TIMED_OUT and not goal.in_place:
        click.echo(f"{done} changes made; AWS is not ready for the rest. Run it again, or with --timeout.", err=True)
        return Exit.TIMED_OUT
    _say_deferred(goal)
    if output == "text" and stack.wish.leaving:
        click.echo(f"Done: {done} changes made.")
    return code


def _say_settled(stack: Stack, controller: Controller, goal: Applied, output: str) -> None:
    """Said once, between the changes and what the rollouts do."""
    done, failed = goal.counts()
    if output == "text" and done and not stack.wish.leaving:
        click.echo(f"Done: {done} changes made." if not failed else f"{done} changes made.", err=bool(failed))
    for address, lack in controller.queue.missing.items():
        click.echo(f"{address} is not deployed yet: {lack.because}.", err=True)
    for address, need in controller.queue.held.items():
        click.echo(f"{address} is left as it is: {need} was not done.", err=True)


def _say_deferred(goal: Applied) -> None:
    """What is left, for whoever reconciles next."""
    deferred = goal.passes[-1].plan.deferred if goal.passes else ()
    if deferred:
        click.echo("Left for after the rollout; the controller, or the next `reconciler apply`, does it:", err=True)
    for one in deferred:
        click.echo(f"  {one.action.verb} {one.action.address}: {one.because}", err=True)


def say_calls(stack: Stack, verbose: int) -> None:
    """`-v`: what was asked of AWS, by operation."""
    if not verbose:
        return
    counts = stack.aws.counts
    click.echo(f"{counts.total()} calls, {stack.aws.writes.total()} of them writes:", err=True)
    for name, count in sorted(counts.items()):
        click.echo(f"  {count:4} {name}", err=True)
