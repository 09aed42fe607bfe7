"""Every change of one field, document or name that the schema of the specs knows, for a given set of documents.

    for change in changes(documents):
        change.documents                # what would be committed

Fields come from the JSON Schema, so a new field of a document is covered by itself. Values are the schema's own
choices and limits, and others like those that stand there; whether they are valid together is for the specs to say.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from reconciler.spec.discovery import Source
from reconciler.spec.schema import json_schema

Document = dict[str, Any]
Path = tuple[str | int, ...]

DURATION = re.compile(r"\d+(ms|s|m|h|d)")
ABSENT: Any = object()
NAMING = (("target_groups",),)
"""Lists of the names of what a document makes."""
DEEPEST = 7
MOST_CHOICES = 3
"""Of a list of values that differ in nothing but size."""
POOLS: Mapping[str, tuple[Any, ...]] = {
    "cidr": ("10.0.8.0/24",),
    "zone": ("us-west-2b",),
    "port": (8080,),
    "path": ("/ready",),
    "tags": ({"owner": "ana"},),
    "environment": ({"GREETING": "Hello World", "MODE": "careful"},),
    "command": (["serve"],),
    "tag": ("v2", "bad", "missing"),
    "capacity_providers": ([{"provider": "FARGATE", "weight": 1}], ["FARGATE"]),
    "scaling": ({"min": 1, "max": 4, "cpu": 60}, {"min": 3, "max": 6, "cpu": 60}),
    "match": ({"path": "/*", "priority": 10},),
    "steps": ([{"weight": 50, "pause": "30s"}],),
}
"""Values by the field's name, where the schema only knows their type."""


@dataclass(frozen=True, slots=True)
class Change:
    """`what` was done to which field; `documents` are the specs with it."""

    what: str
    documents: tuple[Document, ...]

    def sources(self) -> tuple[Source, ...]:
        return sources(self.documents)


def sources(documents: Sequence[Document]) -> tuple[Source, ...]:
    """One file for each document."""
    names = [f"{number:02}-{one['kind'].lower()}.yaml" for number, one in enumerate(documents)]
    return tuple(
        Source(name, name, yaml.safe_dump(one, sort_keys=False).encode())
        for name, one in zip(names, documents, strict=True)
    )


def changes(documents: Sequence[Document]) -> Iterator[Change]:
    """Each field set to other values, added and removed; each document removed; each name changed, alone and with its
    references."""
    for number, document in enumerate(documents):
        label = f"{document['kind']} {document['name']}"
        if document["kind"] == "Stack":
            paths = [path for path in _places(document) if path[0] in ("tags", "guard")]
        else:
            yield Change(f"{label}: removed", tuple(one for one in documents if one is not document))
            paths = list(_places(document))
        for path in paths:
            yield from _at(documents, number, label, path)


def _at(documents: Sequence[Document], number: int, label: str, path: Path) -> Iterator[Change]:
    if path[0] == "kind":
        return
    now = _read(documents[number], path)
    shown = f"{label}: {_spelled(path)}"
    if isinstance(path[-1], str) and _is_keyed(documents[number]["kind"], path):
        new = f"{path[-1]}-x"
        yield Change(f"{shown} renamed everywhere", tuple(renamed(one, path[-1], new) for one in documents))
    if isinstance(now, str) and (path[-1] == "name" or path[-2:-1] in NAMING):
        new = f"{now}-x"
        yield Change(f"{shown} renamed everywhere", tuple(renamed(one, now, new) for one in documents))
        yield Change(f"{shown} renamed alone", _with(documents, number, path, new))
        return
    if now is not ABSENT:
        yield Change(f"{shown} removed", _with(documents, number, path, ABSENT))
    for value in _values(_schema(documents[number]["kind"], path), now, str(path[-1])):
        yield Change(f"{shown} = {_short(value)}", _with(documents, number, path, value))


def _short(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n...\n").strip()
    return text if len(text) <= 60 else f"{text[:57]}..."


def _spelled(path: Path) -> str:
    return ".".join(str(one) for one in path)


# -- documents


def _places(document: Document) -> Iterator[Path]:
    """Every field that stands there, and every optional field that could."""
    yield from _below(document, _definition(document["kind"]), ())


def _below(value: Any, schema: Mapping[str, Any], path: Path) -> Iterator[Path]:
    if len(path) >= DEEPEST:
        return
    schema = _resolved(schema, value)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for key in dict.fromkeys((*value, *known)):
            yield (*path, key)
            if key in value:
                yield from _below(value[key], _member(schema, key), (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield (*path, index)
            yield from _below(item, schema.get("items", {}), (*path, index))


def _read(document: Any, path: Path) -> Any:
    for key in path:
        if isinstance(document, dict) and key not in document:
            return ABSENT
        document = document[key]
    return document


def _with(documents: Sequence[Document], number: int, path: Path, value: Any) -> tuple[Document, ...]:
    changed = copy.deepcopy(documents[number])
    there: Any = changed
    for key in path[:-1]:
        there = there[key]
    if value is ABSENT:
        del there[path[-1]]
    else:
        there[path[-1]] = copy.deepcopy(value)
    return tuple(changed if index == number else one for index, one in enumerate(documents))


def renamed(value: Any, old: str, new: str) -> Any:
    """A document, or a part of one, in which every name and value `old` is `new`."""
    match value:
        case dict():
            return {(new if key == old else key): renamed(item, old, new) for key, item in value.items()}
        case list():
            return [renamed(item, old, new) for item in value]
        case _:
            return new if value == old else value


# -- the schema


@cache
def _definitions() -> dict[str, Any]:
    found: dict[str, Any] = json_schema()["$defs"]
    return found


def _definition(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = _definitions()[kind]
    return found


def _resolved(schema: Mapping[str, Any], value: Any) -> Mapping[str, Any]:
    """Follows references, and of several choices the one that looks like `value`."""
    while True:
        if "$ref" in schema:
            schema = _definitions()[schema["$ref"].rpartition("/")[2]]
        elif "anyOf" in schema:
            schema = next((one for one in schema["anyOf"] if _fits(one, value)), schema["anyOf"][-1])
        else:
            return schema


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    schema = _definitions()[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if "anyOf" in schema:
        return any(_fits(one, value) for one in schema["anyOf"])
    python = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
    sort = schema.get("type", "")
    return isinstance(value, python.get(sort[0] if isinstance(sort, list) else sort, object))


def _schema(kind: str, path: Path) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = _definition(kind)
    for key in path:
        schema = _resolved(schema, [] if isinstance(key, int) else {})
        schema = schema.get("items", {}) if isinstance(key, int) else _member(schema, key)
    return schema


def _member(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    if key in (known := schema.get("properties", {})):
        found = known[key]
    else:
        found = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
    return found if isinstance(found, dict) else {}


def _is_keyed(kind: str, path: Path) -> bool:
    """Whether the path ends in a name that the specs choose, of a block."""
    return "properties" in _resolved(_schema(kind, path), {}) and "patternProperties" in _resolved(
        _schema(kind, path[:-1]), {}
    )


def _values(schema: Mapping[str, Any], now: Any, name: str) -> Iterator[Any]:
    """Others than `now`, each once."""
    given: list[Any] = [now]
    for value in (*POOLS.get(name, ()), *_sampled(schema, now)):
        if not any(type(one) is type(value) and one == value for one in given):
            given.append(value)
            yield value


def _sampled(schema: Mapping[str, Any], now: Any) -> Iterator[Any]:
    for choice in schema.get("anyOf", ()):
        yield from _sampled(choice, now)
    schema = _resolved(schema, now)
    if "default" in schema:
        yield schema["default"]
    if "const" in schema:
        yield schema["const"]
    choices = schema.get("enum", ())
    yield from choices if len(choices) <= 2 * MOST_CHOICES else choices[:MOST_CHOICES]
    sort = schema.get("type")
    match sort[0] if isinstance(sort, list) else sort:
        case "boolean":
            yield from (True, False)
        case "integer" | "number":
            if isinstance(now, int):
                yield from (now + 1, now * 2)
            low, high = schema.get("minimum"), schema.get("maximum")
            yield from (one for one in (low, high) if one is not None)
            if high is not None:
                yield high + 1
        case "string" if "enum" not in schema:
            yield from _strings(now)
        case "array":
            if isinstance(now, list):
                yield from (now[:index] + now[index + 1 :] for index in range(len(now)))
                yield now[::-1]
                yield []
        case "object" if now is ABSENT:
            if (least := _least(schema)) is not None:
                yield least


def _strings(now: Any) -> Iterator[str]:
    if not isinstance(now, str):
        yield from ("60s", "other")
    elif DURATION.fullmatch(now):
        yield from ("0s", "20s", "90s", "1h")
    else:
        yield f"{now}-x"


def _least(schema: Mapping[str, Any], depth: int = 0) -> Document | None:
    """The smallest object that the schema allows; None if that cannot be told."""
    if depth > 3:
        return None
    least: Document = {}
    for key in schema.get("required", ()):
        below = schema.get("properties", {}).get(key, {})
        value = next((one for one in (*POOLS.get(key, ()), *_sampled(below, ABSENT))), ABSENT)
        if value is ABSENT:
            return None
        least[key] = value
    return least
