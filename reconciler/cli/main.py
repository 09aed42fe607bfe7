"""Command line: finds the commands, and turns every error into a message and an exit code.

A command is a module in `commands/` with the command's name: `iam-policy` is `commands/iam_policy.py`, and the object
of that name in it; that of a keyword of Python has an underscore after it. The first line of its docstring is the line
in `--help`. A module is imported when its command is called: `--help` and shell completion load neither pydantic nor
boto3.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import keyword
import os
import sys
from typing import Any, NoReturn

import click

from reconciler import __version__, errors
from reconciler.cli import commands, streams
from reconciler.cli.output.exits import HELP, Exit
from reconciler.cli.output.terminal import broken, echo, look_of

click.UsageError.exit_code = Exit.USAGE  # Click's own 2 would read as "changes pending"

FOLDER = os.path.dirname(os.path.abspath(commands.__file__))
LINE = 120
"""No line of the code is longer."""
COMMANDS = tuple(
    sorted(
        name.removesuffix(".py").rstrip("_").replace("_", "-")
        for name in os.listdir(FOLDER)
        if name.endswith(".py") and not name.startswith("_")
    )
)


HELP_OPTIONS = ["-h", "--help"]


def module_of(name: str) -> str:
    """The module of a command, and the object in it: `import` is `import_`, and `exec` is `exec_`."""
    return f"{name}_" if keyword.iskeyword(name) or name == "exec" else name.replace("-", "_")


def short_help(name: str) -> str:
    """The first line of the docstring of a command's module, read without importing it."""
    with open(f"{FOLDER}/{module_of(name)}.py", "rb", buffering=0) as file:  # `--help` reads all of them
        return file.read(LINE).partition(b"\n")[0].decode().strip('"')


class CommandGroup(click.Group):
    """Command group that imports a command only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = module_of(cmd_name)
        command: click.Command = getattr(importlib.import_module(f"reconciler.cli.commands.{module}"), module)
        command.context_settings.setdefault("help_option_names", HELP_OPTIONS)  # click keeps what the first context has
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, short_help(name)) for name in COMMANDS])

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


@click.group(cls=CommandGroup, context_settings={"help_option_names": HELP_OPTIONS}, epilog=HELP)
@click.version_option(__version__, prog_name="reconciler")
def cli() -> None:
    """Reconcile AWS ECS infrastructure and deployments with a folder of YAML specs."""


COLLECT = (300_000, 20, 20)
"""Thresholds of the garbage collector. There are few reference cycles, and Python's default of 700 costs a twentieth of
the CPU of a pass."""


ELSEWHERE = {"--yes": "--auto-approve", "--env": "--environment"}
"""Options of Copilot and the AWS tools, and what they are called here."""

EMULATOR = ("reconciler.local", "moto", "werkzeug", "aiohttp", "cbor2")
"""Modules that only the local AWS emulator needs. The production image has none of them."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command and exit with its code; every expected error is one line on stderr.

    Without `arguments` it is those of the process. If that was ended by a signal, it does not wait for its threads, as
    Python does: one of them may still talk to AWS.
    """
    gc.set_threshold(*COLLECT)
    atexit.register(gc.freeze)  # the process ends: no need to search all of its memory for cycles first
    streams.prepare()
    code = streams.finish(_run(arguments))
    if arguments is None and code in (Exit.TERMINATED, Exit.INTERRUPTED):
        os._exit(code)
    sys.exit(code)


def _run(arguments: list[str] | None) -> int:
    try:
        result: Any = cli.main(args=arguments, prog_name="reconciler", standalone_mode=False)
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption) and error.ctx is not None:
            ours = ELSEWHERE.get(error.option_name)
            if ours and any(ours in parameter.opts for parameter in error.ctx.command.params):
                error = click.NoSuchOption(
                    error.option_name, f"{error.message} (Did you mean {ours!r}?)", ctx=error.ctx
                )
        shown = io.StringIO()
        error.show(shown)
        return _failed(shown.getvalue().removesuffix("\n"), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _failed("interrupted", Exit.INTERRUPTED)
    except errors.Refused as error:
        return _failed(f"blocked ({error.code}): {error}", Exit.BLOCKED)
    except errors.Denied as error:
        from reconciler.cli.output.denied import explain

        return _failed(explain(error))
    except errors.ReconcilerError as error:
        return _failed(f"error: {error}")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(EMULATOR):
            raise
        return _failed(
            f"error: {error.name} is not installed; `demo` and `local` need the local AWS emulator (the extra `local`)"
        )
    except BrokenPipeError:
        return Exit.FAILED  # the reader of our output has closed it
    except OSError as error:
        return _failed(f"error: {streams.said(error)}")
    return result if isinstance(result, int) else Exit.DONE


def _failed(text: str, code: int = Exit.FAILED) -> int:
    columns = look_of(sys.stderr).columns
    if columns is not None and (code == Exit.USAGE or "\n" not in text):
        text = "\n".join("\n".join(broken(line, columns)) for line in text.split("\n"))
    streams.complain(lambda: echo(text, err=True))
    return code
