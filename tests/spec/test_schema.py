"""The JSON Schema says what validation says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from reconciler.spec.documents import KINDS
from reconciler.spec.node import plain
from reconciler.spec.parse import Budget, parse
from reconciler.spec.rules import catalogue
from reconciler.spec.scalar import Written
from reconciler.spec.schema import json_schema, partial_schema
from tests.spec import folder

SEED = Path(__file__).parents[2] / "specs"
WHOLE = json_schema()
TYPES: dict[str, Any] = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float)}
TYPES |= {"boolean": bool, "null": type(None)}
IN_THE_SHAPE = ["E1102", "E1104", "E1107", "E1108", "E1109", "E1111", "E1015"]
"""Rules whose wrong examples an editor underlines too."""


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """JSON Schema 2020-12, as far as ours goes."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    return all(TESTS[word](value, argument, schema, root) for word, argument in schema.items() if word in TESTS)


def _type(value: Any, names: Any, *_: Any) -> bool:
    one = [names] if isinstance(names, str) else names
    return any(isinstance(value, TYPES[name]) and (name in ("boolean",) or not isinstance(value, bool)) for name in one)


def _properties(value: Any, properties: dict[str, Any], _: Any, root: dict[str, Any]) -> bool:
    there = properties.keys() & value.keys() if isinstance(value, dict) else ()
    return all(fits(value[key], properties[key], root) for key in there)


def _additional(value: Any, argument: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    if not isinstance(value, dict) or argument is True:
        return True
    named = {key for key in value if key in schema.get("properties", {}) or _matching(key, schema)}
    others = value.keys() - named
    return not others if argument is False else all(fits(value[key], argument, root) for key in others)


def _matching(key: str, schema: dict[str, Any]) -> list[Any]:
    return [inner for pattern, inner in schema.get("patternProperties", {}).items() if re.search(pattern, key)]


def _patterns(value: Any, _: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    keys = value if isinstance(value, dict) else ()
    return all(fits(value[key], inner, root) for key in keys for inner in _matching(key, schema))


def _items(value: Any, schema: dict[str, Any], _: Any, root: dict[str, Any]) -> bool:
    return not isinstance(value, list) or all(fits(item, schema, root) for item in value)


TESTS: dict[str, Any] = {
    "type": _type,
    "const": lambda value, const, *_: value == const,
    "enum": lambda value, names, *_: value in names,
    "pattern": lambda value, pattern, *_: not isinstance(value, str) or re.search(pattern, value) is not None,
    "minLength": lambda value, length, *_: not isinstance(value, str) or len(value) >= length,
    "maxLength": lambda value, length, *_: not isinstance(value, str) or len(value) <= length,
    "minimum": lambda value, least, *_: not isinstance(value, int | float) or value >= least,
    "maximum": lambda value, most, *_: not isinstance(value, int | float) or value <= most,
    "minItems": lambda value, count, *_: not isinstance(value, list) or len(value) >= count,
    "maxItems": lambda value, count, *_: not isinstance(value, list) or len(value) <= count,
    "items": _items,
    "propertyNames": lambda value, schema, _, root: (
        not isinstance(value, dict) or all(fits(key, schema, root) for key in value)
    ),
    "properties": _properties,
    "required": lambda value, names, *_: not isinstance(value, dict) or set(names) <= value.keys(),
    "additionalProperties": _additional,
    "patternProperties": _patterns,
    "anyOf": lambda value, schemas, _, root: any(fits(value, schema, root) for schema in schemas),
    "oneOf": lambda value, schemas, _, root: sum(fits(value, schema, root) for schema in schemas) == 1,
    "allOf": lambda value, schemas, _, root: all(fits(value, schema, root) for schema in schemas),
    "if": lambda value, schema, whole, root: not fits(value, schema, root) or fits(value, whole["then"], root),
    "$ref": lambda value, name, _, root: fits(value, root["$defs"][name.rsplit("/", 1)[1]], root),
}
PARTIAL = partial_schema(WHOLE)
KNOWN = {*TESTS, "then", "$schema", "$defs", "title", "description", "default", "examples", "format"}


def values(text: str) -> list[Any]:
    """The documents of a text as YAML 1.2 reads them."""
    roots, _ = parse(text, "x.yaml", Budget())
    return [read(plain(root)) for root in roots]


def read(value: Any) -> Any:
    match value:
        case Written():
            return value.value
        case dict():
            return {key: read(inner) for key, inner in value.items()}
        case list():
            return [read(inner) for inner in value]
    return value


def parts(schema: Any) -> list[dict[str, Any]]:
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    return ([schema] if isinstance(schema, dict) else []) + [found for value in inner for found in parts(value)]


def test_the_seed_fits() -> None:
    """Base documents the whole schema, those of environments the partial one."""
    for path in SEED.rglob("*.yaml"):
        schema = PARTIAL if "environments" in path.parts else WHOLE
        for document in values(path.read_text(encoding="utf-8")):
            assert fits(document, schema, schema), (path, document["name"])
    for document in values(folder.BASE):
        assert fits(document, WHOLE, WHOLE), document["name"]


@pytest.mark.parametrize("id", [rule.id for rule in catalogue().values() if rule.good])
def test_what_is_right_fits(id: str) -> None:
    """An editor underlines nothing that validation accepts."""
    for document in values(catalogue()[id].good + "\n"):
        assert fits(document, PARTIAL, PARTIAL), document


@pytest.mark.parametrize("id", IN_THE_SHAPE)
def test_what_is_wrong_in_its_shape_does_not_fit(id: str) -> None:
    """An editor underlines what validation would refuse, before it is asked."""
    schema = WHOLE if id == "E1104" else PARTIAL
    assert not all(fits(document, schema, schema) for document in values(catalogue()[id].bad + "\n"))


def test_every_reference_leads_somewhere_and_nothing_is_left_over() -> None:
    """Each definition is used."""
    used = {part["$ref"].rsplit("/", 1)[1] for part in parts(WHOLE) if isinstance(part.get("$ref"), str)}
    assert used == set(WHOLE["$defs"])


def test_lists_are_limited_by_their_items() -> None:
    """A length is one of text; behind a validator of our own, pydantic writes it for lists too."""
    lists = [part for part in parts(WHOLE) if part.get("type") == "array"]
    assert [part for part in lists if part.keys() & {"minLength", "maxLength"}] == []
    found = WHOLE["$defs"]["Traffic"]["properties"]["target_groups"]
    assert (found["minItems"], found["maxItems"]) == (1, 2)


def test_kinds_are_told_apart_and_require_their_name() -> None:
    """One schema for every document."""
    assert [choice["then"]["$ref"] for choice in WHOLE["allOf"]] == [f"#/$defs/{kind}" for kind in KINDS]
    assert not fits({"kind": "Cluster"}, WHOLE, WHOLE)
    assert not fits({"kind": "Clustre", "name": "a"}, WHOLE, WHOLE)
    assert fits({"kind": "Service", "name": "a", "task": {"logs": None}}, PARTIAL, PARTIAL)
    assert not fits({"kind": "Service", "name": "a", "task": {"logs": None}}, WHOLE, WHOLE)


def test_fields_are_described_in_the_words_of_their_documents() -> None:
    """Docstrings of blocks and fields arrive, and defaults read as a person writes them."""
    strategy = WHOLE["$defs"]["DeploymentStrategy"]
    assert strategy["description"].startswith("How a new version of a service is deployed.")
    assert "engine" in strategy["properties"]
    assert strategy["properties"]["engine"]["description"].startswith("Default: `rolling` for rolling")
    assert WHOLE["$defs"]["Teardown"]["properties"]["after"]["default"] == "1h"
    assert WHOLE["$defs"]["Verify"]["properties"]["for"]["default"] == "5m"
    assert WHOLE["$defs"]["Container"]["properties"]["port"]["maximum"] == 65535


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("{kind: Cluster, name: a, exec_logging: {bucket: abc, prefix: 2026}}", True),
        ("{kind: DeploymentStrategy, name: a, hooks: [{stages: pre_scale_up}]}", True),
        ("{kind: DeploymentStrategy, name: a, hooks: [{stages: [pre_scale_up]}]}", True),
        ("{kind: DeploymentStrategy, name: a, hooks: [{stages: pre_scale}]}", False),
        ("{kind: LoadBalancer, name: a, listeners: {Production_1: {port: 80}}}", False),
        ("{kind: LoadBalancer, name: a, listeners: {old: null}}", True),
        ("{kind: Task, name: a, task: {containers: {app: {environment: {GREETING: null}}}}}", True),
        ("{kind: Stack, name: a, tags: {team: null}}", True),
        ("{kind: Service, name: a, task: {role: my-role}}", True),
        ("{kind: Service, name: a, task: {role: 'arn:aws:iam::123456789012:role/*'}}", False),
    ],
)
def test_values_that_may_be_written_in_several_ways(text: str, right: bool) -> None:
    """A number where a field is text, one item of a list, and a name or an ARN."""
    schema = {**PARTIAL, "$defs": {**PARTIAL["$defs"], "Hook": {**PARTIAL["$defs"]["Hook"], "required": []}}}
    (document,) = values(text)
    assert fits(document, schema, schema) is right
