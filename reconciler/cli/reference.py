"""schema, explain, completion, version: what the tool knows about itself."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from textwrap import indent

import click

from reconciler import __version__
from reconciler.cli.exits import Exit

LIBRARIES = ("boto3", "botocore", "pydantic", "PyYAML", "deepdiff", "click")


@click.command()
def schema() -> int:
    """Print the JSON Schema of the specs (draft 2020-12): editors then check while you type."""
    from reconciler.cli.views.plan_json import dumps
    from reconciler.spec.schema import json_schema

    click.echo(dumps(json_schema()))
    return Exit.DONE


@click.command()
@click.argument("rule", required=False)
def explain(rule: str | None) -> int:
    """Explain a rule of `validate`, with an example; without RULE, list them all."""
    from difflib import get_close_matches

    from reconciler.spec.rules import catalogue

    rules = catalogue()
    if rule is None:
        for name, known in sorted(rules.items()):
            click.echo(f"{name}  {known.title}")
        return Exit.DONE
    if rule.upper() not in rules:
        close = get_close_matches(rule.upper(), rules, n=1, cutoff=0.5)
        raise click.UsageError(f"no rule {rule!r}" + (f"; did you mean {close[0]}?" if close else ""))
    found = rules[rule.upper()]
    click.echo(f"{found.id}: {found.title}\n\n{found.why.strip()}")
    for title, example in (("Wrong", found.bad), ("Right", found.good)):
        if example:
            click.echo(f"\n{title}:\n" + indent(example.strip(), "    "))
    if found.source:
        click.echo(f"\nSource: {found.source}")
    return Exit.DONE


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the completion script: eval "$(reconciler completion bash)"."""
    from click.shell_completion import get_completion_class

    from reconciler.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None, "click knows the shells that the argument allows"
    click.echo(found(cli, {}, "reconciler", "_RECONCILER_COMPLETE").source())
    return Exit.DONE


@click.command()
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def version(output: str) -> int:
    """Print the version, and those of what it stands on."""
    stands_on = {name: metadata.version(name) for name in LIBRARIES}
    if output == "json":
        from reconciler.cli.views.plan_json import dumps

        click.echo(dumps({"reconciler": __version__, "python": platform.python_version(), **stands_on}))
        return Exit.DONE
    click.echo(f"reconciler {__version__}")
    click.echo(f"Python {platform.python_version()} on {sys.platform}", err=True)
    click.echo(", ".join(f"{name} {number}" for name, number in stands_on.items()), err=True)
    return Exit.DONE
