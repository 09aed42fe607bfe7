"""Print the JSON Schema of the specs, for editors."""

from __future__ import annotations

import click

from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo


@click.command()
@click.option(
    "--partial", is_flag=True, help="Of the partial documents of environments: fields may be missing or null."
)
def schema(partial: bool) -> int:
    """Print the JSON Schema of the specs (draft 2020-12), for completion and checks in editors."""
    from reconciler.cli.output.plan_json import dumps
    from reconciler.spec.schema import json_schema, partial_schema

    whole = json_schema()
    echo(dumps(partial_schema(whole) if partial else whole))
    return Exit.DONE
