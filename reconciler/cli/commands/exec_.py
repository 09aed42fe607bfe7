"""Run a command in a running task of a service.

It runs in the container that serves, of the newest task of the version in production, unless others are named. AWS
needs `exec: true` in the Service, and the session-manager-plugin on this machine; the local AWS emulator needs neither
the plugin nor an agent. Failures that are not the command's exit with 125.
"""

from __future__ import annotations

import click

from reconciler.cli import completions, options
from reconciler.cli.inside import passes_exit_code
from reconciler.cli.session import Stack, with_last_valid_stack


@click.command("exec", help=__doc__)
@click.argument("service", shell_complete=completions.services)
@click.argument("command", nargs=-1, required=True)
@click.option("--task", metavar="ID", help="The task, or the beginning of its id. Default: the newest.")
@click.option("--container", metavar="NAME", help="The container. Default: the one that serves.")
@options.specs_option
@passes_exit_code
@with_last_valid_stack
def exec_(stack: Stack, service: str, command: tuple[str, ...], task: str | None, container: str | None) -> int:
    from reconciler.cli.output.terminal import echo
    from reconciler.cli.rollout_session import service_spec
    from reconciler.cli.task_session import opened

    session = opened(stack, service_spec(stack.target.deliveries, service), task, container)
    echo(f"task {session.task[:8]}, container {session.container}", err=True)
    return session.execute(command)
