"""Check of drift rules: that there are resources, and fields of them, that a rule can be about.

It takes specs that can be compiled, and time: the resource types are loaded. Specs without drift rules are not checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel

from reconciler.model.resource_type import FieldMark, ResourceType
from reconciler.spec.diagnostics import Diagnostic, did_you_mean
from reconciler.spec.documents import Stack
from reconciler.spec.messages import joined, shown
from reconciler.spec.specs import Specs

TAGS: Final = "tags"
WILDCARDS: Final = frozenset("*?[")


def check(specs: Specs) -> Iterator[Diagnostic]:
    """The findings of specs without an error."""
    if specs.stack is not None and specs.stack.drift:
        yield from _found(specs, specs.stack)


def _found(specs: Specs, stack: Stack) -> Iterator[Diagnostic]:
    from reconciler.model.type_registry import discover
    from reconciler.spec.compile import compile_each

    types = {name: kind for name, kind in discover().items() if not kind.lookup}
    addresses = sorted({str(want.address) for _, want in compile_each(specs)})
    for index, rule in enumerate(stack.drift):
        named, _, _ = rule.match.partition("/")
        about = {name: kind for name, kind in types.items() if fnmatchcase(name, named) or _begins(rule.match, name)}
        place = specs.where(stack, "drift", index, "match")
        if not about:
            message = f"match: no resource type is called {shown(named)}"
            yield Diagnostic("E2031", message, place, hint=did_you_mean(named, types))
            continue
        if not any(fnmatchcase(address, rule.match) for address in addresses):
            hint = did_you_mean(rule.match, [one for one in addresses if one.partition("/")[0] in about])
            yield Diagnostic("W1156", f"match: no resource of the specs is {shown(rule.match)}", place, hint=hint)
        if (missing := missing_field(rule.path, about)) is not None:
            at = specs.where(stack, "drift", index, "path")
            yield Diagnostic("E1158", missing[0], at, hint=did_you_mean(*missing[1:]))


def _begins(pattern: str, name: str) -> bool:
    """Whether it may fit an address of the type; a wildcard also stands for a slash."""
    return any(fnmatchcase(f"{name}/", pattern[:end]) for end in range(1, len(pattern) + 1))


def missing_field(path: str, types: Mapping[str, ResourceType[Any]]) -> tuple[str, str, Sequence[str]] | None:
    """Why none of the types has such a field, the step that is wrong, and what there is in its place."""
    steps, deepest = path.split("."), (-1, list[str]())
    for kind in types.values():
        if fnmatchcase(TAGS, steps[0]):
            return None
        depth, names = _walked(kind.Spec, steps, 0)
        if depth == len(steps):
            return None
        deepest = max(deepest, (depth, names), key=lambda one: one[0])
    depth, names = deepest
    wrong = steps[depth]
    about = joined(sorted(types)) if len(types) <= 3 else "none of these types"
    inside = f" in {shown('.'.join(steps[:depth]))}" if depth else ""
    known = (*names, *(() if depth else (TAGS,)))
    has = "has no field" if len(types) <= 3 else "has a field"
    what = f"{about} {has} {shown(wrong)}{inside}"
    return f"path: {what}", wrong, sorted(set(known))


def _walked(annotation: Any, steps: Sequence[str], at: int, *, unordered: bool = False) -> tuple[int, list[str]]:
    """How many steps of a path lead to something, and which fields there are where that ends."""
    if at == len(steps):
        return at, []
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _in_block(annotation, steps, at)
    parts = get_args(annotation)
    match get_origin(annotation):
        case origin if origin is Annotated:
            return _walked(parts[0], steps, at, unordered=unordered or FieldMark.UNORDERED in parts[1:])
        case origin if origin in (Union, UnionType):
            return max((_walked(one, steps, at, unordered=unordered) for one in parts), key=lambda one: one[0])
        case origin if origin is dict:  # only keys of plain values have dots
            block = _block_of(parts[1])
            return (len(steps), []) if block is None else _in_block(block, steps, at + 1)
        case origin if origin is tuple:
            return (len(steps), []) if unordered else (at, [])
    return (len(steps), []) if annotation is Any else (at, [])


def _block_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((block for part in get_args(annotation) if (block := _block_of(part)) is not None), None)


def _in_block(block: type[BaseModel], steps: Sequence[str], at: int) -> tuple[int, list[str]]:
    if at == len(steps):
        return at, []
    fields, step = block.model_fields, steps[at]
    found = [info for name, info in fields.items() if fnmatchcase(name, step)]
    if not WILDCARDS.isdisjoint(step):
        return len(steps), []  # it may stand for any number of steps
    ends = [_walked(info.annotation, steps, at + 1, unordered=FieldMark.UNORDERED in info.metadata) for info in found]
    return max(ends, key=lambda one: one[0], default=(at, sorted(fields)))
