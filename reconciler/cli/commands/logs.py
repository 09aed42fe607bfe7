"""Show the logs of a service."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.account_stack import with_shown_stack
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import Look, echo, say
from reconciler.cli.session import Stack
from reconciler.model import duration

if TYPE_CHECKING:
    from reconciler.diagnosis.observations import Task
    from reconciler.queries.logs import Line, LogBatch, LogSources

RECENT = timedelta(minutes=10)
FORGOTTEN = timedelta(hours=1)
"""Age from which ECS may not show a stopped task any more."""


@click.command()
@options.service
@options.store
@click.option("--previous", is_flag=True, help="Show the logs of the tasks that stopped last, for example of a "
              "failed version.")  # fmt: skip
@click.option("--container", metavar="NAME", help="Show this container only.")
@click.option("--since", type=options.length, metavar="DURATION", help="Show logs of the last 30m, 1h, … "
              f"Default: {duration.format(RECENT)}; with --previous, all.")  # fmt: skip
@click.option("-f", "--follow", is_flag=True, help="Stream new lines, including those of new tasks, until Ctrl-C.")
@click.option("--grep", metavar="TEXT", help="Show only lines that contain TEXT.")
@options.output("text", "jsonl")
@with_shown_stack
def logs(
    stack: Stack,
    service: str | None,
    previous: bool,
    container: str | None,
    since: timedelta | None,
    follow: bool,
    grep: str | None,
    output: str,
) -> int:
    """Show the logs of SERVICE, of the tasks of the version that is in production; or those of a Task.

    After a failed rollout, `--previous` shows the logs of the failed version. ECS keeps stopped tasks for about 1 h;
    of those that stopped by themselves in the last 30 days, the store of the controller has the last lines.
    """
    from reconciler.cli.output.logs_text import notes, whose_text
    from reconciler.queries import logs as queries

    if previous and follow:
        raise click.UsageError("--previous and --follow are mutually exclusive")
    back = since if previous or since is not None else RECENT
    address, tasks_now = _tasks_of(stack, service)
    tasks, quiet = tasks_now(previous)
    sources = stack.aws.run(queries.log_sources(tasks, container))
    old = previous and (not tasks or (since is not None and since > FORGOTTEN))
    shown = old and _kept(stack, address, container, since, grep, output)
    if not tasks and not follow:
        return Exit.DONE if shown else _no_tasks(address, previous=previous)
    if container is not None and tasks and container not in sources.containers:
        raise click.UsageError(f"no container {container!r}; the tasks have: {', '.join(sources.containers)}")
    if tasks:
        echo(f"{address}: {whose_text(sources, previous=previous)}", err=True)
    if quiet and not previous:
        echo(quiet, err=True)
    for note in notes(sources):
        echo(f"({note})", err=True)
    tail = queries.LogTail(stack.aws, None if back is None else stack.aws.clock.now() - back)
    printer = _Printer(stack.look, output, grep, sources)
    if not follow:
        batch = tail.poll(sources.streams)
        printer(batch.lines)
        _report_missing(batch, printer.shown, back, grep)
        return Exit.DONE

    def refreshed() -> LogSources:
        printer.sources = stack.aws.run(queries.log_sources(tasks_now(False)[0], container))
        return printer.sources

    for lines in queries.following(stack.aws, tail, refreshed, threading.Event()):
        printer(lines)
    return Exit.DONE


def _tasks_of(stack: Stack, name: str | None) -> tuple[str, Callable[[bool], tuple[tuple[Task, ...], str]]]:
    """The address of a service or task, and what reads its tasks (the stopped ones, if asked), with a note on them."""
    from reconciler.cli.rollout_session import service_spec, service_state
    from reconciler.cli.task_subjects import open_task, task_address
    from reconciler.queries import logs as queries
    from reconciler.queries import task_runs

    address = task_address(stack, name)
    if address is not None:
        subject, _ = open_task(stack, address)

        def of_task(previous: bool) -> tuple[tuple[Task, ...], str]:
            running = () if previous else stack.aws.run(task_runs.runs(subject, "RUNNING"))
            if running:
                return running, ""
            last = stack.aws.run(task_runs.runs(subject, "STOPPED"))[: 1 if not previous else None]
            return last, "it does not run now; showing its last run" if last else ""

        return str(address), of_task
    spec = service_spec(stack.target.deliveries, name)

    def of_service(previous: bool) -> tuple[tuple[Task, ...], str]:
        state = service_state(stack, spec)
        found = stack.aws.run(queries.stopped(state) if previous else queries.current(state))
        return found, "" if state.in_production else "no version receives production traffic; showing all tasks"

    return str(spec.service), of_service


def _kept(
    stack: Stack, address: str, container: str | None, since: timedelta | None, grep: str | None, output: str
) -> bool:
    """The last lines that the store has of stopped tasks. False if it has none."""
    from reconciler.cli.journals import kept
    from reconciler.cli.output.logs_text import kept_document, kept_text
    from reconciler.cli.output.plan_json import json_line

    start = None if since is None else stack.aws.clock.now() - since
    stops = [one for one in kept(stack).stops_of(address) if container in (None, one.container)]
    stops = [one for one in stops if start is None or one.at >= start]
    if not stops:
        return False
    echo(f"{address}: the last lines that were kept of tasks that have stopped", err=True)
    for stop in stops:
        if output == "jsonl":
            echo(json_line(kept_document(stop, grep)))
        else:
            say(kept_text(stop, grep, stack.look), stack.look, whole=True)
    return True


class _Printer:
    """Prints log lines that match `grep`."""

    def __init__(self, look: Look, output: str, grep: str | None, sources: LogSources) -> None:
        self.look, self.output, self.grep, self.sources = look, output, grep, sources
        self.shown = 0

    def __call__(self, lines: tuple[Line, ...]) -> None:
        from reconciler.cli.output.logs_text import log_document, log_text
        from reconciler.cli.output.plan_json import json_line

        for line in lines:
            if self.grep is not None and self.grep not in line.text:
                continue
            self.shown += 1
            if self.output == "jsonl":
                echo(json_line(log_document(line)))
            else:
                say(log_text(line, self.look, containers=self.sources.containers), self.look, whole=True)


def _no_tasks(address: str, *, previous: bool) -> int:
    if previous:
        where = "ECS keeps them for 1 h, and the store of the controller what is left of them for 30 days"
        echo(f"no stopped tasks of {address} found ({where})", err=True)
    else:
        echo(f"no running tasks of {address}; --previous shows the logs of stopped tasks", err=True)
    return Exit.FAILED


def _report_missing(batch: LogBatch, shown: int, since: timedelta | None, grep: str | None) -> None:
    from reconciler.cli.output.events_text import in_the_last

    for stream in batch.cut:
        echo(f"(older lines of {stream.container} of {stream.task[:4]} omitted; use --since)", err=True)
    if shown == 0:
        what = f"no line contains {grep!r}" if grep is not None and batch.lines else "no log lines"
        echo(f"{what}{in_the_last(since)}; use --since to look further back", err=True)
