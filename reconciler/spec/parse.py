"""YAML parser that keeps positions, with limits, without tags, and without duplicate keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from reconciler.spec import hidden, placeholders
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.messages import shown
from reconciler.spec.node import Entry, Mapping, Node, Position, Scalar, Sequence
from reconciler.spec.scalar import resolve

DEEPEST = 50
MOST_VALUES = 50_000
"""In all files together, aliases expanded."""
_MOST_FINDINGS = 100
_CORE = "tag:yaml.org,2002:"
_BREAK = re.compile("\r\n|\r|\n")
TAG_DIRECTIVE = re.compile(r"^%TAG\b", re.MULTILINE)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Budget:
    """How many values may still be read, over all files."""

    left: int = MOST_VALUES


class _Stop(Exception):
    """The file is not read any further."""

    def __init__(self, found: Diagnostic) -> None:
        super().__init__(found.message)
        self.found = found


def parse(text: str, file: str, budget: Budget, *, merge: bool = False) -> tuple[list[Node], list[Diagnostic]]:
    """The documents of one file, and what is wrong with it. A file that breaks off gives the documents before.

    `merge`: the keys `<<` of YAML 1.1 are followed, as in Compose files.
    """
    reader = _Reader(file, budget, merge=merge)
    if directive := TAG_DIRECTIVE.search(text):
        line = text.count("\n", 0, directive.start()) + 1
        return [], [Diagnostic("E1009", "tags are not allowed", Position(file, line, 1, 5))]
    try:
        return reader.documents(yaml.parse(text, Loader=_Loader)), reader.found
    except _Stop as stop:
        return reader.finished, [*reader.found, stop.found]
    except yaml.MarkedYAMLError as error:
        return reader.finished, [*reader.found, _syntax(error, file, text)]
    except yaml.YAMLError:
        return reader.finished, [*reader.found, Diagnostic("E1007", "invalid YAML", Position(file, 1, 1, 2))]


class _Reader:
    def __init__(self, file: str, budget: Budget, *, merge: bool) -> None:
        self.file = file
        self.merge = merge
        self.budget = budget
        self.found: list[Diagnostic] = []
        self.finished: list[Node] = []
        self.anchors: dict[str, Node | None] = {}

    def documents(self, events: Iterator[Any]) -> list[Node]:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self.anchors = {}
                node = self._value(next(events), events, 1)
                if not (isinstance(node, Scalar) and node.value is None):
                    self.finished.append(node)
        return self.finished

    def _value(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._spend(1, event)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        if event.tag is not None:
            self._refuse_tag(event)
        if isinstance(event, yaml.ScalarEvent):
            node: Node = self._scalar(event)
        elif depth > DEEPEST:
            raise _Stop(Diagnostic("E1005", f"nested more than {DEEPEST} levels deep", self._at(event)))
        elif isinstance(event, yaml.MappingStartEvent):
            node = self._mapping(event, events, depth)
        else:
            node = self._sequence(event, events, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _scalar(self, event: Any) -> Scalar:
        start, end = event.start_mark, event.end_mark
        text = event.value
        end_column = end.column + 1 if end.line == start.line else start.column + 1 + len(text.partition("\n")[0])
        plain = event.implicit[0]  # neither quoted nor tagged
        value = resolve(text) if plain else text
        node = Scalar(self.file, start.line + 1, start.column + 1, end_column, 1, text, value)
        if character := hidden.first(text):
            self._report(hidden.finding(character, node.position))
        return node

    def _sequence(self, event: Any, events: Iterator[Any], depth: int) -> Sequence:
        node = Sequence(self.file, *self._span(event))
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            item = self._value(event, events, depth + 1)
            node.items.append(item)
            node.size += item.size
        self._close(node, event)
        return node

    def _mapping(self, event: Any, events: Iterator[Any], depth: int) -> Mapping:
        node = Mapping(self.file, *self._span(event))
        merged: list[Entry] = []
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(event, events, depth)
            value = self._value(next(events), events, depth + 1)
            node.size += value.size + 1
            if key.text == "<<" and self.merge:
                merged += self._merged(value)
            elif key.text in node.entries:
                self._repeated(key, node.entries[key.text].key)
            else:
                node.entries[key.text] = Entry(key, value)
        for entry in merged:
            node.entries.setdefault(entry.key.text, entry)
        self._close(node, event)
        return node

    def _merged(self, value: Node) -> list[Entry]:
        """What `<<` merges: the fields of a mapping or of several, the first of which counts."""
        mappings = value.items if isinstance(value, Sequence) else [value]
        found: list[Entry] = []
        for one in mappings:
            if not isinstance(one, Mapping):
                raise _Stop(Diagnostic("E1010", "<< merges mappings only", value.position))
            found += one.entries.values()
        return found

    def _key(self, event: Any, events: Iterator[Any], depth: int) -> Scalar:
        key = self._value(event, events, depth + 1)
        if not isinstance(key, Scalar) or not key.text:
            raise _Stop(Diagnostic("E1016", "a field's name must be plain text", self._at(event)))
        if "\n" in key.text or "\t" in key.text:
            raise _Stop(Diagnostic("E1022", "a field's name must be on one line, without tabs", key.position))
        if key.text == "<<" and event.implicit[0] and not self.merge:
            hint = "write the fields out, or use environments/ for what differs"
            raise _Stop(Diagnostic("E1010", "merge keys (<<) are not part of YAML 1.2", key.position, hint=hint))
        return key

    def _alias(self, event: Any) -> Node:
        node = self.anchors.get(event.anchor)
        if node is None:
            what = (
                "refers to a value that contains it"
                if event.anchor in self.anchors
                else "refers to an anchor that is not defined before it"
            )
            raise _Stop(Diagnostic("E1017", f"the alias *{event.anchor[:40]} {what}", self._at(event)))
        self._spend(node.size, event)
        return node

    def _spend(self, count: int, event: Any) -> None:
        self.budget.left -= count
        if self.budget.left < 0:
            raise _Stop(
                Diagnostic("E1006", f"more than {MOST_VALUES:,} values, aliases counted in full", self._at(event))
            )

    def _repeated(self, key: Scalar, first: Scalar) -> None:
        note = Note("first defined here", first.position)
        self._report(Diagnostic("E1008", f"{shown(key.text)} is defined twice", key.position, notes=(note,)))

    def _report(self, found: Diagnostic) -> None:
        """A finding that does not end the reading; the first hundred are enough."""
        if len(self.found) < _MOST_FINDINGS:
            self.found.append(found)

    def _refuse_tag(self, event: Any) -> None:
        core = event.tag.removeprefix(_CORE)
        fitting = {yaml.ScalarEvent: ("str",), yaml.MappingStartEvent: ("map",), yaml.SequenceStartEvent: ("seq",)}
        if event.tag not in ("!", *(f"{_CORE}{name}" for name in fitting[type(event)])):
            name = f"!!{core}" if core != event.tag else event.tag
            raise _Stop(Diagnostic("E1009", f"tags such as {shown(name)} are not allowed", self._at(event)))

    def _at(self, event: Any) -> Position:
        mark, end = event.start_mark, event.end_mark
        width = end.column - mark.column if end.line == mark.line else 1
        return Position(self.file, mark.line + 1, mark.column + 1, mark.column + 1 + max(width, 1))

    def _span(self, event: Any) -> tuple[int, int, int]:
        return event.start_mark.line + 1, event.start_mark.column + 1, event.start_mark.column + 2

    def _close(self, node: Mapping | Sequence, event: Any) -> None:
        """A collection written on one line is marked whole, one over several lines by its first key."""
        if event.end_mark.line + 1 == node.line and event.end_mark.column > node.column:
            node.end_column = event.end_mark.column + 1
        elif isinstance(node, Mapping) and node.entries:
            first = next(iter(node.entries.values())).key
            if first.line == node.line:
                node.end_column = first.end_column


def _syntax(error: yaml.MarkedYAMLError, file: str, text: str) -> Diagnostic:
    line, column, problem = _breach(error, text)
    lines = _BREAK.split(text)
    rest = lines[line][column:] if line < len(lines) else ""
    hint = ""
    if rest.startswith("\t"):
        hint = "indent with spaces; YAML does not allow tabs"
    elif rest[:1] in ("@", "`", "%"):
        hint = f"text that begins with {rest[0]} needs quotes"
    elif line < len(lines) and (found := placeholders.UNQUOTED.search(lines[line])) is not None:
        hint = f"text with a placeholder such as {found[1]} needs quotes"
    notes: tuple[Note, ...] = ()
    begun = error.context_mark
    if error.context and begun is not None and begun.line != line:
        notes = (Note(error.context, Position(file, begun.line + 1, begun.column + 1, begun.column + 2)),)
    position = Position(file, line + 1, column + 1, column + 2)
    return Diagnostic("E1007", f"invalid YAML: {problem}", position, hint=hint, notes=notes)


def _breach(error: yaml.MarkedYAMLError, text: str) -> tuple[int, int, str]:
    """Line and column, from 0, and what is wrong. What breaks off at the end is shown where it began."""
    mark, begun = error.problem_mark or error.context_mark, error.context_mark
    problem = error.problem or "it cannot be parsed"
    if mark is not None and text[mark.index :].strip():
        return mark.line, mark.column, problem
    problem = f"{problem} before the end of the file"
    if begun is not None and text[begun.index :].strip():
        return begun.line, begun.column, problem
    *before, last = _BREAK.split(text.rstrip())
    return len(before), max(len(last) - 1, 0), problem
