"""Validation of one document, with messages at the exact position."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.model.members import FIELD
from reconciler.spec import other_spellings, placeholders
from reconciler.spec.diagnostics import Diagnostic, did_you_mean, nearest
from reconciler.spec.documents import KINDS, Document
from reconciler.spec.messages import described, joined, shown
from reconciler.spec.naming import Naming
from reconciler.spec.node import Mapping, Node, Scalar, Sequence, locate, plain

_MOST = 100
"""Findings in one document; beyond them a person fixes the first ones first."""
_MOST_FIELDS = 16
Path = tuple[str | int, ...]


def validate(root: Mapping, naming: Naming | None = None) -> tuple[Document | None, list[Diagnostic]]:
    """The document, whose names in AWS are made by `naming`, or why it is none."""
    kind = root.text("kind")
    if kind not in KINDS:
        return None, [_unknown_kind(root, kind)]
    empty = list(_nulls(root, ()))
    found = [_empty(root, path) for path in empty[:_MOST]]
    try:
        document = KINDS[kind].model_validate(plain(root), context=naming)
    except ValidationError as error:
        return None, found + _faults(error, root, KINDS[kind], set(empty))
    return (None, found) if found else (document, found)


def _faults(error: ValidationError, root: Mapping, kind: type[Document], empty: set[Path]) -> list[Diagnostic]:
    """The first hundred; not those about values that are empty anyway, or missing only because they are misspelled."""
    located = []
    for details in error.errors(include_url=False)[:_MOST]:
        path = tuple(step for step in details["loc"] if step != "[key]")
        if not any(path[:length] in empty for length in range(1, len(path) + 1)):
            located.append((details, path))
    meant = {
        (*path[:-1], nearest(str(_last(path)), _fields(path[:-1], kind)))
        for details, path in located
        if details["type"] == "extra_forbidden"
    }
    return [
        _translated(details, path, root, kind)
        for details, path in located
        if not (details["type"] == "missing" and path in meant)
    ]


def _empty(root: Mapping, path: Path) -> Diagnostic:
    what = shown(path[-1]) if isinstance(_last(path), str) else f"an item of {_subject(path)[:-2]}"
    unquoted = path[-1] in placeholders.NAMES and len(path) > 1
    hint = f'a placeholder stands in quotes: "{{{path[-1]}}}"' if unquoted else "remove it, or give it a value"
    return Diagnostic("E1104", f"{what} has no value", locate(root, path, key=True), hint=hint)


def _unknown_kind(root: Mapping, kind: str | None) -> Diagnostic:
    if kind is None:
        entry = root.entries.get("kind")
        place = root.position if entry is None else entry.key.position
        return Diagnostic("E1101", f"a document needs 'kind', one of {joined(KINDS)}", place)
    hint = did_you_mean(kind, KINDS) or next(
        (f"did you mean '{name}'?" for name in KINDS if name.lower() == kind.lower()), ""
    )
    place = locate(root, ("kind",))
    return Diagnostic("E1101", f"unknown kind {shown(kind)}; available: {joined(KINDS, 'and')}", place, hint=hint)


def _translated(details: ErrorDetails, path: Path, root: Mapping, kind: type[BaseModel]) -> Diagnostic:
    """One pydantic error as a finding. Types that begin with E are our own rules."""
    sort, context, value = details["type"], details.get("ctx", {}), details["input"]
    place = locate(root, path)
    subject = _subject(path)
    if sort == "missing":
        block = _block(path[:-1], kind)
        return Diagnostic("E1103", f"{block} needs '{_last(path)}'", locate(root, path[:-1] or ("kind",)))
    if sort == "extra_forbidden":
        block, name = _block(path[:-1], kind), str(_last(path))
        known = _fields(path[:-1], kind)
        hint = did_you_mean(name, known) or _those_that_exist(known, kind)
        return Diagnostic("E1102", f"unknown field {shown(name)} in {block}", locate(root, path, key=True), hint=hint)
    if details["loc"] and details["loc"][-1] == "[key]":
        place, subject = locate(root, path, key=True), ""
    if sort.startswith("E"):
        inner = tuple(context.get("at", ()))
        place = locate(root, (*path, *inner), key=bool(inner) and isinstance(inner[-1], str)) if inner else place
        hint = context.get("hint", "") or ("" if inner else other_spellings.hint(_name(path), value))
        return Diagnostic(sort, subject + context["message"], place, hint=hint)
    rule, message, hint = _fault(sort, context, value)
    return Diagnostic(rule, subject + message, place, hint=hint or other_spellings.hint(_name(path), value))


def _those_that_exist(names: list[str], kind: type[BaseModel]) -> str:
    """As many as a person reads at once, in the order of the reference, which has the common ones first."""
    if not names:
        return ""
    shown_names, more = names[:_MOST_FIELDS], len(names) - _MOST_FIELDS
    rest = f" and {more} more; see `reconciler explain {kind.__name__}`" if more > 0 else ""
    return f"its fields: {', '.join(shown_names)}{rest}"


def _name(path: Path) -> str:
    """The field that a value is in, whether by itself or in a list."""
    return next((step for step in reversed(path) if isinstance(step, str)), "")


def _fault(sort: str, context: dict[str, Any], value: object) -> tuple[str, str, str]:
    """Rule, message and hint of pydantic's own error types, as far as documents can provoke them."""
    match sort:
        case "literal_error":
            allowed = [
                word for word in str(context["expected"]).replace(" or ", ", ").replace("'", "").split(", ") if word
            ]
            found = shown(value) if isinstance(value, str) else described(value)
            hint = did_you_mean(value, allowed) if isinstance(value, str) else ""
            return "E1107", f"expected {joined(allowed)}, found {found}", hint
        case "greater_than_equal":
            return "E1106", f"must be at least {context['ge']:g}", ""
        case "less_than_equal":
            return "E1106", f"must be at most {context['le']:g}", ""
        case "string_too_short":
            return "E1106", "must not be empty", ""
        case "string_too_long":
            return "E1106", f"must have at most {context['max_length']} characters", ""
        case "too_short":
            return "E1106", f"needs at least {context['min_length']}", ""
        case "too_long":
            return "E1106", f"takes at most {context['max_length']}", ""
        case "tuple_type" | "list_type":
            hint = "put it in [brackets]" if isinstance(value, str) else ""
            return "E1105", f"expected a list, found {described(value)}", hint
        case "dict_type" | "model_type" | "model_attributes_type":
            return "E1105", f"expected a mapping, found {described(value)}", ""
        case "string_type":
            return "E1105", f"expected text, found {described(value)}", ""
        case _:
            return "E1105", f"{described(value)} is not valid here", ""


def _nulls(node: Node, path: Path) -> Iterator[Path]:
    match node:
        case Scalar(value=None):
            yield path
        case Mapping():
            for name, entry in node.entries.items():
                if name != FIELD:  # there it removes a member
                    yield from _nulls(entry.value, (*path, name))
        case Sequence():
            for index, item in enumerate(node.items):
                yield from _nulls(item, (*path, index))


def _block(path: Path, kind: type[BaseModel]) -> str:
    """`DeploymentStrategy`, or `Service task.containers.frontend`."""
    return f"{kind.__name__} {spelled(path)}".rstrip()


def spelled(path: Path) -> str:
    """subnets[0].cidr"""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return shown(text, longest=80)[1:-1]


def _subject(path: Path) -> str:
    names = [step for step in path if isinstance(step, str)]
    return f"{shown(names[-1])[1:-1]}: " if names else ""


def _last(path: Path) -> str | int:
    return path[-1] if path else ""


def _fields(path: Path, kind: Any) -> list[str]:
    """The names that the block at `path` takes, as they are written."""
    for step in path:
        block = _model(kind)
        if block is not None and isinstance(step, str):
            kind = next(
                (info.annotation for name, info in block.model_fields.items() if step in (name, info.alias)), None
            )
        else:
            kind = next((argument for argument in reversed(get_args(_bare(kind))) if argument is not Ellipsis), None)
    block = _model(kind)
    return [info.alias or name for name, info in block.model_fields.items()] if block is not None else []


def _bare(kind: Any) -> Any:
    """Without Annotated and `| None`."""
    while True:
        if hasattr(kind, "__metadata__"):
            kind = kind.__origin__
        elif get_origin(kind) in (Union, UnionType):
            kind = next(argument for argument in get_args(kind) if argument is not type(None))
        else:
            return kind


def _model(kind: Any) -> type[BaseModel] | None:
    bare = _bare(kind)
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None
