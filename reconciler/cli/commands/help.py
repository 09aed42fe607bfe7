"""Show the help of a command, or the list of all commands."""

from __future__ import annotations

import click

from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo


@click.command()
@click.argument("command", required=False)
def help(command: str | None) -> int:
    """Show the help of COMMAND, or the list of all commands."""
    from reconciler.cli.main import cli

    context = click.get_current_context().find_root()
    if command is None:
        echo(cli.get_help(context))
        return Exit.DONE
    name, found, _ = cli.resolve_command(context, [command])
    assert found is not None, "resolve_command raises for a command that there is not"
    with click.Context(found, info_name=name, parent=context) as inner:
        echo(found.get_help(inner))
    return Exit.DONE
