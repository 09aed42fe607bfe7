"""Delete all AWS resources that the stack owns."""

from __future__ import annotations

from dataclasses import replace

import click

from reconciler.cli import options
from reconciler.cli.output.terminal import say
from reconciler.cli.session import Stack, with_stack


@click.command()
@options.specs
@options.output("text", "json")
@options.auto_approve
@options.store
@click.option("--delete-images", is_flag=True, help="Delete registries even if they contain images.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Time limit for the deletions; 0: one pass, without waiting.",
)
@with_stack
def destroy(stack: Stack, output: str, auto_approve: bool, timeout: float | None) -> int:
    """Delete all AWS resources that the stack owns, and nothing else."""
    from reconciler.cli.execute import confirm, execute, unchanged
    from reconciler.cli.lease import held
    from reconciler.cli.output.plan_text import plan_text
    from reconciler.cli.rollout_session import reporting_controller

    stack.target = replace(stack.target, leaving=True, deliveries=())
    name, look = stack.target.place.stack, stack.err_look
    with held(stack, "destroy"):
        controller = reporting_controller(stack)
        plan = controller.look().plan
        plan = replace(plan, actions=tuple(replace(action, because="") for action in plan.actions))  # the command is it
        say(look.paint(stack.banner, "bold") + "\n", look, err=True)
        say(plan_text(plan, look, verbose=stack.verbose), look, err=True)
        if plan.refusals or not (plan.actions or plan.waiting):
            return unchanged(stack, plan, output)
        if not auto_approve:
            confirm(f"Delete all of these resources? Type the stack name ({name}) to confirm", name, output, look)
        return execute(stack, controller, plan, output=output, timeout=timeout)
