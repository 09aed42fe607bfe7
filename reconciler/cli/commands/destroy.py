"""Delete all AWS resources that the stack owns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.output.terminal import say
from reconciler.cli.session import Stack, with_stack

if TYPE_CHECKING:
    from reconciler.model.plan import Note, Plan


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
    from reconciler.cli.consent import Proposal, Question, carry_out
    from reconciler.cli.execute import execute, unchanged
    from reconciler.cli.output.plan_text import plan_text
    from reconciler.cli.rollout_session import reporting_controller

    stack.target = replace(stack.target, leaving=True, deliveries=())
    name, look, controller = stack.target.place.stack, stack.err_look, reporting_controller(stack)

    def propose() -> Proposal:
        plan = controller.look().plan
        plan = replace(plan, actions=tuple(replace(action, because="") for action in plan.actions))  # the command is it
        plan = replace(plan, warnings=(*plan.warnings, *_kept(stack, plan)))

        def show() -> None:
            say(look.paint(stack.banner, "bold") + "\n", look, err=True)
            say(plan_text(plan, look, verbose=stack.verbose), look, err=True)

        due = not plan.refusals and bool(plan.actions or plan.waiting)
        return Proposal(plan, show, due, asks=True)

    return carry_out(
        stack,
        "destroy",
        propose,
        Question(f"Delete all of these resources? Type the stack name ({name}) to confirm", name, output, auto_approve),
        execute=lambda plan: execute(stack, controller, plan, output=output, timeout=timeout),
        unchanged=lambda plan: unchanged(stack, plan, output),
    )


def _kept(stack: Stack, plan: Plan) -> Iterator[Note]:
    """Registries that AWS does not delete without consent, because they contain images."""
    from reconciler.model.plan import Note
    from reconciler.resources.repository import Repository, held_images

    if stack.target.consent.delete_images:
        return
    repositories = {one.drop.id: one.address for one in plan.actions if one.address.kind == Repository.kind}
    for id, count in stack.aws.run(held_images(repositories)).items():
        images = f"{count} {'image' if count == 1 else 'images'}"
        yield Note(
            repositories[id], f"contains {images} and is not deleted; pass --delete-images to delete it with them"
        )
