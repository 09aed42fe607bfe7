"""Explain a validation rule."""

from __future__ import annotations

from textwrap import indent

import click

from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo


@click.command()
@click.argument("rule", required=False)
def explain(rule: str | None) -> int:
    """Explain RULE, a rule of `validate` such as E1102, with examples. Without RULE, list all rules."""
    from difflib import get_close_matches

    from reconciler.spec.rules import catalogue

    rules = catalogue()
    if rule is None:
        for name, entry in sorted(rules.items()):
            echo(f"{name}  {entry.title}")
        return Exit.DONE
    if rule.upper() not in rules:
        close = get_close_matches(rule.upper(), rules, n=1, cutoff=0.5)
        raise click.UsageError(f"no rule {rule!r}." + (f" Did you mean {close[0]!r}?" if close else ""))
    entry = rules[rule.upper()]
    echo(f"{entry.id}: {entry.title}\n\n{entry.why.strip()}")
    for title, example in (("Wrong", entry.bad), ("Right", entry.good)):
        if example:
            echo(f"\n{title}:\n" + indent(example.strip(), "    "))
    if entry.source:
        echo(f"\nSource: {entry.source}")
    return Exit.DONE
