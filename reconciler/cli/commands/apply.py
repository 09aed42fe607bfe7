"""Create, update and delete AWS resources to match the specs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import options
from reconciler.cli.output.terminal import say
from reconciler.cli.session import Stack, with_stack

if TYPE_CHECKING:
    from reconciler.cli.plan_file import PlanFile


_CONSENT = ("allow_replace", "max_delete", "only")


def _plan_file(function: Callable[..., int]) -> Callable[..., int]:
    """The command with `approved`, the plan file that FOLDER may be; its stack is opened as the file says.

    Raises `click.UsageError` for options that were decided when the plan was made.
    """

    @functools.wraps(function)
    def command(folder: Path | None, environment: str | None, **keywords: Any) -> int:
        from reconciler.cli import plan_file

        approved = plan_file.read(folder) if folder is not None and folder.is_file() else None
        if approved is not None:
            given = {"environment": environment, **{name: keywords[name] for name in _CONSENT}}
            for name, value in given.items():
                if value not in (None, (), getattr(approved, name)):
                    option = f"--{name.replace('_', '-')}"
                    raise click.UsageError(f"{option} is part of the plan file; pass it to `reconciler diff --out`")
            folder, environment = approved.folder, approved.environment
            keywords |= {name: getattr(approved, name) for name in _CONSENT}
        return function(folder=folder, environment=environment, approved=approved, **keywords)

    return command


@click.command()
@options.specs
@options.output("text", "json")
@options.auto_approve
@options.store
@click.option("-w", "--wait", is_flag=True, help="Wait for rollouts to finish.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Time limit for the changes, and then for rollouts; 0: one pass, without waiting.",
)
@options.only
@options.consent
@_plan_file
@with_stack
def apply(
    stack: Stack,
    approved: PlanFile | None,
    output: str,
    auto_approve: bool,
    wait: bool,
    timeout: float | None,
    only: tuple[str, ...],
) -> int:
    """Create, update and delete AWS resources to match the specs.

    With --only, just the named resources and what they need; what is left out is listed.

    FOLDER may also be a plan file written by `diff --out`: exactly that plan is applied, or nothing.

    Returns once the changes are made and rollouts have started. Exits with 3 if a rollout failed or was rolled back, or
    a one-off task failed, and 5 if a service is read-only; with --wait also with 4 if it is still in progress, and 6 if
    it is waiting for promotion. --wait ends there if only a person can
    continue, unless --timeout says how long to wait.

    Nothing is started before its image has been pushed: without --wait the rest is made, and the images to push are
    named. --wait waits 15 minutes for them and two minutes for one-off tasks to end, or as long as --timeout says.
    """
    from reconciler.cli import plan_file, selection
    from reconciler.cli.consent import Proposal, Question, carry_out
    from reconciler.cli.examination import examined_cheaply
    from reconciler.cli.execute import execute, unchanged
    from reconciler.cli.output.findings_text import findings_text
    from reconciler.cli.output.plan_text import effective, plan_text
    from reconciler.cli.rollout_session import open_rollouts, reporting_controller
    from reconciler.rollout_driver.preview import with_attempts

    look = stack.err_look
    selection.select(stack, only)
    controller = reporting_controller(stack)

    def propose() -> Proposal:
        report = controller.look()
        selection.check(stack, report.world)
        previews = selection.shown(open_rollouts(stack, report.world).previews(), report.plan)
        plan = with_attempts(report.plan, previews)
        if approved is not None:
            plan_file.verify(approved, stack, plan)

        def show() -> None:
            say(look.paint(stack.banner, "bold") + "\n", look, err=True)
            say(plan_text(plan, look, previews, verbose=stack.verbose), look, err=True)
            if findings := examined_cheaply(stack, plan, report.world, previews):
                say("\n" + findings_text(findings, look), look, err=True, nl=False)

        rolling = any(preview.shown if wait else preview.pending or preview.due for preview in previews)
        rolling = rolling or any(one.seen is not None and one.seen.marks.unreadable for one in previews)
        due = not plan.refusals and bool(plan.actions or plan.waiting or plan.deferred or plan.failed or rolling)
        attempts = any(preview.due for preview in previews) or plan.new_attempts
        changing = bool(effective(plan, previews) or plan.deferred or attempts)
        return Proposal(plan, show, due, asks=changing and approved is None)

    return carry_out(
        stack,
        "apply",
        propose,
        Question("Apply these changes? Type 'yes' to confirm", "yes", output, auto_approve),
        execute=lambda plan: execute(stack, controller, plan, output=output, timeout=timeout, wait=wait),
        unchanged=lambda plan: unchanged(stack, plan, output),
    )
