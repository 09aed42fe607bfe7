"""Merge of an environment's partial documents into the base, by kind and name.

Maps are merged, scalars and lists replaced, and `null` removes the value of the base. Every value keeps its position.
The Stack is merged whatever its name, because there is only one.
"""

from __future__ import annotations

from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.messages import shown
from reconciler.spec.node import Entry, Mapping, Node, Scalar

Identity = tuple[str, str]


def identity(document: Mapping) -> Identity | None:
    """Kind and name; None where either is missing."""
    kind, name = document.text("kind"), document.text("name")
    return (kind, name) if kind is not None and name is not None else None


def unique(documents: list[Mapping]) -> tuple[dict[Identity, Mapping], list[Mapping], list[Diagnostic]]:
    """Documents by identity, those without one, and an error for each that repeats another."""
    named: dict[Identity, Mapping] = {}
    nameless: list[Mapping] = []
    found: list[Diagnostic] = []
    stack: Mapping | None = None
    for document in documents:
        key = identity(document)
        if key is None:
            nameless.append(document)
            continue
        if key[0] == "Stack" and stack is not None:
            note = Note("the other one", stack.entries["name"].value.position)
            place = document.entries["name"].value.position
            found.append(Diagnostic("E1115", "more than one Stack", place, notes=(note,)))
        elif key in named:
            note = Note("first defined here", named[key].entries["name"].value.position)
            place = document.entries["name"].value.position
            found.append(Diagnostic("E1115", f"{key[0]} {shown(key[1])} is defined twice", place, notes=(note,)))
        else:
            named[key] = document
            stack = document if key[0] == "Stack" else stack
    return named, nameless, found


def overlay(base: dict[Identity, Mapping], partial: dict[Identity, Mapping]) -> dict[Identity, Mapping]:
    """The base with the environment laid over it; what the base lacks is a document of its own."""
    merged = dict(base)
    for key, document in partial.items():
        under = next((other for other in merged if other[0] == "Stack"), key) if key[0] == "Stack" else key
        if under in merged:
            merged[key] = _merge(merged.pop(under), document)
        else:
            merged[key] = document
    return merged


def _merge(base: Mapping, over: Mapping) -> Mapping:
    merged = Mapping(base.file, base.line, base.column, base.end_column)
    merged.entries = dict(base.entries)
    for name, entry in over.entries.items():
        below = base.entries.get(name)
        if below is not None and _is_null(entry.value):
            del merged.entries[name]
        elif below is not None and isinstance(below.value, Mapping) and isinstance(entry.value, Mapping):
            merged.entries[name] = Entry(below.key, _merge(below.value, entry.value))
        else:
            merged.entries[name] = entry
    merged.size = 1 + sum(1 + entry.value.size for entry in merged.entries.values())
    return merged


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None
