"""Check the specs without contacting AWS."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from reconciler.cli import options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, look_of, say


@click.command()
@options.specs
@options.output("text", "json", "markdown", "github", "sarif", "junit")
@options.color
def validate(folder: Path | None, environment: str | None, output: str, color: str) -> int:
    """Check the specs and report every error in every file. AWS is not contacted."""
    started = time.monotonic()
    from reconciler.spec.load import load
    from reconciler.spec.reports import FORMATS, report
    from reconciler.spec.reports.text import text

    specs = load(options.find_specs(folder), environment)
    found = report(specs, seconds=time.monotonic() - started)
    if output == "text":
        look = look_of(sys.stdout, color)
        say(text(found, paint=look.paint), look, nl=False, whole=True)
    else:
        echo(FORMATS[output](found), nl=False, commands=output == "github")
    return Exit.DONE if specs.ok else Exit.FAILED
