"""What was agreed to is carried out: AWS first, then the rollouts; and how it went, as text, JSON and an exit code."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import click

from reconciler.cli import planfile
from reconciler.cli.connect import Stack
from reconciler.cli.exits import Exit
from reconciler.cli.signals import stopping, unwind
from reconciler.cli.terminal import Look, say
from reconciler.cli.views.plan_json import dumps

if TYPE_CHECKING:
    from reconciler.engine.reconcile import Report
    from reconciler.engine.subjects import Job
    from reconciler.model.plan import Plan
    from reconciler.model.planner import World

APPLY_PATIENCE = 15 * 60.0
BEGIN_PATIENCE = 120.0
DESTROY_PATIENCE = 45 * 60.0


def carry_out(
    stack: Stack,
    first: tuple[World, Plan],
    look: Look,
    *,
    output: str,
    timeout: float | None,
    verbose: int,
    wait: bool = False,
) -> int:
    """`first` is what was looked at, and agreed to. With `wait` rollouts are seen to their end."""
    from reconciler.cli.progress import Progress
    from reconciler.engine import reconcile
    from reconciler.engine.execute import Result, summary

    progress = Progress(look)
    patience = (DESTROY_PATIENCE if stack.wish.leaving else APPLY_PATIENCE) if timeout is None else timeout
    with stopping(_say_stopping, unwind) as stopped:
        report = reconcile.converge(
            stack.aws,
            stack.kinds,
            stack.wish,
            first,
            patience_seconds=patience * stack.aws.clock.speed,
            stop=stopped.stop,
            on_start=progress.start,
            on_end=progress.end,
            on_wait=progress.wait,
        )
        counts = [summary(one.outcomes) for one in report.passes]
        done, failed = sum(count[Result.DONE] for count in counts), counts[-1][Result.FAILED]
        code = Exit.DONE
        if not report.interrupted and not stack.wish.leaving:
            if output == "text" and done:
                click.echo(f"Done: {done} changes made." if not failed else f"{done} changes made.", err=bool(failed))
            code = Exit(_roll(stack, report, look, stopped.stop, timeout, verbose, wait=wait))
    say_calls(stack, verbose)
    if output == "json":
        told = {"done": done, "failed": failed, "timed_out": report.timed_out, "interrupted": report.interrupted}
        click.echo(dumps(planfile.document(stack, first[1]) | told))
    if report.interrupted or code is Exit.INTERRUPTED:
        click.echo(f"Interrupted after {done} changes; the next apply goes on from there.", err=True)
        return stopped.code
    if failed:
        say(look.paint(f"{done} changes made, {failed} failed.", "red"), look, err=True)
        return Exit.FAILED
    if report.timed_out:
        click.echo(f"{done} changes made; AWS is not ready for the rest. Run it again, or with --timeout.", err=True)
        return Exit.TIMED_OUT
    if output == "text" and stack.wish.leaving:
        click.echo(f"Done: {done} changes made.")
    return code


def _roll(
    stack: Stack,
    report: Report,
    look: Look,
    stop: threading.Event,
    timeout: float | None,
    verbose: int,
    *,
    wait: bool,
) -> int:
    """Begin what is to be rolled out, and with `wait` see it to its end; what stands on something undone waits."""
    from reconciler.cli.rolling import Reporter, goal_of, result, scene
    from reconciler.engine.following import follow
    from reconciler.model.plan import Verb

    new = {one.step.address for each in report.passes for one in each.outcomes if one.action.verb is Verb.CREATE}
    stage = scene(stack, report.world, made=report.made, fresh=frozenset(new), stop=stop)
    for address, lack in stage.missing.items():
        click.echo(f"{address} is not deployed yet: {lack.because}.", err=True)
    patience = timeout if timeout is not None or wait else BEGIN_PATIENCE
    followed = follow(
        stage.rollouts,
        _free(stack, stage.jobs, report),
        goal_of(wait=wait),
        patience_seconds=None if patience is None else patience * stack.aws.clock.speed,
        on_turn=Reporter(stack, look),
        known=stage.known if report.last.outcomes else None,  # else it was read before the question was asked
    )
    code = result(followed, look, waited=wait, verbose=verbose)
    if code == Exit.DONE and wait and stage.missing:
        return Exit.PENDING
    if code == Exit.DONE and not wait and any(not turn.at_rest for turn in followed.turns):
        click.echo("`reconciler status --watch` shows it; the loop, or `apply --wait`, brings it to its end.", err=True)
    return code


def _free(stack: Stack, jobs: tuple[Job, ...], report: Report) -> list[Job]:
    """Those that stand on nothing undone; of the others it is said."""
    from reconciler.engine.execute import Result
    from reconciler.engine.subjects import stands_on

    undone = {one.step.address for one in report.last.outcomes if one.result is not Result.DONE}
    wanted = {want.address: want for want in stack.wish.desired}
    free = []
    for job in jobs:
        lack = stands_on(wanted, job.address, undone)
        if lack is None:
            free.append(job)
        else:
            click.echo(f"{job.address} is left as it is: {lack} was not done.", err=True)
    return free


def say_calls(stack: Stack, verbose: int) -> None:
    """`-v`: what was asked of AWS, by operation."""
    if not verbose:
        return
    counts = stack.aws.counts
    click.echo(f"{counts.total()} calls, {stack.aws.writes.total()} of them writes:", err=True)
    for name, count in sorted(counts.items()):
        click.echo(f"  {count:4} {name}", err=True)


def _say_stopping(_: signal.Signals) -> None:
    click.echo("stopping: the calls under way are let end (once more to stop at once)", err=True)
