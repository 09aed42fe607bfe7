"""Run a command with a service's image and roles, or a scheduled task.

For example a migration, or a console: a task like those of the version in production starts with COMMAND in the place
of its container's own, its logs are shown, and its exit code is that of this command. Ctrl-C stops the task. Failures
that are not the command's exit with 125.

A scheduled task runs as its schedule starts it, once; with COMMAND, in the place of its own.
"""

from __future__ import annotations

import signal
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from reconciler.cli import completions, options
from reconciler.cli.inside import chosen_container, pairs, passes_exit_code
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo
from reconciler.cli.session import Stack, with_last_valid_stack

if TYPE_CHECKING:
    from reconciler.model.resource import Address
    from reconciler.queries.placement import Placement


@click.command(help=__doc__)
@click.argument("service", shell_complete=completions.services)
@click.argument("command", nargs=-1)
@click.option("--container", metavar="NAME", help="The container that runs it. Default: the one that serves.")
@click.option("--cpu", type=click.IntRange(min=1), metavar="UNITS", help="CPU units of the task.")
@click.option("--memory", type=click.IntRange(min=1), metavar="MIB", help="Memory of the task in MiB.")
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="Set an environment variable. Repeatable.")
@click.option("--timeout", type=options.length, metavar="DURATION", help="Stop the task after 30m, 1h, …")
@options.specs_option
@passes_exit_code
@with_last_valid_stack
def run_task(
    stack: Stack,
    service: str,
    command: tuple[str, ...],
    container: str | None,
    cpu: int | None,
    memory: int | None,
    env: tuple[str, ...],
    timeout: timedelta | None,
) -> int:
    from reconciler.cli.one_off_task import Command, follow, started
    from reconciler.cli.signals import stopping, vanish

    environment = pairs(env)
    address, cluster, placed, preferred = _placed(stack, service, command)
    name = chosen_container(container, placed.spec.containers, (*preferred, *placed.essential))
    echo(stack.banner, err=True)

    def first(_: signal.Signals) -> None:
        echo("Stopping the task (Ctrl-C again to leave it)", err=True)

    with stopping(first, vanish) as stopped:
        task = started(stack, address, cluster, placed, Command(name, command, environment, cpu, memory))
        try:
            code = follow(task, stopped.stop, None if timeout is None else timeout.total_seconds())
        except BaseException:
            task.stop("reconciler run-task failed")
            raise
        if stopped.caught is None:
            return code
        task.stop(f"interrupted by {stack.identity.who}")
    return stopped.code or Exit.INTERRUPTED


def _placed(stack: Stack, name: str, command: tuple[str, ...]) -> tuple[Address, str, Placement, tuple[str, ...]]:
    """Whose task it is, where and how it starts, and which container is meant."""
    from reconciler.cli.rollout_session import service_spec, service_state
    from reconciler.cli.task_subjects import open_task, task_address
    from reconciler.queries.placement import placement, scheduled_placement

    address = task_address(stack, name)
    if address is not None:
        if address.kind != "schedule":
            raise click.UsageError(f"{name} is not scheduled; `reconciler retry {name}` runs a task that failed again")
        subject, _ = open_task(stack, address)
        return address, subject.cluster, stack.aws.run(scheduled_placement(subject)), ()
    if not command:
        raise click.UsageError("name the COMMAND; only a scheduled task runs without one")
    spec = service_spec(stack.target.deliveries, name)
    state = service_state(stack, spec)
    return spec.service, state.cluster, stack.aws.run(placement(state)), (spec.container,)
