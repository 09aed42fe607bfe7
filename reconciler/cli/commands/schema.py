"""Print the JSON Schema of the specs, for editors."""

from __future__ import annotations

import click

from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo


@click.command()
def schema() -> int:
    """Print the JSON Schema of the specs (draft 2020-12), for completion and checks in editors."""
    from reconciler.cli.output.plan_json import dumps
    from reconciler.spec.schema import json_schema

    echo(dumps(json_schema()))
    return Exit.DONE
