"""The command line: which verbs there are, and how every one of them ends.

A verb's module is imported when the verb is called and not before: `--help` and shell completion load neither pydantic
nor boto3.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import sys
from typing import Any, NoReturn

import click

from reconciler import __version__, errors
from reconciler.cli.exits import HELP, Exit

click.UsageError.exit_code = Exit.USAGE  # Click's own 2 would read as "changes pending"

COMMANDS = {
    "validate": ("reconciler.cli.authoring", "Check the specs; asks AWS nothing."),
    "render": ("reconciler.cli.authoring", "Show the AWS resources that the specs ask for."),
    "diff": ("reconciler.cli.changing", "Show what apply would do; changes nothing."),
    "apply": ("reconciler.cli.changing", "Make AWS what the specs say."),
    "destroy": ("reconciler.cli.changing", "Delete everything that the stack owns."),
    "run": ("reconciler.cli.running", "Keep AWS equal to the specs: the loop."),
    "reconcile": ("reconciler.cli.poking", "Poke the loop: it looks at everything now."),
    "status": ("reconciler.cli.status", "Show where every service stands."),
    "promote": ("reconciler.cli.acting", "Let the new version into production now."),
    "rollback": ("reconciler.cli.acting", "Go back to the version before; traffic first."),
    "abort": ("reconciler.cli.acting", "Stop the rollout that is under way, and go back."),
    "hold": ("reconciler.cli.acting", "Stop the clock of a promotion."),
    "extend": ("reconciler.cli.acting", "Give the phase that it is in more time."),
    "finish": ("reconciler.cli.acting", "Let the version before go now."),
    "retry": ("reconciler.cli.acting", "Try a version again that failed or was rolled back."),
    "suspend": ("reconciler.cli.acting", "Leave a service alone until `resume`."),
    "resume": ("reconciler.cli.acting", "Go on after `pause`."),
    "tree": ("reconciler.cli.reading", "Show the stack as a tree, and what runs where."),
    "events": ("reconciler.cli.reading", "Show what happened to a service."),
    "logs": ("reconciler.cli.listening", "Show what a service's tasks say, or said."),
    "history": ("reconciler.cli.reading", "Show a service's releases and how they fared."),
    "simulate": ("reconciler.cli.simulating", "Show when a rollout would do what; asks AWS nothing."),
    "iam-policy": ("reconciler.cli.policy", "Print the least that the operator has to be allowed."),
    "bootstrap": ("reconciler.cli.bootstrap", "Make the operator: a Fargate task that keeps the specs enforced."),
    "schema": ("reconciler.cli.reference", "Print the JSON Schema of the specs, for editors."),
    "explain": ("reconciler.cli.reference", "Explain a rule: reconciler explain E1102."),
    "completion": ("reconciler.cli.reference", "Print the shell completion script."),
    "demo": ("reconciler.cli.demo", "See it work on this machine, without an AWS account."),
    "local": ("reconciler.cli.local", "The laptop AWS: up, push, urls, fault."),
    "version": ("reconciler.cli.reference", "Print the version."),
}

Resolved = tuple[str | None, click.Command | None, list[str]]


class Lazy(click.Group):
    """A group that knows its commands' names and one-liners, and imports a command only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, n=1, cutoff=0.7)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(error.message + hint, ctx) from error


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]}, epilog=HELP)
@click.version_option(__version__, prog_name="reconciler")
def cli() -> None:
    """Keeps an AWS ECS account equal to a folder of YAML."""


COLLECT = (300_000, 20, 20)
"""How rarely to look for garbage that goes in circles. There is little, and Python's own 700 costs a twentieth of the
CPU of a pass."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code; every expected error is one line on stderr."""
    gc.set_threshold(*COLLECT)
    atexit.register(gc.freeze)  # memory goes with the process: no need to look through all of it for circles first
    try:
        result: Any = cli.main(args=arguments, prog_name="reconciler", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        sys.exit(Exit.INTERRUPTED)
    except errors.Refused as error:
        click.echo(f"blocked ({error.code}): {error}", err=True)
        sys.exit(Exit.BLOCKED)
    except errors.Denied as error:
        from reconciler.cli.denied import explain

        click.echo(explain(error), err=True)
        sys.exit(Exit.FAILED)
    except errors.ReconcilerError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(Exit.FAILED)
    except BrokenPipeError:
        # whoever read our output has seen enough
        sys.stderr.close()
        sys.exit(Exit.FAILED)
    sys.exit(result if isinstance(result, int) else Exit.DONE)
