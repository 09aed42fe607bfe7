"""diff, apply, destroy: look, ask, act.

What only the looking needs is imported once AWS has been asked who we are.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.connect import Stack, banner, connect
from reconciler.cli.exits import Exit
from reconciler.cli.options import Where
from reconciler.cli.terminal import Look, interactive, look_of, say

if TYPE_CHECKING:
    from reconciler.model.plan import Plan
    from reconciler.rollout.outlook import RolloutPreview


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
        Where(**aws),
        color=color,
        verbose=verbose,
        allow_replace=allow_replace,
        max_delete=max_delete,
    )
    from reconciler.cli.carrying import say_calls
    from reconciler.cli.rolling import controller_of, scene
    from reconciler.rollout_driver.preview import prospects

    try:
        report = controller_of(stack).look()
        plan = report.plan
        stage = scene(stack, report.world)
        ahead = prospects(stage.rollouts, stage.jobs, stage.missing, stage.known)
        if out is not None:
            from reconciler.cli import planfile

            planfile.write(out, stack, plan, allow_replace=allow_replace, max_delete=max_delete)
        _show(stack, plan, ahead, output, look_of(sys.stdout, color), verbose)
        say_calls(stack, verbose)
    finally:
        stack.aws.close()
    if plan.refusals:
        return Exit.BLOCKED
    pending = plan.actions or plan.waiting or plan.deferred or any(one.pending for one in ahead)
    return Exit.PENDING if pending else Exit.DONE


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
    from reconciler.cli import planfile
    from reconciler.cli.carrying import carry_out
    from reconciler.cli.holding import held
    from reconciler.cli.views.plan_text import plan_text

    agreed = planfile.read(folder) if folder is not None and folder.is_file() else None
    if agreed is not None:
        folder, environment = agreed.folder, environment or agreed.environment
        allow_replace, max_delete = agreed.allow_replace, agreed.max_delete
    stack = connect(
        folder,
        environment,
        Where(**aws),
        color=color,
        verbose=verbose,
        allow_replace=allow_replace,
        max_delete=max_delete,
    )
    from reconciler.cli.progress import Progress
    from reconciler.cli.rolling import Reporter, controller_of, scene
    from reconciler.rollout_driver.preview import prospects

    look = look_of(sys.stderr, color)
    with contextlib.ExitStack() as inside:
        inside.callback(stack.aws.close)
        inside.enter_context(held(stack, "apply"))
        controller = controller_of(stack, Progress(look, Reporter(stack, look)))
        report = controller.look()
        plan = report.plan
        if agreed is not None:
            planfile.hold_against(agreed, stack, plan)
        stage = scene(stack, report.world)
        ahead = prospects(stage.rollouts, stage.jobs, stage.missing, stage.known)
        say(plan_text(plan, look, ahead, verbose=verbose), look, err=True)
        if plan.refusals:
            _result(stack, plan, output, done=0)
            return Exit.BLOCKED
        going = any(one.told if wait else one.pending or one.due for one in ahead)
        if not plan.actions and not plan.waiting and not plan.deferred and not going:
            _result(stack, plan, output, done=0)
            return Exit.DONE
        click.echo(banner(stack), err=True)
        changing = plan.actions or plan.deferred or any(one.due for one in ahead)
        if agreed is None and changing:
            _ask("Apply these changes? Only 'yes' is taken for it", "yes", auto_approve, output, look)
        return carry_out(stack, controller, plan, look, output=output, timeout=timeout, verbose=verbose, wait=wait)


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
    stack = connect(folder, environment, Where(**aws), color=color, verbose=verbose, delete_images=delete_images)
    from reconciler.cli.carrying import carry_out
    from reconciler.cli.holding import held
    from reconciler.cli.progress import Progress
    from reconciler.cli.rolling import Reporter, controller_of
    from reconciler.cli.views.plan_text import plan_text

    stack.wish = replace(stack.wish, leaving=True, deliveries=())
    look = look_of(sys.stderr, color)
    with contextlib.ExitStack() as inside:
        inside.callback(stack.aws.close)
        inside.enter_context(held(stack, "destroy"))
        controller = controller_of(stack, Progress(look, Reporter(stack, look)))
        plan = controller.look().plan
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
        return carry_out(stack, controller, plan, look, output=output, timeout=timeout, verbose=verbose)


def _ask(question: str, word: str, auto_approve: bool, output: str, look: Look) -> None:
    """Raises `errors.ReconcilerError` where there is nobody to ask, `errors.NotApproved` where the answer is no."""
    if auto_approve:
        return
    if output == "json" or not interactive():
        raise errors.ReconcilerError("nobody is here to ask; say --auto-approve (-y) to go on without")
    answer = click.prompt(look.paint(question, "bold"), default="", show_default=False, err=True)
    if answer.strip() != word:
        raise errors.NotApproved("not approved; nothing was changed")


def _result(stack: Stack, plan: Plan, output: str, *, done: int) -> None:
    if output == "json":
        from reconciler.cli import planfile
        from reconciler.cli.views.plan_json import dumps

        click.echo(dumps(planfile.document(stack, plan) | {"done": done}))


def _show(stack: Stack, plan: Plan, ahead: tuple[RolloutPreview, ...], output: str, look: Look, verbose: int) -> None:
    match output:
        case "json":
            from reconciler.cli import planfile
            from reconciler.cli.views.plan_json import dumps, rollouts_document

            click.echo(dumps(planfile.document(stack, plan) | {"rollouts": rollouts_document(ahead)}))
        case "markdown":
            from reconciler.cli.views.plan_markdown import plan_markdown

            click.echo(plan_markdown(plan, banner(stack), ahead))
        case "github":
            from reconciler.cli.views.plan_github import plan_github

            click.echo(plan_github(plan), nl=False)
        case _:
            from reconciler.cli.views.plan_text import plan_text

            say(look.paint(banner(stack), "bold") + "\n", look)
            say(plan_text(plan, look, ahead, verbose=verbose), look)
