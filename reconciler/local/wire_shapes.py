"""Values by their botocore shapes: what a client sent into Python's types, what we answer into the client's.

Answers are checked while they are written: a member that the output shape has not, or a value of another type, is a
mistake of the local AWS emulator and raises `ShapeMismatch` instead of reaching a client that would silently drop it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.model import Shape

NUMBERS = {"integer": int, "long": int, "double": float, "float": float}


class ShapeMismatch(AssertionError):
    """An answer does not fit the service's output shape."""


def from_client(shape: Shape, value: Any) -> Any:
    """ValueError when the value is not of the shape's type. Members that the shape has not are dropped, as AWS does."""
    match shape.type_name:
        case "structure" if shape.is_document_type:  # type: ignore[attr-defined]  # StructureShape
            return _expect(value, dict, shape)
        case "structure":
            given = _expect(value, dict, shape)
            members = shape.members  # type: ignore[attr-defined]  # StructureShape, which its type_name says
            return {
                name: from_client(member, given[_json_name(name, member)])
                for name, member in members.items()
                if given.get(_json_name(name, member)) is not None
            }
        case "list":
            member = shape.member  # type: ignore[attr-defined]  # ListShape
            return [from_client(member, item) for item in _expect(value, list, shape)]
        case "map":
            member = shape.value  # type: ignore[attr-defined]  # MapShape
            return {key: from_client(member, item) for key, item in _expect(value, dict, shape).items()}
        case "timestamp":
            return value if isinstance(value, datetime) else _moment(value)
        case "boolean":
            return _expect(value, bool, shape)
        case "integer" | "long":
            if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
                raise ValueError(f"{shape.name}: {value!r} is not an integer")
            return int(value)
        case "double" | "float":
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{shape.name}: {value!r} is not a number")
            return float(value)
        case "blob":
            return value if isinstance(value, bytes) else base64.b64decode(_expect(value, str, shape))
        case _:
            return _expect(value, str, shape)


def to_client(shape: Shape | None, value: Any, *, timestamps_as_numbers: bool = False, path: str = "") -> Any:
    """`value` as the wire has it: None members left out, timestamps as seconds where the protocol wants numbers."""
    if shape is None:
        if value:
            raise ShapeMismatch(f"an answer without members was given {sorted(value)}")
        return {}
    where = path or shape.name
    match shape.type_name:
        case "structure" if shape.is_document_type:  # type: ignore[attr-defined]  # StructureShape
            return _same(value, Mapping, where)
        case "structure":
            if not isinstance(value, Mapping):
                raise ShapeMismatch(f"{where}: {value!r} is not a structure")
            members = shape.members  # type: ignore[attr-defined]  # StructureShape
            if unknown := set(value) - set(members):
                raise ShapeMismatch(f"{where} has no {sorted(unknown)}")
            return {
                _json_name(name, members[name]): to_client(
                    members[name], item, timestamps_as_numbers=timestamps_as_numbers, path=f"{where}.{name}"
                )
                for name, item in value.items()
                if item is not None
            }
        case "list":
            if not isinstance(value, list | tuple):
                raise ShapeMismatch(f"{where}: {value!r} is not a list")
            member = shape.member  # type: ignore[attr-defined]  # ListShape
            return [
                to_client(member, item, timestamps_as_numbers=timestamps_as_numbers, path=f"{where}[]")
                for item in value
            ]
        case "map":
            if not isinstance(value, Mapping):
                raise ShapeMismatch(f"{where}: {value!r} is not a map")
            member = shape.value  # type: ignore[attr-defined]  # MapShape
            return {
                key: to_client(member, item, timestamps_as_numbers=timestamps_as_numbers, path=f"{where}.{key}")
                for key, item in value.items()
            }
        case "timestamp":
            if not isinstance(value, datetime):
                raise ShapeMismatch(f"{where}: {value!r} is not a moment")
            return round(value.timestamp(), 3) if timestamps_as_numbers else value
        case "boolean":
            return _same(value, bool, where)
        case "integer" | "long":
            if isinstance(value, bool):
                raise ShapeMismatch(f"{where}: {value!r} is not an integer")
            return _same(value, int, where)
        case "double" | "float":
            return float(_same(value, (int, float), where))
        case "blob":
            raw = _same(value, bytes, where)
            return base64.b64encode(raw).decode() if timestamps_as_numbers else raw
        case _:
            return _same(value, str, where)


def _json_name(name: str, member: Shape) -> str:
    return str(member.serialization.get("name", name))


def _expect(value: Any, kind: type, shape: Shape) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{shape.name}: {value!r} is not a {kind.__name__}")
    return value


def _same(value: Any, kind: type | tuple[type, ...], where: str) -> Any:
    if not isinstance(value, kind):
        raise ShapeMismatch(f"{where}: {value!r} is a {type(value).__name__}")
    return value


def _moment(value: Any) -> datetime:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    return datetime.fromisoformat(str(value))
