"""Hold another number of tasks of a service for a while.

It is held in place of the `desired_count` of the specs until its time is over, and the count of the specs follows;
`--reset` ends it now. The running controller writes it, or this process with `--now`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from reconciler.cli import completions, options
from reconciler.cli.session import Stack, with_last_valid_stack

HOUR = timedelta(hours=1)


@click.command(help=__doc__)
@click.argument("service", shell_complete=completions.services)
@click.argument("count", required=False, type=click.IntRange(min=0, max=5000))
@click.option("--for", "length", type=options.length, metavar="DURATION", help="How long: 30m, 1h, … Default: 1h.")
@click.option("--reset", is_flag=True, help="Go back to what the specs declare.")
@click.option("--why", default="", metavar="TEXT", help="Reason, stored with the count.")
@click.option("--now", is_flag=True, help="Write the count in this process instead of the controller.")
@options.timeout(60, "the controller")
@options.store
@options.specs_option
@with_last_valid_stack
def scale(stack: Stack, service: str, count: int | None, length: timedelta | None, reset: bool, **request: Any) -> int:
    from reconciler.cli.held_count import hold, release

    if reset:
        if count is not None or length is not None:
            raise click.UsageError("--reset takes neither a count nor --for")
        return release(stack, service, now=request["now"], timeout=request["timeout"])
    if count is None:
        raise click.UsageError("name the number of tasks, or pass --reset")
    if length is not None and length <= timedelta():
        raise click.BadParameter("it has to be more than 0 seconds", param_hint="--for")
    return hold(stack, service, count, HOUR if length is None else length, **request)
