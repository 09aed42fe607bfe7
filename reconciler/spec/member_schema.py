"""JSON Schema of the API members under `aws`, from the services' models."""

from __future__ import annotations

import html
import re
from collections.abc import Collection
from typing import Any, Final

from reconciler.model.members import ApiMembers
from reconciler.service_models import Shape

_TYPES: Final = {
    "boolean": "boolean",
    "integer": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "list": "array",
    "map": "object",
    "structure": "object",
}
_REMOVES: Final = "Removes what was set outside the specs."
_TEXT: Final = ["string", "number", "boolean"]


def members_schema(api: ApiMembers, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of `aws` in a block. Types that it refers to are added to `definitions`.

    Members that a field of the document sets are left out where they are no part of another member.
    """
    refused = {name for name, word in api.words.items() if not word.endswith("?")} | api.owned.keys()
    found = _structure(api.shape, definitions, refused, nullable=True)
    removable = [name for name in api.optional if api.revised and name in refused and "." not in name]
    found["properties"] |= {name: {"type": "null", "description": _REMOVES} for name in removable}
    return found


def described(text: str) -> str:
    """The first sentence of a description in a model."""
    plain = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())
    plain = re.sub(r" ([.,;:])", r"\1", plain)
    return re.split(r"(?<=[.!?]) (?=[A-Z])", plain, maxsplit=1)[0]


def _structure(
    shape: Shape, definitions: dict[str, Any], refused: Collection[str] = (), *, nullable: bool = False
) -> dict[str, Any]:
    properties = {}
    for name, member in shape.members.items():
        if name in refused:
            continue
        schema = _schema(member, definitions)
        if nullable:
            schema = {"anyOf": [schema, {"type": "null"}]}
        about = described(shape.documentation(name)) if name not in dict(shape.more) else ""
        properties[name] = {**schema, "description": about} if about else schema
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _schema(shape: Shape, definitions: dict[str, Any]) -> dict[str, Any]:
    least, most = shape.limits
    match shape.kind:
        case "structure" if shape.members:
            name = f"{shape.service}.{shape.name}"
            if name not in definitions:
                definitions[name] = {}  # a type may contain itself
                definitions[name] = _structure(shape, definitions)
            return {"$ref": f"#/$defs/{name}"}
        case "list":
            found: dict[str, Any] = {"type": "array", "items": _schema(shape.item, definitions)}
            return found | _limits(least, most, "minItems", "maxItems")
        case "map":
            return {"type": "object", "additionalProperties": _schema(shape.item, definitions)}
        case "boolean" | "structure":
            return {"type": _TYPES[shape.kind]}
        case "integer" | "long" | "float" | "double":
            return {"type": _TYPES[shape.kind], **_limits(least, most, "minimum", "maximum")}
        case _ if shape.choices:
            return {"enum": list(shape.choices)}
        case _:
            return {"type": _TEXT, **_limits(least, most, "minLength", "maxLength")}


def _limits(least: float | None, most: float | None, low: str, high: str) -> dict[str, Any]:
    return ({} if least is None else {low: least}) | ({} if most is None else {high: most})
