"""reconcile: say a word to the loop about the whole stack, and wait for its answer (model/words.py)."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.exits import Exit
from reconciler.cli.options import Where

if TYPE_CHECKING:
    from reconciler.cli.connect import Stack
    from reconciler.model.planner import ObservedState
    from reconciler.model.resource import Observed

POLL_SECONDS = 1.0


@click.command()
@options.specs
@click.option("-w", "--wait", is_flag=True, help="Until the loop has looked at everything and says so.")
@click.option("--timeout", default=120.0, metavar="SECONDS", help="How long to wait for the loop.")
@click.option("--suspend", is_flag=True, help="Have the loop leave the whole stack alone.")
@click.option("--resume", is_flag=True, help="Have it go on.")
@options.aws
@options.look
def reconcile(
    folder: Path | None,
    environment: str | None,
    wait: bool,
    timeout: float,
    suspend: bool,
    resume: bool,
    verbose: int,
    color: str,
    **aws: Any,
) -> int:
    """Poke the loop: it looks at everything now. Exit 4: nobody has answered in time."""
    if suspend and resume:
        raise click.UsageError("--suspend and --resume exclude each other")
    from reconciler.cli.connect import connect
    from reconciler.model.tagging import tag_value
    from reconciler.reconcile import request_tags
    from reconciler.reconcile.observe import owned_ids
    from reconciler.reconcile.pass_ import look

    stack = connect(folder, environment, Where(**aws), color=color, verbose=verbose)
    try:
        world, _ = look(stack.aws, stack.kinds, stack.wish)
        stack.aws.mine.add(*sorted(owned_ids(world, stack.wish.place.stack, {})))
        places, poke = _places(stack, world), uuid.uuid4().hex[:8]
        board = places[0]
        said = {request_tags.SUSPEND: tag_value(stack.identity.who)} if suspend else {}
        stack.aws.run(request_tags.write(board.facts["arn"], {request_tags.POKE: poke, **said}))
        for place in places if resume else ():
            if request_tags.SUSPEND in place.tags:
                stack.aws.run(request_tags.erase(place.facts["arn"], request_tags.SUSPEND))
        if not wait:
            click.echo(f"Said; the loop hears it within its interval. ({poke})")
            return Exit.DONE
        return _answered(stack, board, poke, timeout)
    finally:
        stack.aws.close()


def _places(stack: Stack, world: ObservedState) -> tuple[Observed[Any], ...]:
    """Where the loop looks for it, the notice board first. Raises `errors.ReconcilerError` where there is none."""
    from reconciler.reconcile import request_tags

    refused = world.unreadable.get("service")
    if refused is not None:
        raise refused
    wanted = {want.address for want in stack.wish.desired}
    places = request_tags.places(world.found.get("service", ()), stack.wish.place.stack, wanted)
    if request_tags.notice_board(places, wanted) is not None:
        return places
    if not stack.wish.deliveries:
        raise errors.ReconcilerError(
            "the specs define no service, and the loop hears the word on one; a loop that was just started looks at "
            f"everything at once: reconciler run {stack.folder}"
        )
    raise errors.ReconcilerError(
        "the stack has no service yet, on which the loop would hear the word. See what is missing, and make it: "
        f"reconciler diff {stack.folder}, reconciler apply {stack.folder}"
    )


def _answered(stack: Stack, board: Observed[Any], poke: str, timeout: float) -> int:
    from reconciler.reconcile import request_tags

    clock, never = stack.aws.clock, threading.Event()
    end = clock.monotonic() + timeout * clock.speed
    while True:
        tags = stack.aws.run(request_tags.read(board.facts["cluster"], board.facts["arn"]))
        if request_tags.of_tags(tags).poked == poke:
            click.echo(f"The loop has looked at everything: revision {tags[request_tags.POKED].partition(':')[2]}.")
            return Exit.DONE
        if clock.monotonic() >= end:
            click.echo("Nobody has answered yet: is `reconciler run` running?", err=True)
            return Exit.TIMED_OUT
        clock.wait(never, POLL_SECONDS)
