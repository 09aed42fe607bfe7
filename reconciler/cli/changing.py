"""diff, apply, destroy: look, ask, act.

What only the looking needs is imported once AWS has been asked who we are.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler import errors
from reconciler.cli import options, planfile
from reconciler.cli.connect import Stack, banner, connect
from reconciler.cli.exits import Exit
from reconciler.cli.holding import held
from reconciler.cli.options import Where
from reconciler.cli.terminal import Look, interactive, look_of, say
from reconciler.cli.views.plan_json import dumps, rollouts_document
from reconciler.cli.views.plan_markdown import plan_markdown
from reconciler.cli.views.plan_text import plan_text
from reconciler.model.plan import Plan

if TYPE_CHECKING:
    from reconciler.model.prospect import Prospect

APPLY_PATIENCE = 15 * 60.0
BEGIN_PATIENCE = 120.0
DESTROY_PATIENCE = 45 * 60.0


def _where(keywords: dict[str, Any]) -> Where:
    return Where(
        keywords.pop("profile"),
        keywords.pop("region"),
        keywords.pop("assume_role"),
        keywords.pop("local"),
        keywords.pop("store", None),
    )


@click.command()
@options.specs
@options.output("text", "json", "markdown", "github")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Keep the plan for `apply PLAN`.")
@options.consent
@options.aws
@options.look
def diff(
    folder: Path | None,
    environment: str | None,
    output: str,
    out: Path | None,
    allow_replace: tuple[str, ...],
    max_delete: int | None,
    verbose: int,
    color: str,
    **aws: Any,
) -> int:
    """Show what apply would do. Exit 0: nothing; 2: changes are pending; 5: blocked."""
    stack = connect(
        folder,
        environment,
        _where(aws),
        color=color,
        verbose=verbose,
        allow_replace=allow_replace,
        max_delete=max_delete,
    )
    from reconciler.cli.rolling import scene
    from reconciler.engine import reconcile
    from reconciler.engine.prospects import prospects

    try:
        world, plan = reconcile.look(stack.aws, stack.kinds, stack.wish)
        stage = scene(stack, world)
        ahead = prospects(stage.rollouts, stage.jobs, stage.missing)
        if out is not None:
            planfile.write(out, stack, plan, allow_replace=allow_replace, max_delete=max_delete)
        _show(stack, plan, ahead, output, look_of(sys.stdout, color), verbose)
        _calls(stack, verbose)
    finally:
        stack.aws.close()
    if plan.refusals:
        return Exit.BLOCKED
    return Exit.PENDING if plan.actions or plan.waiting or any(one.pending for one in ahead) else Exit.DONE


@click.command()
@options.specs
@options.output("text", "json")
@click.option("-y", "--auto-approve", is_flag=True, help="Do not ask.")
@options.store
@click.option("-w", "--wait", is_flag=True, help="Stay until every rollout has ended, and drive it.")
@click.option("--timeout", type=float, metavar="SECONDS", help="How long to wait for AWS, and then for rollouts.")
@options.consent
@options.aws
@options.look
def apply(
    folder: Path | None,
    environment: str | None,
    output: str,
    auto_approve: bool,
    wait: bool,
    timeout: float | None,
    allow_replace: tuple[str, ...],
    max_delete: int | None,
    verbose: int,
    color: str,
    **aws: Any,
) -> int:
    """Make AWS what the specs say. FOLDER may also be a plan file: then exactly that plan is done, or nothing.

    Returns once the changes are made and new versions are on their way; names the rollouts still under way. Exit 3: a
    rollout failed or was rolled back; with --wait also 4: it goes on, 6: it waits for a person.
    """
    agreed = planfile.read(folder) if folder is not None and folder.is_file() else None
    if agreed is not None:
        folder, environment = agreed.folder, environment or agreed.environment
        allow_replace, max_delete = agreed.allow_replace, agreed.max_delete
    stack = connect(
        folder,
        environment,
        _where(aws),
        color=color,
        verbose=verbose,
        allow_replace=allow_replace,
        max_delete=max_delete,
    )
    from reconciler.cli.rolling import scene
    from reconciler.engine import reconcile
    from reconciler.engine.prospects import prospects

    look = look_of(sys.stderr, color)
    with contextlib.ExitStack() as inside:
        inside.callback(stack.aws.close)
        inside.enter_context(held(stack, "apply"))
        first = reconcile.look(stack.aws, stack.kinds, stack.wish)
        plan = first[1]
        if agreed is not None:
            planfile.hold_against(agreed, stack, plan)
        stage = scene(stack, first[0])
        ahead = prospects(stage.rollouts, stage.jobs, stage.missing)
        say(plan_text(plan, look, ahead, verbose=verbose), look, err=True)
        if plan.refusals:
            _result(stack, plan, output, done=0)
            return Exit.BLOCKED
        going = any(one.told if wait else one.pending or one.due for one in ahead)
        if not plan.actions and not plan.waiting and not going:
            _result(stack, plan, output, done=0)
            return Exit.DONE
        click.echo(banner(stack), err=True)
        changing = plan.actions or any(one.due for one in ahead)
        if agreed is None and changing:
            _ask("Apply these changes? Only 'yes' is taken for it", "yes", auto_approve, output, look)
        return _carry_out(stack, first, look, output, timeout, verbose, wait=wait)


@click.command()
@options.specs
@options.output("text", "json")
@click.option("-y", "--auto-approve", is_flag=True, help="Do not ask.")
@options.store
@click.option("--delete-images", is_flag=True, help="Delete repositories although they hold images.")
@click.option("--timeout", type=float, metavar="SECONDS", help="How long to wait for AWS to let go.")
@options.aws
@options.look
def destroy(
    folder: Path | None,
    environment: str | None,
    output: str,
    auto_approve: bool,
    delete_images: bool,
    timeout: float | None,
    verbose: int,
    color: str,
    **aws: Any,
) -> int:
    """Delete everything that the stack owns, and nothing else."""
    stack = connect(folder, environment, _where(aws), color=color, verbose=verbose, delete_images=delete_images)
    from reconciler.engine import reconcile

    stack.wish = replace(stack.wish, leaving=True)
    look = look_of(sys.stderr, color)
    with contextlib.ExitStack() as inside:
        inside.callback(stack.aws.close)
        inside.enter_context(held(stack, "destroy"))
        first = reconcile.look(stack.aws, stack.kinds, stack.wish)
        plan = first[1]
        say(plan_text(plan, look, verbose=verbose), look, err=True)
        if plan.refusals:
            _result(stack, plan, output, done=0)
            return Exit.BLOCKED
        if not plan.actions and not plan.waiting:
            _result(stack, plan, output, done=0)
            return Exit.DONE
        click.echo(banner(stack), err=True)
        name = stack.wish.place.stack
        _ask(f"Destroy all of this? Type the stack's name ({name}) if you mean it", name, auto_approve, output, look)
        return _carry_out(stack, first, look, output, timeout, verbose)


def _ask(question: str, word: str, auto_approve: bool, output: str, look: Look) -> None:
    """Raises `errors.ReconcilerError` where there is nobody to ask, `errors.Refused` where the answer is no."""
    if auto_approve:
        return
    if output == "json" or not interactive():
        raise errors.ReconcilerError("nobody is here to ask; say --auto-approve (-y) to go on without")
    answer = click.prompt(look.paint(question, "bold"), default="", show_default=False, err=True)
    if answer.strip() != word:
        raise errors.Refused("not approved; nothing was changed")


def _carry_out(
    stack: Stack, first: Any, look: Look, output: str, timeout: float | None, verbose: int, *, wait: bool = False
) -> int:
    from reconciler.cli.progress import Progress
    from reconciler.engine import reconcile
    from reconciler.engine.execute import Result, summary

    progress = Progress(look)
    patience = (DESTROY_PATIENCE if stack.wish.leaving else APPLY_PATIENCE) if timeout is None else timeout
    with _stopping() as (stop, caught):
        report = reconcile.converge(
            stack.aws,
            stack.kinds,
            stack.wish,
            first,
            patience_seconds=patience * getattr(stack.aws.clock, "speed", 1.0),
            stop=stop,
            on_start=progress.start,
            on_end=progress.end,
            on_wait=progress.wait,
        )
        counts = [summary(one.outcomes) for one in report.passes]
        done = sum(count[Result.DONE] for count in counts)
        failed = counts[-1][Result.FAILED]
        code = Exit.DONE
        if not report.interrupted and not stack.wish.leaving:
            if output == "text" and done:
                click.echo(f"Done: {done} changes made." if not failed else f"{done} changes made.", err=bool(failed))
            code = Exit(_roll(stack, report, look, stop, timeout, verbose, wait=wait))
    _calls(stack, verbose)
    if output == "json":
        click.echo(
            dumps(
                planfile.document(stack, first[1])
                | {"done": done, "failed": failed, "timed_out": report.timed_out, "interrupted": report.interrupted}
            )
        )
    if report.interrupted or code is Exit.INTERRUPTED:
        click.echo(f"Interrupted after {done} changes; the next apply goes on from there.", err=True)
        return Exit.TERMINATED if caught == [signal.SIGTERM] else Exit.INTERRUPTED
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
    stack: Stack, report: Any, look: Look, stop: threading.Event, timeout: float | None, verbose: int, *, wait: bool
) -> int:
    """Begin what is to be rolled out, and with `wait` see it to its end; what stands on something undone waits."""
    from reconciler.cli.rolling import Reporter, blocked_by, goal_of, result, scene
    from reconciler.engine.execute import Result
    from reconciler.engine.rollouts import follow
    from reconciler.model.plan import Verb

    new = {one.step.address for each in report.passes for one in each.outcomes if one.action.verb is Verb.CREATE}
    stage = scene(stack, report.world, made=report.made, fresh=frozenset(new), stop=stop)
    for address, lack in stage.missing.items():
        click.echo(f"{address} is not deployed yet: {lack.because}.", err=True)
    undone = {one.step.address for one in report.last.outcomes if one.result is not Result.DONE}
    jobs = []
    for job in stage.jobs:
        held = blocked_by(stack, job.address, undone)
        if held is None:
            jobs.append(job)
        else:
            click.echo(f"{job.address} is left as it is: {held} was not done.", err=True)
    speed = getattr(stack.aws.clock, "speed", 1.0)
    patience = timeout if timeout is not None or wait else BEGIN_PATIENCE
    followed = follow(
        stage.rollouts,
        jobs,
        goal_of(wait=wait),
        patience_seconds=None if patience is None else patience * speed,
        on_turn=Reporter(stack, look),
    )
    code = result(followed, look, waited=wait, verbose=verbose)
    if code == Exit.DONE and wait and stage.missing:
        return Exit.PENDING
    if code == Exit.DONE and not wait and any(not turn.at_rest for turn in followed.turns):
        click.echo("`reconciler status --watch` shows it; the loop, or `apply --wait`, brings it to its end.", err=True)
    return code


@contextmanager
def _stopping() -> Iterator[tuple[threading.Event, list[int]]]:
    """Ctrl-C and SIGTERM let the calls in flight end; a second one ends the process at once."""
    stop, caught = threading.Event(), []

    def handle(number: int, _: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        caught.append(number)
        stop.set()
        click.echo("stopping: the calls under way are let end (once more to stop at once)", err=True)

    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop, caught
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _result(stack: Stack, plan: Plan, output: str, *, done: int) -> None:
    if output == "json":
        click.echo(dumps(planfile.document(stack, plan) | {"done": done}))


def _show(stack: Stack, plan: Plan, ahead: tuple[Prospect, ...], output: str, look: Look, verbose: int) -> None:
    match output:
        case "json":
            click.echo(dumps(planfile.document(stack, plan) | {"rollouts": rollouts_document(ahead)}))
        case "markdown":
            click.echo(plan_markdown(plan, banner(stack), ahead))
        case "github":
            from reconciler.cli.views.plan_github import plan_github

            click.echo(plan_github(plan), nl=False)
        case _:
            say(look.paint(banner(stack), "bold") + "\n", look)
            say(plan_text(plan, look, ahead, verbose=verbose), look)


def _calls(stack: Stack, verbose: int) -> None:
    """`-v`: what was asked of AWS, by operation."""
    if not verbose:
        return
    counts = stack.aws.counts
    click.echo(f"{counts.total()} calls, {stack.aws.writes.total()} of them writes:", err=True)
    for name, count in sorted(counts.items()):
        click.echo(f"  {count:4} {name}", err=True)
