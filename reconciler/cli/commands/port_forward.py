"""Forward a port of this machine to a running task of a service.

PORTS is LOCAL:REMOTE, or one number for both. It runs until Ctrl-C. AWS needs the same as for `reconciler exec`.
"""

from __future__ import annotations

import threading

import click

from reconciler.cli import completions, options
from reconciler.cli.inside import passes_exit_code
from reconciler.cli.session import Stack, with_last_valid_stack

HIGHEST = 65535


@click.command("port-forward", help=__doc__)
@click.argument("service", shell_complete=completions.services)
@click.argument("ports")
@click.option("--task", metavar="ID", help="The task, or the beginning of its id. Default: the newest.")
@click.option("--container", metavar="NAME", help="The container. Default: the one that serves.")
@options.specs_option
@passes_exit_code
@with_last_valid_stack
def port_forward(stack: Stack, service: str, ports: str, task: str | None, container: str | None) -> int:
    from reconciler.cli.rollout_session import service_spec
    from reconciler.cli.signals import stopping, vanish
    from reconciler.cli.task_session import opened

    local, remote = _ports(ports)
    session = opened(stack, service_spec(stack.target.deliveries, service), task, container)
    if session.local is None:
        return session.forward(local, remote, threading.Event())
    with stopping(lambda _: None, vanish) as stopped:
        session.forward(local, remote, stopped.stop)
    return stopped.code


def _ports(text: str) -> tuple[int, int]:
    """Raises `click.BadParameter`."""
    parts = text.split(":")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() and int(part) <= HIGHEST for part in parts):
        raise click.BadParameter(f"{text!r} is not LOCAL:REMOTE, two ports up to {HIGHEST}", param_hint="PORTS")
    local, remote = int(parts[0]), int(parts[-1])
    if not remote:
        raise click.BadParameter("the port of the task cannot be 0", param_hint="PORTS")
    return local, remote
