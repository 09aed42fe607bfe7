"""YAML tree with the position of every key and value, from which documents are validated."""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from reconciler.spec.scalar import Written

Path: TypeAlias = Items[str | int]
"""From a document's root to a value: field names and list positions."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A stretch of one line of a spec file. Lines and columns count from 1; `end_column` is the first one after it."""

    file: str
    line: int
    column: int
    end_column: int

    @property
    def place(self) -> str:
        """specs/network.yaml:14"""
        return f"{self.file}:{self.line}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(slots=True, eq=False)
class Node:
    """A value somewhere in a file. `size` counts the values in it, itself included, aliases expanded."""

    file: str
    line: int
    column: int
    end_column: int
    size: int = 1

    @property
    def position(self) -> Position:
        return Position(self.file, self.line, self.column, max(self.end_column, self.column + 1))


@dataclass(slots=True, eq=False)
class Scalar(Node):
    text: str = ""
    value: str | Written | None = None


@dataclass(slots=True, eq=False)
class Entry:
    key: Scalar
    value: Node


@dataclass(slots=True, eq=False)
class Mapping(Node):
    entries: dict[str, Entry] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """The text of a field; None where the field is absent or holds something else."""
        entry = self.entries.get(name)
        return entry.value.text if entry is not None and isinstance(entry.value, Scalar) and entry.value.text else None


@dataclass(slots=True, eq=False)
class Sequence(Node):
    items: list[Node] = field(default_factory=list)


def plain(node: Node) -> Any:
    """The tree as Python values; scalars that are numbers or truth values stay `Written`."""
    match node:
        case Scalar():
            return node.value
        case Mapping():
            return {name: plain(entry.value) for name, entry in node.entries.items()}
        case Sequence():
            return [plain(item) for item in node.items]
    raise AssertionError(node)


def locate(root: Node, path: Path, *, key: bool = False) -> Position:
    """The place of the value at `path`, or of its key; where the path ends early, of the nearest value round it.

    A scalar is its own place. A mapping or list over several lines is pointed to by its key, which is where a person
    looks for it.
    """
    node: Node = root
    entry: Entry | None = None
    for step in path:
        if isinstance(node, Mapping) and isinstance(step, str) and step in node.entries:
            entry = node.entries[step]
            node = entry.value
        elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node, entry = node.items[step], None
        else:
            key = False
            break
    empty = isinstance(node, Scalar) and not node.text
    if entry is not None and (key or empty or not isinstance(node, Scalar)):
        return entry.key.position
    return node.position
