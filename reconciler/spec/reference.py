"""Reference of the specs: every field of every document, from the documents themselves.

Types, limits, defaults and descriptions are those of the JSON Schema. What a change of a field means is not written
down anywhere: the examples are compiled with another value, and what then differs is classified by the resource types.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic.fields import FieldInfo

from reconciler.model.members import FIELD
from reconciler.spec.documents import KINDS, Block
from reconciler.spec.members import EACH, api_of, blocks_in
from reconciler.spec.schema import OR_PLACEHOLDER, descriptions, json_schema

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """`path` begins with the kind; `*` stands for a name that the specs choose, or for an item of a list."""

    path: Path
    block: type[Block]
    form: str
    limits: str
    required: bool
    default: str
    description: str
    choices: tuple[Any, ...] = ()
    inner: tuple[tuple[Path, type[Block]], ...] = ()
    """The blocks that it holds, with the paths to them."""

    @property
    def name(self) -> str:
        return self.path[-1]


def fields(kind: str) -> Iterator[Field]:
    """The fields of a kind, each followed by those of the blocks in it."""
    yield from _fields(KINDS[kind], (kind,), ())


def fields_of(block: type[Block], at: Path) -> Iterator[Field]:
    """The fields of one block, whose own path is `at`."""
    texts, properties = descriptions(block), _properties(block)
    required = _definition(block).get("required", ())
    for name, info in block.model_fields.items():
        alias = info.alias or name
        schema = properties[alias]
        inner = tuple(blocks_in(info.annotation, ()))
        yield Field(
            (*at, alias),
            block,
            f"members of {api_of(block).create}" if name == FIELD else type_of(schema),
            "" if name == FIELD else _limits(schema, info),
            alias in required,
            _default(schema, info),
            texts.get(name, ""),
            tuple(_choices(schema)),
            inner,
        )


def _fields(block: type[Block], at: Path, inside: tuple[type[Block], ...]) -> Iterator[Field]:
    for field in fields_of(block, at):
        yield field
        for steps, found in field.inner:
            if found not in inside:
                yield from _fields(found, (*field.path, *steps), (*inside, found))


def find(path: Path) -> Field | None:
    """The field that a path names, with or without the names that the specs choose."""
    return next((one for one in fields(path[0]) if _matches(one.path, path)), None) if path[0] in KINDS else None


def nearest(path: Path) -> tuple[Path, str, list[str]]:
    """Of a path that names no field: what there is of it, the step that is missing, and the fields that are there."""
    for length in range(len(path) - 1, 0, -1):
        found = find(path[:length]) if length > 1 else None
        if found is not None or length == 1:
            blocks = [block for _, block in found.inner] if found is not None else [KINDS[path[0]]]
            others = [one.name for block in blocks for one in fields_of(block, path[:length])]
            return path[:length], path[length], others
    raise AssertionError("a kind is there")


def _matches(pattern: Path, path: Path) -> bool:
    if not pattern or not path:
        return not path and all(step == EACH for step in pattern)
    if pattern[0] == EACH:
        return _matches(pattern[1:], path) or _matches(pattern[1:], path[1:])
    return pattern[0] == path[0] and _matches(pattern[1:], path[1:])


def plain(path: Path) -> Path:
    """Without the names that the specs choose, as people write it."""
    return tuple(step for step in path if step != EACH)


# -- as text


@cache
def _definitions() -> dict[str, Any]:
    found: dict[str, Any] = json_schema()["$defs"]
    return found


def _definition(block: type[Block]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _definitions()[block.__name__]
    return found["anyOf"][-1] if "anyOf" in found else found


def _properties(block: type[Block]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _definition(block)["properties"]
    return found


_PLAIN = {"boolean": "true or false", "integer": "whole number", "number": "number", "string": "text"}
_EXAMPLES = {"cidr": "IPv4 range such as 10.0.0.0/20"}


def type_of(schema: Mapping[str, Any]) -> str:
    """The type of a value in words."""
    if "$ref" in schema:
        return _of_block(_definitions()[schema["$ref"].rpartition("/")[2]])
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(type_of(one) for one in choices))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    if kind == "object":
        inner = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)
        return f"mapping of names to {type_of(inner)}" if isinstance(inner, dict) else "mapping"
    pattern = str(schema.get("pattern", "")).removesuffix(OR_PLACEHOLDER)
    if schema.get("examples"):
        return f"duration such as {schema['examples'][0]}"
    if pattern.endswith("%$"):
        return "percentage such as 0.5%"
    if pattern.startswith("^([01]"):
        return "time of day such as 09:00"
    if "format" in schema:
        return _EXAMPLES.get(schema["format"], "text")
    return "text" if isinstance(kind, list) or kind is None else _PLAIN[kind]


def _of_block(definition: Mapping[str, Any]) -> str:
    if "anyOf" in definition:  # with a short form
        short = type_of(definition["anyOf"][0])
        return f"{short}, or a mapping"
    return "mapping" if definition.get("type") == "object" else type_of(definition)


def _choices(schema: Mapping[str, Any]) -> Iterator[Any]:
    yield from schema.get("enum", ())
    for part in (*schema.get("anyOf", ()), schema.get("items", {})):
        yield from part.get("enum", ())


def _limits(schema: Mapping[str, Any], info: FieldInfo) -> str:
    parts = [schema, *schema.get("anyOf", ())]
    for part in parts:
        for low, high, what in (
            ("minimum", "maximum", ""),
            ("minItems", "maxItems", " items"),
            ("minLength", "maxLength", " characters"),
        ):
            least, most = part.get(low), part.get(high)
            if least is not None and most is not None:
                return f"{least} to {most}{what}" if least != most else f"{most}{what if most > 1 else what[:-1]}"
            if least is not None and not (least == 1 and what):
                return f"at least {least}{what}"
            if most is not None:
                return f"at most {most}{what}"
    notes = [
        *info.metadata,
        *(note for part in get_args(info.annotation) for note in getattr(part, "__metadata__", ())),
    ]
    found = (getattr(getattr(note, "func", None), "limits", "") for note in notes)
    return next((limits for limits in found if limits), "")


def _default(schema: Mapping[str, Any], info: FieldInfo) -> str:
    if info.is_required() or info.default_factory is not None:
        return ""
    found = schema.get("default")
    if found is None or found in ((), [], {}):
        return ""
    if isinstance(found, bool):
        return str(found).lower()
    return ", ".join(map(str, found)) if isinstance(found, list | tuple) else str(found)
