"""Print a shell completion script."""

from __future__ import annotations

import click

from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the completion script for SHELL.

    To load it: eval "$(reconciler completion bash)".
    """
    from click.shell_completion import get_completion_class

    from reconciler.cli.main import cli

    completion_class = get_completion_class(shell)
    assert completion_class is not None, "click supports the shells that the argument allows"
    echo(completion_class(cli, {}, "reconciler", "_RECONCILER_COMPLETE").source())
    return Exit.DONE
