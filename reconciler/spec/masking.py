"""Source lines without secrets: what is below a field whose name is a secret's, however the value is written.

A line alone shows neither that it goes on with the value of a field above it, nor what a list or mapping in it is for.
So the file is read as YAML, as far as it can be. A line from which that breaks off is judged by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from reconciler.model import secrecy
from reconciler.spec.parse import DEEPEST, TAG_DIRECTIVE

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FIELD: Final = re.compile(r"""(["']?)([A-Za-z_][A-Za-z0-9_.-]{2,60})\1[ \t]*:[ \t]*""", re.ASCII)
_BLOCK_STYLES: Final = ("|", ">")


@dataclass(slots=True)
class _Level:
    """A list or mapping that is being read: its own name, and in a mapping the key whose value comes next."""

    name: str
    mapping: bool
    is_key: bool = False
    key: str | None = None
    scalars: dict[str, Any] = field(default_factory=dict)
    """By their keys, among them those of `{name: DB_PASSWORD, value: …}`, as task definitions have a variable."""


def masked_lines(lines: list[str]) -> list[str]:
    """Every character keeps its line and column."""
    text = ["".join(c if c.isprintable() or c == "\t" else " " for c in line) for line in lines]  # else YAML ends there
    refused = next((number for number, line in enumerate(text) if TAG_DIRECTIVE.match(line)), len(text))
    done, read = [*lines[:refused], *map(_judged, lines[refused:])], 0
    try:
        for event, hidden in _scalars("\n".join(text[:refused])):
            read = max(read, event.end_mark.line)
            if hidden:
                _hide(done, event)
    except yaml.YAMLError:
        done[read:refused] = map(_judged, done[read:refused])
    return done


def _scalars(text: str) -> Iterator[tuple[Any, bool]]:
    """Every value, and whether it is masked; of a pair the value comes once more when both are known.

    Ends where the parser of specs does: libyaml's time grows with the square of the depth.
    """
    levels = [_Level("", mapping=False)]
    for event in yaml.parse(text, Loader=_Loader):
        if len(levels) > DEEPEST:
            raise yaml.YAMLError("nested too deep")
        top = levels[-1]
        key = top.mapping and top.key is None
        if isinstance(event, yaml.CollectionStartEvent):
            levels.append(_Level(top.key or "", isinstance(event, yaml.MappingStartEvent), key))
        elif isinstance(event, yaml.CollectionEndEvent):
            levels.pop()
            levels[-1].key = "" if top.is_key else None
        elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent) and key:
            top.key = getattr(event, "value", "")
        elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            if isinstance(event, yaml.ScalarEvent):
                yield event, _secret([*(level.name for level in levels), top.key or ""], event)
                top.scalars[(top.key or "").lower()] = event
                name, value = top.scalars.get("name"), top.scalars.get("value")
                if name is not None and value is not None and event in (name, value):
                    yield value, _secret([name.value], value)
            top.key = None


def _secret(names: list[str], event: Any) -> bool:
    return any(secrecy.secret(name, event.value) for name in names)


def _hide(lines: list[str], event: Any) -> None:
    start, end = event.start_mark, event.end_mark
    first = start.line + (event.style in _BLOCK_STYLES)  # the line of its key has nothing of it
    for number in range(first, min(end.line, len(lines) - 1) + 1):
        line = lines[number]
        left = start.column if number == start.line else len(line) - len(line.lstrip())
        right = end.column if number == end.line else len(line)
        lines[number] = line[:left] + "*" * max(right - left, 0) + line[max(left, right) :]


def _judged(line: str) -> str:
    """From the value of the first field that has the name of a secret to the end."""
    starts = (found.end() for found in _FIELD.finditer(line) if secrecy.secret(found[2], line[found.end() :]))
    start = next(starts, len(line))
    return line[:start] + "*" * (len(line) - start)
