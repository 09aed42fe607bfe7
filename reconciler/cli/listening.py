"""logs: what a service's tasks say, or said. Nothing is ever written."""

from __future__ import annotations

import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli import options
from reconciler.cli.exits import Exit
from reconciler.cli.reading import find, in_the_last, jsonl, open_service
from reconciler.cli.terminal import Look, look_of, say
from reconciler.model import duration

if TYPE_CHECKING:
    from reconciler.queries.logs import Line, LogBatch, LogSources
    from reconciler.rollout.spec import RolloutSpec

RECENT = timedelta(minutes=10)


@click.command()
@options.service
@click.option("--previous", is_flag=True, help="What the version that stopped last said: a failed one, mostly.")
@click.option("--container", metavar="NAME", help="Of this container alone.")
@click.option(
    "--since",
    type=options.length,
    metavar="TIME",
    help=f"How far back: 30m, 1h. Default: {duration.format(RECENT)}; with --previous all.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C; tasks that come meanwhile are heard, too.")
@click.option("--grep", metavar="TEXT", help="Only lines with this text in them.")
@options.output("text", "jsonl")
@options.aws
@options.look
def logs(
    service: str | None,
    folder: Path | None,
    environment: str | None,
    previous: bool,
    container: str | None,
    since: timedelta | None,
    follow: bool,
    grep: str | None,
    output: str,
    verbose: int,
    color: str,
    **aws: Any,
) -> int:
    """Show what the tasks of SERVICE say: those of the version that production has.

    Where a rollout has failed, `--previous` shows what the failed version said; ECS forgets its tasks within the hour.
    """
    from reconciler.cli.views.logs_text import notes, whose_text
    from reconciler.queries import logs as outputs

    if previous and follow:
        raise click.UsageError("what has stopped says nothing new: --previous and --follow exclude each other")
    back = since if previous or since is not None else RECENT
    with open_service(service, folder, environment, verbose, color, aws) as (stack, delivery, found):
        tasks = stack.aws.run(outputs.stopped(found) if previous else outputs.current(found))
        who = stack.aws.run(outputs.speakers(tasks, container))
        if not tasks and not follow:
            return _nobody(delivery, previous=previous)
        if container is not None and tasks and container not in who.containers:
            raise click.UsageError(f"there is no container {container!r}; there are: {', '.join(who.containers)}")
        if tasks:
            click.echo(f"{delivery.service}: {whose_text(who, previous=previous)}", err=True)
        if not previous and not found.in_production:
            click.echo("production sends no requests to this service's versions; shown are all that run", err=True)
        for note in notes(who):
            click.echo(f"({note})", err=True)
        ear = outputs.LogTail(stack.aws, None if back is None else stack.aws.clock.now() - back)
        show = _Printer(look_of(sys.stdout, color), output, grep, who)
        if not follow:
            heard = ear.hear(who.voices)
            show(heard.lines)
            _unheard(heard, show.shown, back, grep)
            return Exit.DONE

        def again() -> LogSources:
            now = find(stack, delivery)
            show.who = stack.aws.run(outputs.speakers(stack.aws.run(outputs.current(now)), container))
            return show.who

        for lines in outputs.following(stack.aws, ear, again, threading.Event()):
            show(lines)
    return Exit.DONE


class _Printer:
    """Prints lines, those that are asked for."""

    def __init__(self, look: Look, output: str, grep: str | None, who: LogSources) -> None:
        self.look, self.output, self.grep, self.who = look, output, grep, who
        self.shown = 0

    def __call__(self, lines: tuple[Line, ...]) -> None:
        from reconciler.cli.views.logs_text import log_document, log_text

        for line in lines:
            if self.grep is not None and self.grep not in line.text:
                continue
            self.shown += 1
            if self.output == "jsonl":
                click.echo(jsonl(log_document(line)))
            else:
                say(log_text(line, self.look, containers=self.who.containers), self.look)


def _nobody(delivery: RolloutSpec, *, previous: bool) -> int:
    if previous:
        click.echo(f"ECS knows no stopped task of {delivery.service}; it forgets them within the hour", err=True)
    else:
        click.echo(f"no task of {delivery.service} runs; --previous shows what stopped ones said", err=True)
    return Exit.FAILED


def _unheard(heard: LogBatch, shown: int, since: timedelta | None, grep: str | None) -> None:
    for voice in heard.cut:
        click.echo(f"(older lines of {voice.container} of {voice.task[:4]} are left out; say --since)", err=True)
    if shown == 0:
        what = f"no line with {grep!r}" if grep is not None and heard.lines else "they said nothing"
        click.echo(f"{what}{in_the_last(since)}; --since says how far back", err=True)
