"""Write the values of secrets that the specs refer to."""

from __future__ import annotations

import click

from reconciler.cli import options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, say
from reconciler.cli.session import Stack, with_stack


@click.group(help=__doc__)
def secret() -> None:
    pass


@secret.command("put")
@click.argument("name")
@options.specs_option
@with_stack
def put(stack: Stack, name: str) -> int:
    """Write a new version of the secret NAME, as the specs refer to it: ssm:/path or secretsmanager:name.

    The value comes from standard input, or from a hidden prompt. A secret that does not exist yet is created, with the
    stack's tags. Containers read it when their task starts.
    """
    from reconciler.cli.secret_values import named, value_of
    from reconciler.cli.secret_values import put as write

    found = named(stack.specs, name)
    say(stack.banner, stack.err_look, err=True)
    version, created = write(stack, found, value_of(found))
    echo(f"{found}: version {version} {'created' if created else 'written'}.")
    if found.readers:
        echo(f"Read by {', '.join(found.readers)}, when a task starts.")
    if found.sign_ins:
        echo(f"Written to the load balancer for {', '.join(found.sign_ins)} by the controller or the next apply.")
    for reader in found.readers:
        kind, _, service = reader.partition("/")
        if kind == "service" and reader not in found.pinned:
            echo(f"Run `reconciler restart {service}` for tasks that are running.")
    for reader in found.pinned:
        echo(f"{reader} reads a certain version: change its reference in the specs.")
    return Exit.DONE
