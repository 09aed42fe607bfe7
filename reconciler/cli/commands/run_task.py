"""Run a command with a service's image and roles, or a scheduled task.

For example a migration, or a console: a task like those of the version in production starts with COMMAND in the place
of its container's own, its logs are shown, and its exit code is that of this command. Ctrl-C stops the task. Failures
that are not the command's exit with 125.

A scheduled task runs as its schedule starts it, once; with COMMAND, in the place of its own.

With -it, the task idles, COMMAND runs in it with this terminal, as by `exec`, and the task is stopped once it has
ended, after 12 hours at the latest. AWS needs `exec: true` in the Service, and the session-manager-plugin on this
machine.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from reconciler.cli import completions, options
from reconciler.cli.inside import chosen_container, pairs, passes_exit_code
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, say
from reconciler.cli.session import Stack, with_last_valid_stack

if TYPE_CHECKING:
    from reconciler.model.resource import Address
    from reconciler.queries.placement import Placement
    from reconciler.queries.versions import ServiceState


@click.command(help=__doc__)
@click.argument("service", shell_complete=completions.services)
@click.argument("command", nargs=-1)
@click.option("-i", "-t", "--interactive", is_flag=True, help="Run COMMAND with this terminal, such as a shell.")
@click.option("--container", metavar="NAME", help="The container that runs it. Default: the one that serves.")
@click.option("--cpu", type=click.IntRange(min=1), metavar="UNITS", help="CPU units of the task.")
@click.option("--memory", type=click.IntRange(min=1), metavar="MIB", help="Memory of the task in MiB.")
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="Set an environment variable. Repeatable.")
@click.option("--timeout", type=options.some_time, metavar="DURATION", help="Stop the task after 30m, 1h, …")
@options.specs_option
@passes_exit_code
@with_last_valid_stack
def run_task(
    stack: Stack,
    service: str,
    command: tuple[str, ...],
    interactive: bool,
    container: str | None,
    cpu: int | None,
    memory: int | None,
    env: tuple[str, ...],
    timeout: timedelta | None,
) -> int:
    from reconciler.cli.one_off_task import Command, follow, started
    from reconciler.cli.signals import hangup_as_termination, stopping, vanish

    environment = pairs(env)
    placed = _placed(stack, service, command)
    known = placed.placement
    name = chosen_container(container, known.spec.containers, (*placed.preferred, *known.essential))
    say(stack.banner, stack.err_look, err=True)

    asked = Command(name, command, environment, cpu, memory)
    seconds = None if timeout is None else timeout.total_seconds()
    if interactive:
        from reconciler.cli.interactive_task import interact

        if placed.state is None:
            raise click.UsageError(f"{service} is a scheduled task; -it is for services")
        with hangup_as_termination():
            return interact(stack, placed.state, known, asked, seconds)

    def first(_: signal.Signals) -> None:
        echo("Stopping the task (Ctrl-C again to leave it)", err=True)

    with hangup_as_termination(), stopping(first, vanish) as stopped:
        task = started(stack, placed.address, placed.cluster, placed.placement, asked)
        try:
            code = follow(task, stopped.stop, seconds)
        except BaseException:
            task.stop("reconciler run-task failed")
            raise
        if stopped.caught is None:
            return code
        task.stop(f"interrupted by {stack.identity.who}")
    return stopped.code or Exit.INTERRUPTED


@dataclass(frozen=True, slots=True)
class _Placed:
    """Whose task it is, where and how it starts, and which containers may be meant. `state` is that of a service."""

    address: Address
    cluster: str
    placement: Placement
    preferred: tuple[str, ...] = ()
    state: ServiceState | None = None


def _placed(stack: Stack, name: str, command: tuple[str, ...]) -> _Placed:
    from reconciler.cli.rollout_session import service_spec, service_state
    from reconciler.cli.task_subjects import open_task, task_address
    from reconciler.queries.placement import placement, scheduled_placement

    address = task_address(stack, name)
    if address is not None:
        if address.kind != "schedule":
            raise click.UsageError(f"{name} is not scheduled; `reconciler retry {name}` runs a task that failed again")
        subject, _ = open_task(stack, address)
        return _Placed(address, subject.cluster, stack.aws.run(scheduled_placement(subject)))
    if not command:
        raise click.UsageError("name the COMMAND; only a scheduled task runs without one")
    spec = service_spec(stack.target.deliveries, name)
    state = service_state(stack, spec)
    return _Placed(spec.service, state.cluster, stack.aws.run(placement(state)), (spec.container,), state)
