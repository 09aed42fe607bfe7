"""Show the events of a service."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, say
from reconciler.cli.session import Stack, with_last_valid_stack

if TYPE_CHECKING:
    from reconciler.queries.events import ServiceEvent
    from reconciler.queries.versions import ServiceState

POLL_SECONDS = 5.0


@click.command()
@options.service
@click.option(
    "--since", type=options.length, metavar="DURATION", help="Show events of the last 30m, 1h, … Default: all."
)
@click.option("-f", "--follow", is_flag=True, help="Show new events as they occur, oldest first, until Ctrl-C.")
@options.output("text", "jsonl")
@with_last_valid_stack
def events(stack: Stack, service: str | None, since: timedelta | None, follow: bool, output: str) -> int:
    """Show the events of SERVICE, newest first: ECS events, scaling activities and rollouts.

    Repeated events are shown once, with their count.
    """
    from reconciler.cli.output.events_text import event_document, event_line, events_text, in_the_last
    from reconciler.cli.output.plan_json import json_line
    from reconciler.cli.rollout_session import service_spec, service_state
    from reconciler.queries import events

    look, spec = stack.look, service_spec(stack.target.deliveries, service)
    state = service_state(stack, spec)
    start = None if since is None else stack.aws.clock.now() - since
    known = [event for event in stack.aws.run(events.read(state)) if start is None or event.at >= start]
    if follow:
        for event in _followed(stack, state, known):
            say(json_line(event_document(event)) if output == "jsonl" else event_line(event, look), look)
    elif not known:
        echo(f"no events for {spec.service}{in_the_last(since)}", err=True)
    elif output == "jsonl":
        for event in known:
            echo(json_line(event_document(event)))
    else:
        say(events_text(events.folded(known), look), look)
    return Exit.DONE


def _followed(stack: Stack, state: ServiceState, known: list[ServiceEvent]) -> Iterator[ServiceEvent]:
    """Each event once, oldest first, without end."""
    from reconciler.queries import events

    never, speed, shown = threading.Event(), stack.aws.clock.speed, set[str]()
    while True:
        for event in reversed(known):
            if event.id not in shown:
                shown.add(event.id)
                yield event
        stack.aws.clock.wait(never, POLL_SECONDS * speed)
        known = list(stack.aws.run(events.read(state)))
