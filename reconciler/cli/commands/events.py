"""Show the events of a service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.account_stack import with_shown_stack
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, say
from reconciler.cli.session import Stack

if TYPE_CHECKING:
    from reconciler.queries.events import ServiceEvent

    Reader = Callable[[], tuple[str, tuple[ServiceEvent, ...]]]

POLL_SECONDS = 5.0


@click.command()
@options.service
@options.store
@click.option(
    "--since", type=options.length, metavar="DURATION", help="Show events of the last 30m, 1h, … Default: all."
)
@click.option("-f", "--follow", is_flag=True, help="Show new events as they occur, oldest first, until Ctrl-C.")
@options.output("text", "jsonl")
@with_shown_stack
def events(stack: Stack, service: str | None, since: timedelta | None, follow: bool, output: str) -> int:
    """Show the events of SERVICE or of a Task, newest first: of ECS, scaling, rollouts, requests, stopped tasks and
    drift.

    Repeated events are shown once, with their count. ECS keeps a hundred events; requests, and of the last 30 days why
    tasks stopped and who made which drift, are in the store of the controller.
    """
    from reconciler.cli.journals import kept
    from reconciler.cli.output.events_text import event_document, event_line, events_text, in_the_last
    from reconciler.cli.output.plan_json import json_line
    from reconciler.model.resource import Address
    from reconciler.queries import events

    look, read = stack.look, _reader(stack, service)
    start = None if since is None else stack.aws.clock.now() - since
    address, every = read()
    journals = kept(stack)
    old = [*map(events.of_request, journals.requests_of(address)), *map(events.of_stop, journals.stops_of(address))]
    old += map(events.of_drift, journals.drift_of(Address.parse(address), stack.target.desired))
    known = [event for event in events.in_order((*every, *old)) if start is None or event.at >= start]
    if follow:
        for event in _followed(stack, read, known):
            if output == "jsonl":
                echo(json_line(event_document(event)))
            else:
                say(event_line(event, look), look)
    elif not known:
        echo(f"no events for {address}{in_the_last(since)}", err=True)
    elif output == "jsonl":
        for event in known:
            echo(json_line(event_document(event)))
    else:
        say(events_text(events.folded(known), look), look)
    return Exit.DONE


def _reader(stack: Stack, name: str | None) -> Reader:
    """What reads the events of a service or of a task that AWS has now."""
    from reconciler.cli.rollout_session import service_spec, service_state
    from reconciler.cli.task_subjects import open_task, task_address
    from reconciler.queries import events, task_runs

    address = task_address(stack, name)
    if address is not None:
        subject, _ = open_task(stack, address)
        return lambda: (str(address), tuple(map(task_runs.of_run, stack.aws.run(task_runs.runs(subject)))))
    spec = service_spec(stack.target.deliveries, name)
    state = service_state(stack, spec)
    asked = tuple(map(events.of_request, stack.aws.run(events.kept_requests(state))))
    return lambda: (str(spec.service), (*stack.aws.run(events.read(state)), *asked))


def _followed(stack: Stack, read: Reader, known: list[ServiceEvent]) -> Iterator[ServiceEvent]:
    """Each event once, oldest first, without end."""
    never, speed, shown = threading.Event(), stack.aws.clock.speed, set[str]()
    while True:
        for event in reversed(known):
            if event.id not in shown:
                shown.add(event.id)
                yield event
        stack.aws.clock.wait(never, POLL_SECONDS * speed)
        known = list(read()[1])
