"""diff, apply, destroy: look, ask, act."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from reconciler import errors
from reconciler.cli import options, planfile
from reconciler.cli.connect import Stack, banner, connect
from reconciler.cli.exits import Exit
from reconciler.cli.options import Where
from reconciler.cli.terminal import Look, interactive, look_of, say
from reconciler.cli.views.plan_json import dumps
from reconciler.cli.views.plan_markdown import plan_markdown
from reconciler.cli.views.plan_text import plan_text
from reconciler.model.plan import Plan

APPLY_PATIENCE = 15 * 60.0
DESTROY_PATIENCE = 45 * 60.0


def _where(keywords: dict[str, Any]) -> Where:
    return Where(keywords.pop("profile"), keywords.pop("region"), keywords.pop("assume_role"), keywords.pop("local"))


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
    from reconciler.engine import reconcile

    stack = connect(
        folder,
        environment,
        _where(aws),
        color=color,
        verbose=verbose,
        allow_replace=allow_replace,
        max_delete=max_delete,
    )
    try:
        _, plan = reconcile.look(stack.aws, stack.kinds, stack.wish)
        if out is not None:
            planfile.write(out, stack, plan, allow_replace=allow_replace, max_delete=max_delete)
        _show(stack, plan, output, look_of(sys.stdout, color), verbose)
        _calls(stack, verbose)
    finally:
        stack.aws.close()
    if plan.refusals:
        return Exit.BLOCKED
    return Exit.PENDING if plan.actions or plan.waiting else Exit.DONE


@click.command()
@options.specs
@options.output("text", "json")
@click.option("-y", "--auto-approve", is_flag=True, help="Do not ask.")
@click.option("--timeout", default=APPLY_PATIENCE, metavar="SECONDS", help="How long to wait for AWS to get ready.")
@options.consent
@options.aws
@options.look
def apply(
    folder: Path | None,
    environment: str | None,
    output: str,
    auto_approve: bool,
    timeout: float,
    allow_replace: tuple[str, ...],
    max_delete: int | None,
    verbose: int,
    color: str,
    **aws: Any,
) -> int:
    """Make AWS what the specs say. FOLDER may also be a plan file: then exactly that plan is done, or nothing."""
    from reconciler.engine import reconcile

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
    look = look_of(sys.stderr, color)
    try:
        first = reconcile.look(stack.aws, stack.kinds, stack.wish)
        plan = first[1]
        if agreed is not None:
            planfile.hold_against(agreed, stack, plan)
        say(plan_text(plan, look, verbose=verbose), look, err=True)
        if plan.refusals:
            _result(stack, plan, output, done=0)
            return Exit.BLOCKED
        if not plan.actions and not plan.waiting:
            _result(stack, plan, output, done=0)
            return Exit.DONE
        click.echo(banner(stack), err=True)
        if agreed is None:
            _ask("Apply these changes? Only 'yes' is taken for it", "yes", auto_approve, output, look)
        return _carry_out(stack, first, look, output, timeout, verbose)
    finally:
        stack.aws.close()


@click.command()
@options.specs
@options.output("text", "json")
@click.option("-y", "--auto-approve", is_flag=True, help="Do not ask.")
@click.option("--delete-images", is_flag=True, help="Delete repositories although they hold images.")
@click.option("--timeout", default=DESTROY_PATIENCE, metavar="SECONDS", help="How long to wait for AWS to let go.")
@options.aws
@options.look
def destroy(
    folder: Path | None,
    environment: str | None,
    output: str,
    auto_approve: bool,
    delete_images: bool,
    timeout: float,
    verbose: int,
    color: str,
    **aws: Any,
) -> int:
    """Delete everything that the stack owns, and nothing else."""
    from reconciler.engine import reconcile

    stack = connect(folder, environment, _where(aws), color=color, verbose=verbose, delete_images=delete_images)
    stack.wish = replace(stack.wish, leaving=True)
    look = look_of(sys.stderr, color)
    try:
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
    finally:
        stack.aws.close()


def _ask(question: str, word: str, auto_approve: bool, output: str, look: Look) -> None:
    """Raises `errors.ReconcilerError` where there is nobody to ask, `errors.Refused` where the answer is no."""
    if auto_approve:
        return
    if output == "json" or not interactive():
        raise errors.ReconcilerError("nobody is here to ask; say --auto-approve (-y) to go on without")
    answer = click.prompt(look.paint(question, "bold"), default="", show_default=False, err=True)
    if answer.strip() != word:
        raise errors.Refused("not approved; nothing was changed")


def _carry_out(stack: Stack, first: Any, look: Look, output: str, timeout: float, verbose: int) -> int:
    from reconciler.cli.progress import Progress
    from reconciler.engine import reconcile
    from reconciler.engine.execute import Result, summary

    progress = Progress(look)
    with _stopping() as (stop, caught):
        report = reconcile.converge(
            stack.aws,
            stack.kinds,
            stack.wish,
            first,
            patience_seconds=timeout,
            stop=stop,
            on_start=progress.start,
            on_end=progress.end,
            on_wait=progress.wait,
        )
    counts = [summary(one.outcomes) for one in report.passes]
    done = sum(count[Result.DONE] for count in counts)
    failed = counts[-1][Result.FAILED]
    _calls(stack, verbose)
    if output == "json":
        click.echo(
            dumps(
                planfile.document(stack, first[1])
                | {"done": done, "failed": failed, "timed_out": report.timed_out, "interrupted": report.interrupted}
            )
        )
    if report.interrupted:
        click.echo(f"Interrupted after {done} changes; the next apply goes on from there.", err=True)
        return Exit.TERMINATED if caught == [signal.SIGTERM] else Exit.INTERRUPTED
    if failed:
        say(look.paint(f"{done} changes made, {failed} failed.", "red"), look, err=True)
        return Exit.FAILED
    if report.timed_out:
        click.echo(f"{done} changes made; AWS is not ready for the rest. Run it again, or with --timeout.", err=True)
        return Exit.TIMED_OUT
    if output == "text":
        click.echo(f"Done: {done} changes made.")
        for service in sorted(_rolling(report.passes)):
            click.echo(f"{service} is rolling out; `reconciler diff` shows when it is done.")
    return Exit.DONE


def _rolling(passes: Any) -> set[str]:
    return {
        str(outcome.step.address)
        for one in passes
        for outcome in one.outcomes
        if outcome.step.address.kind == "service" and outcome.action.new is not None
    }


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


def _show(stack: Stack, plan: Plan, output: str, look: Look, verbose: int) -> None:
    match output:
        case "json":
            click.echo(dumps(planfile.document(stack, plan)))
        case "markdown":
            click.echo(plan_markdown(plan, banner(stack)))
        case "github":
            from reconciler.cli.views.plan_github import plan_github

            click.echo(plan_github(plan), nl=False)
        case _:
            say(look.paint(banner(stack), "bold") + "\n", look)
            say(plan_text(plan, look, verbose=verbose), look)


def _calls(stack: Stack, verbose: int) -> None:
    """`-v`: what was asked of AWS, by operation."""
    if not verbose:
        return
    counts = stack.aws.counts
    click.echo(f"{counts.total()} calls, {stack.aws.writes.total()} of them writes:", err=True)
    for name, count in sorted(counts.items()):
        click.echo(f"  {count:4} {name}", err=True)
