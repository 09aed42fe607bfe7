"""Write what Terraform or CloudFormation needs to take over the stack."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo
from reconciler.cli.session import Stack, with_stack


@click.command()
@click.argument("tool", type=click.Choice(["terraform", "cloudformation"]))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("export"), show_default=True,
              metavar="FOLDER", help="Folder for the files, none of which may exist.")  # fmt: skip
@options.specs_option
@options.output("text", "json")
@with_stack
def export(stack: Stack, tool: str, out: Path, output: str) -> int:
    """Write what TOOL needs to take over everything that the stack owns: import blocks for Terraform, or a template and
    the resources to import for CloudFormation. Writes nothing to AWS.
    """
    from reconciler.cli.output.plan_json import FORMAT_VERSION, dumps
    from reconciler.exporting import cloudformation, terraform
    from reconciler.exporting.owned import left_behind, owned
    from reconciler.reconcile.observe import observe
    from reconciler.scaffold.writing import write_new

    target, name = stack.target, stack.target.place.stack
    observed = observe(stack.aws, stack.kinds, target.place, target.desired)
    if observed.unreadable:
        kind, error = min(observed.unreadable.items())
        raise errors.ReconcilerError(f"cannot read {kind}: {error}; nothing was written")
    resources = owned(stack.kinds, observed, name)
    if not resources:
        raise errors.ReconcilerError(f"the stack {name} owns nothing in this account and region")
    if tool == "terraform":
        blocks = terraform.import_blocks(stack.kinds, resources, name, target.place.region)
        files = {out / terraform.FILE: blocks}
    else:
        template, listed = cloudformation.template_and_resources(stack.kinds, resources, name)
        files = {out / cloudformation.TEMPLATE: template, out / cloudformation.RESOURCES: listed}
    write_new(files)
    left = [(str(address), why) for address, why in left_behind(stack.kinds, resources, tool)]
    written = [path.as_posix() for path in files]
    if output == "json":
        echo(
            dumps(
                {
                    "format_version": FORMAT_VERSION,
                    "stack": name,
                    "files": written,
                    "resources": [str(one.address) for one in resources],
                    "left_behind": [{"address": address, "because": why} for address, why in left],
                }
            )
        )
        return Exit.DONE
    echo(f"{len(resources)} resources of the stack {name}, written to {', '.join(written)}.")
    for address, why in left:
        echo(f"{address}: {why}", err=True)
    return Exit.DONE
