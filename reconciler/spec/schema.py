"""JSON Schema of documents for editors, with the same fields, limits and descriptions.

Use it with `# yaml-language-server: $schema=…` at the top of a file, or in the editor's settings.
"""

from __future__ import annotations

import ast
import inspect
from datetime import timedelta
from itertools import pairwise
from typing import Any

from pydantic.json_schema import models_json_schema

from reconciler.model import duration
from reconciler.model.members import FIELD
from reconciler.spec import placeholders
from reconciler.spec.documents import KINDS, Block
from reconciler.spec.documents.security_group import Ports
from reconciler.spec.member_schema import members_schema
from reconciler.spec.members import api_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
KIND = "The kind of the document."
OR_PLACEHOLDER = f"|{placeholders.PATTERN}"
"""The end of each pattern: a placeholder fits, whatever it stands for."""
_NAMED = ("properties", "patternProperties", "$defs")
"""Keywords with schemas by names that are not keywords."""
_IDENTITY = ("kind", "name")
"""What documents of environments are merged by."""
_LIMITS = {"ge": "minimum", "le": "maximum"}
"""What pydantic leaves as it is behind a validator of our own."""
_LENGTHS = {"minLength": "minItems", "maxLength": "maxItems"}
"""The same of lists: it writes the limits of text."""


def json_schema() -> dict[str, Any]:
    """One schema for any document, told apart by `kind`."""
    _, generated = models_json_schema([(kind, "validation") for kind in KINDS.values()], by_alias=True)
    definitions: dict[str, Any] = generated["$defs"]
    for block in _blocks(Block):
        if block.__name__ in definitions:
            _describe(definitions[block.__name__], block)
    for written in ("Ports", "SecretReference"):  # as a number or text, see PortRange and Secret
        definitions.pop(written)
    for name, definition in definitions.items():
        definitions[name] = _tidy(definition)
    for block in _blocks(Block):
        if block.__name__ in definitions and FIELD in block.model_fields:
            properties = definitions[block.__name__]["properties"]
            about = properties[FIELD].get("description", "")
            properties[FIELD] = {**members_schema(api_of(block), definitions), "description": about}
    for kind in KINDS:
        required = [field for field in definitions[kind].get("required", []) if field != "name"]
        definitions[kind]["required"] = ["kind", "name", *required]
        definitions[kind]["properties"]["name"].pop("default", None)
        definitions[kind]["properties"]["kind"]["description"] = definitions[kind]["description"]
    for block in _blocks(Block):
        if block.short_form is not None and block.__name__ in definitions:
            definitions[block.__name__] = {"anyOf": [block.short_form, definitions[block.__name__]]}
    return {
        "$schema": DIALECT,
        "title": "reconciler document",
        "type": "object",
        "properties": {"kind": {"enum": list(KINDS)}},
        "required": ["kind", "name"],
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": f"#/$defs/{kind}"},
            }
            for kind in KINDS
        ],
        "$defs": dict(sorted(definitions.items())),
    }


def partial_schema(schema: Any) -> Any:
    """The same for the documents of environments: nothing but kind and name is required, and `null` removes."""
    if isinstance(schema, list):
        return [partial_schema(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: partial_schema(value) for key, value in schema.items() if key not in _NAMED}
    for key in (key for key in _NAMED if key in schema):  # a field may be called `properties`
        parts = {name: partial_schema(part) for name, part in schema[key].items()}
        keep = parts if key == "$defs" else _IDENTITY
        found[key] = {name: part if name in keep else _or_null(part) for name, part in parts.items()}
    if "required" in found:
        found["required"] = [name for name in found["required"] if name in _IDENTITY]
    if isinstance(others := found.get("additionalProperties"), dict):
        found["additionalProperties"] = _or_null(others)
    return found


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    about = {"description": schema["description"]} if "description" in schema else {}
    return {**about, "anyOf": [schema, {"type": "null"}]}


def _blocks(block: type[Block]) -> list[type[Block]]:
    below = [found for child in block.__subclasses__() for found in _blocks(child)]
    return [block, *below]


def _describe(definition: dict[str, Any], block: type[Block]) -> None:
    """Adds the descriptions of the fields, and defaults as a person would write them."""
    for field, text in descriptions(block).items():
        definition["properties"][block.model_fields[field].alias or field]["description"] = text
    for field, info in block.model_fields.items():
        if isinstance(info.default, timedelta):
            definition["properties"][info.alias or field]["default"] = duration.format(info.default)
        elif isinstance(info.default, Ports):
            definition["properties"][info.alias or field]["default"] = str(info.default)


def descriptions(block: type[Block]) -> dict[str, str]:
    """The docstrings that stand under the fields of a block, or of one that it is based on."""
    found = {"kind": KIND}
    for ancestor in reversed(block.__mro__):
        if issubclass(ancestor, Block):
            found |= {field: " ".join(text.split()) for field, text in _docstrings(ancestor).items()}
    return {field: text for field, text in found.items() if field in block.model_fields}


def _docstrings(block: type[Block]) -> dict[str, str]:
    (body,) = ast.parse(inspect.getsource(block)).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for statement, after in pairwise(body.body):
        match statement, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = text
    return found


def _or_placeholder(pattern: Any) -> Any:
    return pattern + OR_PLACEHOLDER if isinstance(pattern, str) else _tidy(pattern)


def _tidy(schema: Any) -> Any:
    """Without `null`, which documents never take."""
    if isinstance(schema, list):
        return [_tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {
        _LIMITS.get(key, key): _tidy(value) if key != "pattern" else _or_placeholder(value)
        for key, value in schema.items()
        if not (key == "default" and value is None) and not (key == "title" and isinstance(value, str))
    }
    if "patternProperties" in tidy:
        tidy.setdefault("additionalProperties", False)  # names that the pattern does not allow
    choices = tidy.get("anyOf")
    if isinstance(choices, list):
        kept = [choice for choice in choices if choice != {"type": "null"}]
        tidy.pop("anyOf")
        tidy = {**kept[0], **tidy} if len(kept) == 1 else {**tidy, "anyOf": kept}
        for choice in kept if len(kept) > 1 else ():
            if choice.get("type") == "array":  # pydantic puts the list's limits beside the choice
                choice.update({items: tidy.pop(length) for length, items in _LENGTHS.items() if length in tidy})
    if tidy.get("type") == "array":
        tidy.update({items: tidy.pop(length) for length, items in _LENGTHS.items() if length in tidy})
    return tidy
