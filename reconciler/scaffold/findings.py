"""Reading of a file that a person wrote for another tool: typed access to its YAML tree, with positions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from reconciler import errors
from reconciler.spec.diagnostics import did_you_mean
from reconciler.spec.messages import described, shown
from reconciler.spec.node import Entry, Mapping, Node, Position, Scalar, Sequence
from reconciler.spec.node import plain as plain_value

MOST: Final = 10
"""Problems that are reported together."""


@dataclass(slots=True)
class Findings:
    """What is wrong with a file. Reading goes on after a problem, so that all of them are reported together."""

    problems: list[tuple[Position, str]] = field(default_factory=list)

    def add(self, place: Node, message: str) -> None:
        self.problems.append((place.position, message))

    def raise_any(self) -> None:
        """Raises `errors.SpecInvalid` if anything was wrong."""
        if not self.problems:
            return
        found = sorted(dict.fromkeys(self.problems))
        rest = f"; and {len(found) - MOST} more" if len(found) > MOST else ""
        raise errors.SpecInvalid("; ".join(f"{place}: {message}" for place, message in found[:MOST]) + rest)

    def text(self, node: Node, what: str) -> str:
        """The text of a scalar; empty where it is none."""
        if isinstance(node, Scalar):
            return node.text
        self.add(node, f"{what}: expected text, found {described(plain_value(node))}")
        return ""

    def items(self, node: Node, what: str) -> list[Node]:
        if isinstance(node, Sequence):
            return node.items
        if not _empty(node):
            self.add(node, f"{what}: expected a list, found {described(plain_value(node))}")
        return []

    def mapping(self, node: Node, what: str) -> dict[str, Entry]:
        if isinstance(node, Mapping):
            return node.entries
        if not _empty(node):
            self.add(node, f"{what}: expected a mapping, found {described(plain_value(node))}")
        return {}

    def known(self, entries: dict[str, Entry], names: frozenset[str], what: str) -> Iterator[tuple[str, Node]]:
        """Fields with their values; unknown ones are problems, but for extensions."""
        for name, entry in entries.items():
            if name.startswith("x-"):
                continue
            if name not in names:
                hint = did_you_mean(name, sorted(names))
                self.add(entry.key, f"unknown field {shown(name)} in {what}{f'; {hint}' if hint else ''}")
                continue
            yield name, entry.value


def _empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None
