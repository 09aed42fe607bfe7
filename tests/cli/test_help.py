"""`help` and `plan`: what other tools have taught people to type."""

from __future__ import annotations

import click

from reconciler.cli.main import cli
from reconciler.cli.output.exits import Exit
from tests.cli.cli_runner import Typed
from tests.harness.cli import run


def test_help_is_that_of_the_option() -> None:
    """Of all commands, and of one, by its own name."""
    assert run("help").out == run("--help").out
    for command in ("apply", "plan", "import", "help"):
        ran = run("help", command)
        assert (ran.code, ran.out) == (Exit.DONE, run(command, "--help").out)
        assert f"Usage: reconciler {command}" in ran.out


def test_help_of_what_is_no_command_names_a_near_one() -> None:
    """Exit 64, as for any other mistake in what is typed."""
    ran = run("help", "aply")
    assert (ran.code, "Did you mean 'apply'?" in ran.err) == (Exit.USAGE, True)


def test_the_options_for_help_are_the_same_whoever_asks_first() -> None:
    """Also outside a command line, such as for a line of a guide."""
    command = cli.get_command(click.Context(cli), "schema")
    assert command is not None
    with command.make_context("schema", []) as context:
        assert context.help_option_names == ["-h", "--help"]


def test_plan_is_diff(type_: Typed) -> None:
    """The same output and exit code."""
    ran, known = type_("plan"), type_("diff")
    assert (ran.out, ran.code) == (known.out, known.code)
