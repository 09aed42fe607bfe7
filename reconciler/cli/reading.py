"""tree, events, history: what AWS says of the stack and of its services. Nothing is ever written."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import options
from reconciler.cli.connect import Stack, connect
from reconciler.cli.exits import Exit
from reconciler.cli.options import Where
from reconciler.cli.terminal import look_of, say
from reconciler.model import duration

if TYPE_CHECKING:
    from reconciler.queries.versions import ServiceState
    from reconciler.rollout.spec import RolloutSpec

POLL_SECONDS = 5.0


@click.command()
@options.specs
@options.output("text", "json")
@options.aws
@options.look
def tree(folder: Path | None, environment: str | None, output: str, verbose: int, color: str, **aws: Any) -> int:
    """Show the stack as a tree: what is inside what, its id and health in AWS, and what runs where.

    Exit 1 where a part of it could not be read.
    """
    from reconciler.cli.views.plan_json import FORMAT_VERSION, dumps
    from reconciler.cli.views.tree_text import tree_document, tree_text
    from reconciler.model import ownership
    from reconciler.queries import tree as trees
    from reconciler.reconcile.observe import observe

    with open_stack(folder, environment, verbose, color, aws) as stack:
        wish, name = stack.wish, stack.wish.place.stack
        world = observe(stack.aws, stack.kinds, wish.place, wish.desired)
        services = [one for one in world.found.get("service", ()) if ownership.owner(one.tags) == name]
        tasks = stack.aws.run(trees.tasks_of(services))
    nodes = trees.tree(stack.kinds, world, name, wish.deliveries, tasks)
    missing = trees.absent(world, (want.address for want in wish.desired))
    unread = {kind: str(error) for kind, error in sorted(world.unreadable.items())}
    if output == "json":
        found = [tree_document(node) for node in nodes]
        absent = [str(one) for one in missing]
        click.echo(
            dumps({"format_version": FORMAT_VERSION, "stack": name, "tree": found, "absent": absent, "unread": unread})
        )
    else:
        look = look_of(sys.stdout, color)
        say(tree_text(name, nodes, look, absent=missing, unread=unread), look)
    return Exit.FAILED if unread else Exit.DONE


@click.command()
@options.service
@click.option(
    "--since",
    type=options.length,
    metavar="TIME",
    help="How far back: 30m, 1h. Default: all that AWS still knows.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C, oldest first.")
@options.output("text", "jsonl")
@options.aws
@options.look
def events(
    service: str | None,
    folder: Path | None,
    environment: str | None,
    since: timedelta | None,
    follow: bool,
    output: str,
    verbose: int,
    color: str,
    **aws: Any,
) -> int:
    """Show what happened to SERVICE, newest first: ECS's own events, its scaling, and what rollouts did.

    Equal events are one line, with how many there were.
    """
    from reconciler.cli.views.events_text import event_document, event_line, events_text
    from reconciler.queries import events

    look = look_of(sys.stdout, color)
    with open_service(service, folder, environment, verbose, color, aws) as (stack, _, found):
        start = None if since is None else stack.aws.clock.now() - since
        known = [one for one in stack.aws.run(events.read(found)) if start is None or one.at >= start]
        if not follow:
            if output == "jsonl":
                for one in known:
                    click.echo(jsonl(event_document(one)))
            elif known:
                say(events_text(events.folded(known), look), look)
            if not known:
                click.echo(f"nothing happened to {found.delivery.service}{in_the_last(since)}", err=True)
            return Exit.DONE
        said: set[str] = set()
        for one in _new_happenings(stack, found, known):
            if one.id not in said:
                said.add(one.id)
                say(jsonl(event_document(one)) if output == "jsonl" else event_line(one, look), look)
    return Exit.DONE


@click.command()
@options.service
@options.output("text", "json")
@options.aws
@options.look
def history(
    service: str | None,
    folder: Path | None,
    environment: str | None,
    output: str,
    verbose: int,
    color: str,
    **aws: Any,
) -> int:
    """Show the releases of SERVICE that AWS still knows: which is live, on its way, or in quarantine, and why.

    They are the revisions of its task definition that carry the stack's tag.
    """
    from reconciler.cli.views.history_text import history_document, history_text
    from reconciler.cli.views.plan_json import FORMAT_VERSION, dumps
    from reconciler.queries import history as histories
    from reconciler.queries import versions
    from reconciler.reconcile.observe import observe
    from reconciler.rollout_driver.targets import NotReady, ground_of, subject_of

    with open_stack(folder, environment, verbose, color, aws) as stack:
        delivery = delivery_in(stack, service)
        wish, name = stack.wish, stack.wish.place.stack
        world = observe(stack.aws, stack.kinds, wish.place, wish.desired)
        found = versions.find(world, delivery, name)
        subject = subject_of(delivery, ground_of(wish.desired, world, name))
        wanted = None if isinstance(subject, NotReady) else subject.release
        if isinstance(subject, NotReady):
            click.echo(f"what the specs want is no release yet: {subject.because}", err=True)
        known = stack.aws.run(histories.revisions(delivery.task_definition.name, name))
        commits = stack.aws.run(histories.commits(found))
    rows = histories.history(known, found.runs, found.marks, wanted, commits)
    if output == "json":
        click.echo(dumps({"format_version": FORMAT_VERSION, **history_document(delivery.name, rows)}))
    else:
        look = look_of(sys.stdout, color)
        say(history_text(str(delivery.service), rows, look), look)
    return Exit.DONE


# -- what they have in common


@contextmanager
def open_stack(
    folder: Path | None, environment: str | None, verbose: int, color: str, aws: dict[str, Any]
) -> Iterator[Stack]:
    stack = connect(folder, environment, Where(**aws), color=color, verbose=verbose)
    try:
        yield stack
    finally:
        stack.aws.close()


@contextmanager
def open_service(
    service: str | None,
    folder: Path | None,
    environment: str | None,
    verbose: int,
    color: str,
    aws: dict[str, Any],
) -> Iterator[tuple[Stack, RolloutSpec, ServiceState]]:
    with open_stack(folder, environment, verbose, color, aws) as stack:
        delivery = delivery_in(stack, service)
        yield stack, delivery, find(stack, delivery)


def delivery_in(stack: Stack, service: str | None) -> RolloutSpec:
    from reconciler.cli.rolling import delivery_of

    return delivery_of(stack.wish.deliveries, service)


def find(stack: Stack, delivery: RolloutSpec) -> ServiceState:
    from reconciler.queries import versions

    place = stack.wish.place
    world = versions.look(stack.aws, stack.kinds, place, stack.wish.desired, delivery)
    return versions.find(world, delivery, place.stack)


def _new_happenings(stack: Stack, found: ServiceState, known: list[Any]) -> Iterator[Any]:
    """Oldest first, for ever."""
    from reconciler.queries import events

    never, speed = threading.Event(), stack.aws.clock.speed
    while True:
        yield from reversed(known)
        stack.aws.clock.wait(never, POLL_SECONDS * speed)
        known = list(stack.aws.run(events.read(found)))


def in_the_last(since: timedelta | None) -> str:
    return "" if since is None else f" in the last {duration.format(since)}"


def jsonl(document: dict[str, Any]) -> str:
    import orjson

    return orjson.dumps(document).decode()
