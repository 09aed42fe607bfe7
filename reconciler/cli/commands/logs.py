"""Show the logs of a service."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from reconciler.cli import options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import Look, echo, say
from reconciler.cli.session import Stack, with_last_valid_stack
from reconciler.model import duration

if TYPE_CHECKING:
    from reconciler.queries.logs import Line, LogBatch, LogSources
    from reconciler.rollout.spec import RolloutSpec

RECENT = timedelta(minutes=10)


@click.command()
@options.service
@click.option("--previous", is_flag=True, help="Show the logs of the tasks that stopped last, for example of a "
              "failed version.")  # fmt: skip
@click.option("--container", metavar="NAME", help="Show this container only.")
@click.option("--since", type=options.length, metavar="DURATION", help="Show logs of the last 30m, 1h, … "
              f"Default: {duration.format(RECENT)}; with --previous, all.")  # fmt: skip
@click.option("-f", "--follow", is_flag=True, help="Stream new lines, including those of new tasks, until Ctrl-C.")
@click.option("--grep", metavar="TEXT", help="Show only lines that contain TEXT.")
@options.output("text", "jsonl")
@with_last_valid_stack
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
    """Show the logs of SERVICE: of the tasks of the version that is in production.

    After a failed rollout, `--previous` shows the logs of the failed version. ECS keeps stopped tasks for about 1 h.
    """
    from reconciler.cli.output.logs_text import notes, whose_text
    from reconciler.cli.rollout_session import service_spec, service_state
    from reconciler.queries import logs as queries

    if previous and follow:
        raise click.UsageError("--previous and --follow are mutually exclusive")
    back = since if previous or since is not None else RECENT
    spec = service_spec(stack.target.deliveries, service)
    state = service_state(stack, spec)
    tasks = stack.aws.run(queries.stopped(state) if previous else queries.current(state))
    sources = stack.aws.run(queries.log_sources(tasks, container))
    if not tasks and not follow:
        return _no_tasks(spec, previous=previous)
    if container is not None and tasks and container not in sources.containers:
        raise click.UsageError(f"no container {container!r}; the tasks have: {', '.join(sources.containers)}")
    if tasks:
        echo(f"{spec.service}: {whose_text(sources, previous=previous)}", err=True)
    if not previous and not state.in_production:
        echo("no version receives production traffic; showing all tasks", err=True)
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
        current = queries.current(service_state(stack, spec))
        printer.sources = stack.aws.run(queries.log_sources(stack.aws.run(current), container))
        return printer.sources

    for lines in queries.following(stack.aws, tail, refreshed, threading.Event()):
        printer(lines)
    return Exit.DONE


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
                say(log_text(line, self.look, containers=self.sources.containers), self.look)


def _no_tasks(spec: RolloutSpec, *, previous: bool) -> int:
    if previous:
        echo(f"no stopped tasks of {spec.service} found (ECS keeps them for 1 h)", err=True)
    else:
        echo(f"no running tasks of {spec.service}; --previous shows the logs of stopped tasks", err=True)
    return Exit.FAILED


def _report_missing(batch: LogBatch, shown: int, since: timedelta | None, grep: str | None) -> None:
    from reconciler.cli.output.events_text import in_the_last

    for stream in batch.cut:
        echo(f"(older lines of {stream.container} of {stream.task[:4]} omitted; use --since)", err=True)
    if shown == 0:
        what = f"no line contains {grep!r}" if grep is not None and batch.lines else "no log lines"
        echo(f"{what}{in_the_last(since)}; use --since to look further back", err=True)
