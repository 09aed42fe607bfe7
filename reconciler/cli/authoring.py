"""validate, render: what can be said of the specs without asking AWS anything."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from reconciler.cli import options
from reconciler.cli.exits import Exit
from reconciler.cli.terminal import look_of, say

UNKNOWN_ACCOUNT = "000000000000"


@click.command()
@options.specs
@options.output("text", "json", "markdown", "github", "sarif", "junit")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="When to use colour.")
def validate(folder: Path | None, environment: str | None, output: str, color: str) -> int:
    """Check the specs: every error of every file at once. Nothing is sent to AWS."""
    started = time.monotonic()
    from reconciler.spec.load import load
    from reconciler.spec.reports import FORMATS, report
    from reconciler.spec.reports.text import text

    specs = load(options.find_specs(folder), environment)
    found = report(specs, seconds=time.monotonic() - started)
    if output == "text":
        look = look_of(sys.stdout, color)
        click.echo(text(found, color=look.color), color=look.color, nl=False)
    else:
        click.echo(FORMATS[output](found), nl=False)
    return Exit.DONE if specs.ok else Exit.FAILED


@click.command()
@options.specs
@options.output("text", "json")
@click.option("--account", metavar="ID", help="The account to put into ARNs, where the Stack names none.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="When to use colour.")
def render(folder: Path | None, environment: str | None, output: str, account: str | None, color: str) -> int:
    """Show the AWS resources that the specs ask for, one after the other. Nothing is sent to AWS."""
    from reconciler.cli.connect import load_specs
    from reconciler.cli.views.plan_json import FORMAT_VERSION, dumps
    from reconciler.cli.views.values import flat, show
    from reconciler.model.diff import declared
    from reconciler.spec.compile import compile_specs

    _, specs = load_specs(folder, environment, color=color)
    assert specs.stack is not None
    wanted = compile_specs(specs, account=account or specs.stack.account or UNKNOWN_ACCOUNT)
    if output == "json":
        resources: list[dict[str, Any]] = [
            {
                "address": str(want.address),
                "where": want.where,
                "spec": declared(want.spec),
                "tags": dict(want.tags),
                "after": sorted(str(need) for need in want.refs() | want.after),
            }
            for want in wanted
        ]
        click.echo(dumps({"format_version": FORMAT_VERSION, "stack": specs.stack.name, "resources": resources}))
        return Exit.DONE
    look = look_of(sys.stdout, color)
    for want in wanted:
        say(look.paint(f"{want.address}".ljust(44), "bold") + look.paint(want.where, "dim"), look)
        for name, value in flat(declared(want.spec)):
            click.echo(f"    {name}  {show(value, {})}")
    click.echo(f"\n{len(wanted)} resources.", err=True)
    return Exit.DONE
