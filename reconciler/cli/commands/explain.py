"""Explain a validation rule, or a field or a kind of the specs."""

from __future__ import annotations

import re
from textwrap import indent
from typing import TYPE_CHECKING, Final

import click

from reconciler.cli import completions
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo

if TYPE_CHECKING:
    from reconciler.spec.documents import Block
    from reconciler.spec.reference import Field

RULE: Final = re.compile(r"[EW]\d*", re.IGNORECASE)


@click.command()
@click.argument("subject", metavar="[RULE | FIELD]", required=False, shell_complete=completions.subjects)
def explain(subject: str | None) -> int:
    """Explain RULE, a rule of `validate` such as E1102, or FIELD, a field or a kind of the specs such as
    Service.task.cpu, with examples. Without an argument, list all rules."""
    if subject is None or RULE.fullmatch(subject):
        return _rule(subject)
    return _field(tuple(subject.split(".")))


def _rule(rule: str | None) -> int:
    from reconciler.spec.rules import catalogue

    rules = catalogue()
    if rule is None:
        for name, entry in sorted(rules.items()):
            echo(f"{name}  {entry.title}")
        return Exit.DONE
    if rule.upper() not in rules:
        raise click.UsageError(f"no rule {rule!r}.{_close(rule.upper(), list(rules), cutoff=0.5)}")
    entry = rules[rule.upper()]
    echo(f"{entry.id}: {entry.title}\n\n{entry.why.strip()}")
    for title, example in (("Wrong", entry.bad), ("Right", entry.good)):
        if example:
            echo(f"\n{title}:\n" + indent(example.strip(), "    "))
    if entry.source:
        echo(f"\nSource: {entry.source}")
    return Exit.DONE


def _field(path: tuple[str, ...]) -> int:
    from reconciler.spec import reference
    from reconciler.spec.documents import KINDS

    kind = next((one for one in KINDS if one.lower() == path[0].lower()), None)
    if kind is None:
        close = _close(path[0], list(KINDS))
        raise click.UsageError(f"no rule, kind or field {'.'.join(path)!r}.{close}")
    if len(path) == 1:
        _tell_block(KINDS[kind], (kind,), kind)
        return Exit.DONE
    found = reference.find((kind, *path[1:]))
    if found is None:
        known, missing, others = reference.nearest((kind, *path[1:]))
        raise click.UsageError(f"{'.'.join(known)} has no field {missing!r}.{_close(missing, others)}")
    _tell_field(found)
    return Exit.DONE


def _close(text: str, known: list[str], cutoff: float = 0.6) -> str:
    from difflib import get_close_matches

    close = get_close_matches(text, known, n=1, cutoff=cutoff)
    return f" Did you mean {close[0]!r}?" if close else ""


def _tell_field(field: Field) -> None:
    from reconciler.spec import effects, reference

    name = ".".join(reference.plain(field.path))
    echo(f"{name}\n\n{field.description}\n")
    rows = {"type": ", ".join(part for part in (field.form, field.limits) if part)}
    if field.required:
        rows["required"] = "yes"
    if field.default:
        rows["default"] = field.default
    if not field.inner and field.name not in ("kind", "aws"):
        rows["a change"] = ", ".join(effects.effects(field)) or "is valid only with changes of other fields"
    for title, text in rows.items():
        echo(f"{title:<10}{text}")
    for _, block in field.inner:
        echo(f"\nFields of {block.__name__}:")
        _list(block, field.path)
    _show(effects.example(field))


def _tell_block(block: type[Block], at: tuple[str, ...], title: str) -> None:
    from reconciler.spec import effects

    echo(f"{title}\n\n{' '.join((block.__doc__ or '').split())}\n")
    _list(block, at)
    _show(effects.example_of(at, [name for name in block.model_fields if name != "tags"]))


def _list(block: type[Block], at: tuple[str, ...]) -> None:
    from reconciler.spec import reference

    fields = list(reference.fields_of(block, at))
    width = max(len(one.name) for one in fields)
    for one in fields:
        echo(f"  {one.name:<{width}}  {one.form}{' (required)' if one.required else ''}")


def _show(example: dict[str, object] | None) -> None:
    if example is not None:
        import yaml

        echo("\nExample:\n" + indent(yaml.safe_dump(example, sort_keys=False, width=100).rstrip(), "    "))
