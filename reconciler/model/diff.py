"""Diff of a resource as it is and as it is declared, field by field, over the declared fields.

The comparison is left-scoped: a field that the specs leave out belongs to AWS or somebody else, and is not compared.
`deepdiff` finds the paths; importing it takes a third of a second, so it is used only if something is known to differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from reconciler.model.members import ApiMembers
from reconciler.model.resource import Observed, S, Spec
from reconciler.model.resource_type import FieldMark, OwnedBy
from reconciler.model.secrecy import sensitive


class Absent(StrEnum):
    ABSENT = "(absent)"


ABSENT = Absent.ABSENT


@dataclass(frozen=True, slots=True)
class Change:
    """One field: path, old and new value. A `Ref` is an id that is known only after apply.

    `release`: the specs name something that is looked up, an image by its tag, or something that has revisions, and
    what it stands for is new. `loss`: it removes from an adopted resource what its document does not mention, and the
    document accepts that. `origin` is the lookup that the new value comes from, for people.
    """

    path: tuple[str, ...]
    old: Any
    new: Any
    immutable: bool = False
    rolls: bool = False
    secret: bool = False
    release: bool = False
    loss: bool = False
    event: bool = False
    origin: str = ""

    @property
    def field(self) -> str:
        return self.path[0]

    def __str__(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    marks: frozenset[FieldMark]
    owner: str


@cache
def fields(spec: type[BaseModel]) -> tuple[Field, ...]:
    """A spec's fields with what their annotations say of them."""
    found = []
    for name, info in spec.model_fields.items():
        notes = [*info.metadata, *_notes(info.annotation)]
        marks = frozenset(item for item in notes if isinstance(item, FieldMark))
        owners = [item.owner for item in notes if isinstance(item, OwnedBy)]
        found.append(Field(name, marks, owners[0] if owners else "spec"))
    return tuple(found)


def _notes(annotation: Any) -> Iterator[Any]:
    """Notes inside `Annotated[…] | None`, which pydantic does not attribute to the field."""
    for part in get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ():
        yield from getattr(part, "__metadata__", ())


def diff(old: Observed[S], new: S) -> tuple[Change, ...]:
    """The changes from `old` to `new`, in the order of the spec's fields.

    Secrets are marked, because values set by hand in an account may be ones that the specs would refuse.
    """
    changes: list[Change] = []
    for item in fields(type(new)):
        want, have = getattr(new, item.name), getattr(old.spec, item.name)
        if want is None or want == have or item.owner != "spec" or item.name in old.unread:
            continue
        plain_want, plain_have = _plain(want, have, item.marks)
        if plain_want == plain_have:
            continue
        for path, before, after in _paths(plain_have, plain_want):
            marks = item.marks | (_of_member(new, path) if FieldMark.MEMBERS in item.marks else frozenset())
            changes.append(
                Change(
                    (item.name, *path),
                    before,
                    after,
                    immutable=FieldMark.IMMUTABLE in marks,
                    rolls=FieldMark.ROLLS in marks,
                    secret=FieldMark.SECRET in item.marks or sensitive(path, before, after),
                    event=FieldMark.EVENT in item.marks,
                )
            )
    return tuple(changes)


def _of_member(spec: BaseModel, path: tuple[str, ...]) -> frozenset[FieldMark]:
    """The marks of an API member of `spec`, by the API's model."""
    api: ApiMembers = type(spec).api  # type: ignore[attr-defined]  # a field with this mark comes with it
    marks = {FieldMark.ROLLS} if path[0] in api.rolls else set()
    return frozenset(marks if api.updatable(path[:1]) else marks | {FieldMark.IMMUTABLE})


def value_at(value: Any, path: tuple[str, ...]) -> Any:
    """What stands in a spec at the path of a change; None where there is nothing."""
    for step in path:
        match value:
            case BaseModel():
                value = getattr(value, step, None)
            case Mapping():
                value = next((item for key, item in value.items() if str(key) == step), None)
            case tuple():
                value = next((item for item in value if str(item) == step), None)
            case _:
                return None
    return value


def declared(spec: BaseModel) -> dict[str, Any]:
    """All declared values of a spec as plain values, as shown for a creation."""
    found = {}
    for item in fields(type(spec)):
        want = getattr(spec, item.name)
        if want is not None:
            found[item.name] = "(sensitive)" if FieldMark.SECRET in item.marks else _shown(want)
    return found


def _shown(value: Any) -> Any:
    """Plain values, with sequences as lists; empty nested declarations are left out."""
    match value:
        case BaseModel():
            return {key: item for key, item in declared(value).items() if item not in ("", (), [], {}, None)}
        case Mapping():
            return {str(key): _shown(item) for key, item in value.items()}
        case tuple() | list():
            return [_shown(item) for item in value]
        case _:
            return value


def _plain(want: Any, have: Any, marks: frozenset[FieldMark] = frozenset()) -> tuple[Any, Any]:
    """Both sides as plain values, the right one narrowed to the fields of the left one."""
    if isinstance(want, BaseModel):
        pairs = {
            item.name: _plain(getattr(want, item.name), getattr(have, item.name, None), item.marks)
            for item in fields(type(want))
            if (_whole(want) or getattr(want, item.name) is not None) and item.owner == "spec"
        }
        left = {name: pair[0] for name, pair in pairs.items() if pair[0] is not None}
        right = {name: pair[1] for name, pair in pairs.items() if pair[1] is not None}
        return left, (right if isinstance(have, BaseModel) else _leaf(have))
    if isinstance(want, Mapping):
        others = have if isinstance(have, Mapping) else {}
        pairs = {str(key): _plain(value, others.get(key)) for key, value in want.items()}
        left = {key: pair[0] for key, pair in pairs.items()}
        right = {str(key): pairs[str(key)][1] if key in want else _alone(others[key]) for key in others}
        if FieldMark.PARTIAL in marks:
            right = {key: value for key, value in right.items() if key in left}
        return left, (right if isinstance(have, Mapping) else _leaf(have))
    if FieldMark.UNORDERED in marks and isinstance(want, tuple):
        theirs = {str(item): item for item in have} if isinstance(have, tuple) else {}
        pairs = {str(item): _plain(item, theirs.get(str(item))) for item in want}
        left = {key: pair[0] for key, pair in pairs.items()}
        return left, {key: pairs[key][1] if key in pairs else _alone(item) for key, item in theirs.items()}
    return _leaf(want), _leaf(have) if want is not None else _alone(have)


def _whole(spec: BaseModel) -> bool:
    return isinstance(spec, Spec) and spec.whole


def _alone(value: Any) -> Any:
    return _plain(value, None)[0] if isinstance(value, BaseModel | Mapping) else _leaf(value)


def _leaf(value: Any) -> Any:
    """Ordered sequences are compared as a whole: a command line is one value."""
    if isinstance(value, tuple | list):
        return json.dumps([_alone(item) for item in value], ensure_ascii=False, default=str)
    return value


def _paths(have: Any, want: Any) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if not (isinstance(have, Mapping) and isinstance(want, Mapping)):
        yield (), (ABSENT if have is None else have), want
        return
    from deepdiff import DeepDiff

    rows = []
    for levels in DeepDiff(have, want, view="tree", threshold_to_diff_deeper=0).values():
        for level in levels:
            path = tuple(str(step) for step in level.path(output_format="list"))
            rows.append((path, _side(level.t1), _side(level.t2)))
    yield from sorted(rows, key=lambda row: row[0])


def _side(value: Any) -> Any:
    return ABSENT if type(value).__name__ == "NotPresent" else value
