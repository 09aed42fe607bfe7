"""Members of an AWS API in documents, under `aws:`: where they may stand, and what they are in the API's types.

The service's model says what each may be. It is read only for documents that use `aws:`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from types import UnionType
from typing import Any, Final, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel

from reconciler.model.members import FIELD, ApiMembers, resolved
from reconciler.service_models import Shape
from reconciler.spec.documents import values
from reconciler.spec.documents.base import Block
from reconciler.spec.scalar import Written

Path: TypeAlias = tuple[str | int, ...]

EACH: Final = "*"
"""Stands for any key or position in the path of a block."""

# -- where they stand


def api_of(block: Block | type[Block]) -> ApiMembers:
    """The API whose members `block` takes."""
    found: ApiMembers = import_module(f"reconciler.resources.{block.api}").API
    return found


def blocks(document: Block) -> Iterator[tuple[Path, Block]]:
    """Each block of a document that has members, with the path to it."""
    for pattern, _ in places(type(document)):
        for path, block in _following(document, pattern, ()):
            if getattr(block, FIELD):
                yield path, block


def _following(value: Any, pattern: tuple[str, ...], at: Path) -> Iterator[tuple[Path, Any]]:
    if value is None:
        return
    if not pattern:
        yield at, value
        return
    step, rest = pattern[0], pattern[1:]
    if step != EACH:
        yield from _following(getattr(value, step), rest, (*at, step))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _following(item, rest, (*at, key))
    else:
        for index, item in enumerate(value):
            yield from _following(item, rest, (*at, index))


@cache
def places(kind: type[BaseModel], inside: tuple[type, ...] = ()) -> tuple[tuple[tuple[str, ...], type[Block]], ...]:
    """The blocks in a document of this kind that may have members, with the paths to them."""
    if kind in inside:
        return ()
    found: list[tuple[tuple[str, ...], type[Block]]] = []
    if FIELD in kind.model_fields and issubclass(kind, Block):
        found.append(((), kind))
    for name, info in kind.model_fields.items():
        for steps, block in blocks_in(info.annotation, (name,)):
            found += [((*steps, *path), holder) for path, holder in places(block, (*inside, kind))]
    return tuple(found)


def blocks_in(annotation: Any, at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], type[Block]]]:
    """The blocks that a field of this type holds, with the paths to them."""
    if isinstance(annotation, type) and issubclass(annotation, Block):
        yield at, annotation
        return
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        for part in parts:
            yield from blocks_in(part, at)
    elif origin in (tuple, list, dict):
        for part in parts:
            yield from blocks_in(part, (*at, EACH))
    elif parts:  # Annotated
        yield from blocks_in(parts[0], at)


# -- as they are sent


def typed(api: ApiMembers, said: Mapping[str, Any]) -> dict[str, Any]:
    """`said`, which has no fault, in the types that the API takes."""
    found: dict[str, Any] = _typed(api.shape, said)
    return found if api.revised else resolved(api.shape, found)


def said(block: Block) -> dict[str, Any]:
    """The members of a block, in the types that the API takes."""
    values = getattr(block, FIELD)
    return typed(api_of(block), values) if values else {}


def _typed(shape: Shape, value: Any) -> Any:
    if value is None:
        return None
    match shape.kind:
        case "structure" if shape.members:
            return {name: _typed(shape.members[name], item) for name, item in value.items()}
        case "map":
            return {str(key): _typed(shape.item, item) for key, item in value.items()}
        case "list":
            return [_typed(shape.item, item) for item in value]
        case "structure":
            return plain(value)
        case _:
            return scalar(shape, value)


def scalar(shape: Shape, value: Any) -> Any:
    match shape.kind:
        case "boolean":
            return values.flag(value)
        case "integer" | "long":
            return values.whole(value)
        case "float" | "double":
            return values.number(value)
        case _:
            return values.text(value)


def plain(value: Any) -> Any:
    """A value of any shape, as JSON has it."""
    match value:
        case Written():
            return value.value
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value
