"""What the commands that go inside a service share: which container, and an exit code that is the command's own.

The exit code of a command in a task is passed through, so that failures of our own have one that programs leave to
those who run them (`Exit.NOT_RUN`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, TypeVar, cast

import click

from reconciler import errors
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo

F = TypeVar("F", bound=Callable[..., Any])


def passes_exit_code(function: F) -> F:
    """A command whose expected errors exit with `Exit.NOT_RUN`: any other code may be that of what it ran."""

    @functools.wraps(function)
    def command(*arguments: Any, **keywords: Any) -> Any:
        try:
            return function(*arguments, **keywords)
        except errors.Denied as error:
            from reconciler.cli.output.denied import explain

            echo(explain(error), err=True)
        except errors.ReconcilerError as error:
            echo(f"error: {error}", err=True)
        except BrokenPipeError:
            raise
        except OSError as error:  # of this machine, such as a port that is taken
            echo(f"error: {error.strerror or error}", err=True)
        return Exit.NOT_RUN

    return cast(F, command)


def chosen_container(name: str | None, known: Iterable[str], preferred: Iterable[str]) -> str:
    """`name`, else the first of `preferred` that there is. Raises `click.UsageError` for one that there is not."""
    several = tuple(known)
    if name is None:
        return next((one for one in preferred if one in several), several[0])
    if name not in several:
        close = get_close_matches(name, several, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"The tasks have: {', '.join(several)}."
        raise click.UsageError(f"no container {name!r}. {hint}")
    return name


def pairs(several: Iterable[str]) -> dict[str, str]:
    """`K=V`, of options. Raises `click.BadParameter`."""
    found = {}
    for text in several:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--env")
        found[name] = value
    return found
