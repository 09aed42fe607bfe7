"""Print the version."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

import click

from reconciler import __version__
from reconciler.cli import build, options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo

LIBRARIES = ("boto3", "botocore", "pydantic", "PyYAML", "deepdiff", "click")


@click.command()
@options.output("text", "json")
def version(output: str) -> int:
    """Print the version of reconciler and the commit it was built from, and those of Python and its main libraries."""
    built = build.revision()
    libraries = {name: metadata.version(name) for name in LIBRARIES}
    if output == "json":
        from reconciler.cli.output.plan_json import dumps

        python = platform.python_version()
        echo(dumps({"reconciler": __version__, "revision": built, "python": python, **libraries}))
        return Exit.DONE
    echo(f"reconciler {__version__}" + (f" ({built[:12]})" if built else ""))
    echo(f"Python {platform.python_version()} on {sys.platform}", err=True)
    echo(", ".join(f"{name} {number}" for name, number in libraries.items()), err=True)
    return Exit.DONE
