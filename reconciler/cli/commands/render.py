"""Print the AWS resources that the specs define."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from reconciler.cli import options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, look_of, say

UNKNOWN_ACCOUNT = "000000000000"


@click.command()
@options.specs
@options.output("text", "json")
@click.option("--account", metavar="ID", help="Account for ARNs, if the Stack names none.")
@options.color
def render(folder: Path | None, environment: str | None, output: str, account: str | None, color: str) -> int:
    """Print the AWS resources that the specs define. AWS is not contacted."""
    from reconciler.cli.output.plan_json import FORMAT_VERSION, dumps
    from reconciler.cli.output.values import flat, show
    from reconciler.cli.session import load_specs
    from reconciler.model.diff import declared
    from reconciler.spec.compile import compile_specs

    _, specs = load_specs(folder, environment, color=color)
    assert specs.stack is not None
    desired = compile_specs(specs, account=account or specs.stack.account or UNKNOWN_ACCOUNT)
    if output == "json":
        resources: list[dict[str, Any]] = [
            {
                "address": str(resource.address),
                "where": resource.where,
                "spec": declared(resource.spec),
                "tags": dict(resource.tags),
                "after": sorted(str(need) for need in resource.refs() | resource.after),
            }
            for resource in desired
        ]
        echo(dumps({"format_version": FORMAT_VERSION, "stack": specs.stack_id, "resources": resources}))
        return Exit.DONE
    look = look_of(sys.stdout, color)
    for resource in desired:
        say(look.paint(f"{resource.address}".ljust(44), "bold") + look.paint(resource.where, "dim"), look)
        for name, value in flat(declared(resource.spec)):
            echo(f"    {name}  {show(value, {})}")
    echo(f"\n{len(desired)} resources", err=True)
    return Exit.DONE
