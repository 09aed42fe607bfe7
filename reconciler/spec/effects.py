"""What a change of a field means, found by compiling the examples with another value.

What then differs is classified by the resource types: they say which fields AWS cannot change, which ones start new
tasks, and what is replaced at all. Nothing is sent.

It is one module because the examples and the classes are of no use without each other.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final

import orjson
import yaml
from pydantic import BaseModel

from reconciler.errors import SpecInvalid
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.diff import fields as declared_fields
from reconciler.model.members import FIELD
from reconciler.model.resource import Address, Desired, Observed
from reconciler.model.resource_type import Replace
from reconciler.model.type_registry import discover
from reconciler.spec import other_values
from reconciler.spec.compile import compile_deliveries, compile_specs
from reconciler.spec.documents import KINDS
from reconciler.spec.load import Source, load_sources
from reconciler.spec.reference import Field, Path, fields
from reconciler.spec.specs import Specs

Document = dict[str, Any]
Place = tuple[str | int, ...]


class Effect(StrEnum):
    """What happens to what exists, from the least to the most."""

    IN_PLACE = "in place"
    ROLLOUT = "next rollout"
    NEXT_RUN = "next run"
    NEW_TASKS = "new tasks"
    RESOURCES = "creates or deletes resources"
    REPLACEMENT = "replacement"
    REFUSED = "refused"
    CREATION = "at creation only"
    NOTHING = "nothing in AWS"


MEANINGS: Final[Mapping[Effect, str]] = {
    Effect.IN_PLACE: "AWS changes the resource, and tasks go on",
    Effect.ROLLOUT: "nothing changes until the next rollout, which goes by it",
    Effect.NEXT_RUN: "it counts when the task is run the next time; what has run once is run again for a new revision",
    Effect.NEW_TASKS: "a new version of the service, which its deployment brings into production: tasks are replaced, "
    "or traffic shifts to new ones",
    Effect.RESOURCES: "some resources exist with it and others do not",
    Effect.REPLACEMENT: "AWS cannot change it: the plan is refused unless the resource may be replaced",
    Effect.REFUSED: "AWS cannot change it, and the resource is never replaced: the plan is refused",
    Effect.CREATION: "it is set when the resource is created, and belongs to a rollout or the autoscaler from then on",
    Effect.NOTHING: "it is about `reconciler` itself, or AWS keeps the value that it has",
}

ACCOUNT: Final = "123456789012"
STORED: Final = "effects.json"


@cache
def documents() -> tuple[Document, ...]:
    """The examples, as a working folder of specs. Together they have every field."""
    folder = files(__package__).joinpath("examples")
    texts = [entry.read_text(encoding="utf-8") for entry in sorted(folder.iterdir(), key=lambda one: one.name)]
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = [one for text in texts for one in yaml.load_all(text, Loader=loader)]
    order = list(KINDS)
    return tuple(sorted(found, key=lambda one: order.index(one["kind"])))


def example(field: Field) -> Document | None:
    """The part of an example that sets a field, there or where else its block may stand."""
    for path in (field.path, *same(field)):
        for document in documents():
            for place in _places(document, path[1:]) if document["kind"] == path[0] else ():
                return {"kind": document["kind"], "name": document["name"], **_extract(document, place)}
    return None


def example_of(at: Path, names: Collection[str]) -> Document | None:
    """The part of an example that sets these fields of a block, as far as they are in one place."""
    for document in documents():
        for place in _places(document, at[1:]) if document["kind"] == at[0] else ():
            block = _at(document, place)
            if isinstance(block, dict) and (shown := {key: value for key, value in block.items() if key in names}):
                short = copy.deepcopy(document)
                _set(short, place, shown) if place else None
                return {
                    "kind": document["kind"],
                    "name": document["name"],
                    **(_extract(short, place) if place else shown),
                }
    return None


def classified(field: Field) -> bool:
    """Whether the table has the field: it holds a value of its own, and an example sets it at this very path."""
    if field.inner or field.name in ("kind", FIELD):
        return False
    places = (_places(document, field.path[1:]) for document in documents() if document["kind"] == field.path[0])
    return any(True for found in places for _ in found)


def _at(value: Any, place: Place) -> Any:
    for step in place:
        value = value[step]
    return value


def _places(value: Any, path: Path, at: Place = ()) -> Iterator[Place]:
    """Where a field stands in a document; what has a short form may stand there without its fields."""
    if not path:
        yield at
        return
    step, rest = path[0], path[1:]
    if step == "*":
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in items:
            yield from _places(item, rest, (*at, key))
    elif isinstance(value, dict) and step in value:
        yield from _places(value[step], rest, (*at, step))


def _extract(value: Any, place: Place) -> Any:
    if not place:
        return copy.deepcopy(value)
    inner = _extract(value[place[0]], place[1:])
    return [inner] if isinstance(place[0], int) else {place[0]: inner}


# -- another value


@dataclass(frozen=True, slots=True)
class _Compiled:
    resources: Mapping[Address, Desired[Any]]
    deliveries: Mapping[str, str]
    documents: tuple[Any, ...]


def loaded(every: Iterable[Document]) -> Specs:
    """Documents as specs, with a file for each."""
    texts = {f"{number:02}.yaml": yaml.safe_dump(one, sort_keys=False) for number, one in enumerate(every)}
    return load_sources([Source(name, name, text.encode()) for name, text in texts.items()])


def _compiled(every: Iterable[Document]) -> _Compiled | None:
    """None if they are not valid."""
    specs = loaded(every)
    if not specs.ok:
        return None
    try:
        wants = compile_specs(specs, account=ACCOUNT)
        resources = {want.address: want for want in wants if not discover()[want.address.kind].of_others}
    except SpecInvalid:
        return None
    deliveries = {str(one.service): repr(one.policy) for one in compile_deliveries(specs)}
    return _Compiled(resources, deliveries, specs.documents)


@cache
def _before() -> _Compiled:
    found = _compiled(documents())
    assert found is not None, "the examples are valid"
    return found


def computed(field: Field) -> tuple[Effect, ...]:
    """What a change of the field means; empty if no other value of it is valid without a change of other fields.

    It takes a moment: each value is validated and compiled with all examples.
    """
    valid = False
    for number, document in enumerate(documents()):
        for place in _places(document, field.path[1:]) if document["kind"] == field.path[0] else ():
            for changed in _others(document, place, field):
                after = _compiled((*documents()[:number], changed, *documents()[number + 1 :]))
                if after is None or after.documents == _before().documents:
                    continue
                valid = True
                if found := _differences(_before(), after):
                    return tuple(effect for effect in Effect if effect in found)
    return (Effect.NOTHING,) if valid else ()


@cache
def stored() -> dict[str, list[str]]:
    """Path → effects, of each field that an example sets."""
    found: dict[str, list[str]] = orjson.loads(files(__package__).joinpath(STORED).read_bytes())
    return found


def effects(field: Field) -> tuple[Effect, ...]:
    """The same, as it was computed when the reference was generated."""
    key = next((one for one in keys(field) if one in stored()), "")
    return tuple(map(Effect, stored().get(key, ())))


def keys(field: Field) -> Iterator[str]:
    """Where the table has a field: under its own path, or that of another place of its block."""
    yield ".".join(field.path)
    for path in same(field):
        yield ".".join(path)


@cache
def _everywhere() -> Mapping[tuple[type[Any], str], tuple[Path, ...]]:
    """The paths of each field of each block; those that every document has are of one block."""
    found: dict[tuple[type[Any], str], list[Path]] = {}
    for kind in KINDS:
        for field in fields(kind):
            found.setdefault((owner(field), field.name), []).append(field.path)
    return {key: tuple(paths) for key, paths in found.items()}


def owner(field: Field) -> type[Any]:
    """The block that declares a field: `Document` of those that every document has."""
    name = next(name for name, info in field.block.model_fields.items() if (info.alias or name) == field.name)
    declaring = [one for one in field.block.__mro__ if name in vars(one).get("__annotations__", {})]
    return field.block if declaring[0] is field.block or name == "name" else declaring[-1]


def same(field: Field) -> tuple[Path, ...]:
    return _everywhere()[owner(field), field.name]


def _others(document: Document, place: Place, field: Field) -> Iterator[Document]:
    for value in other_values.of(field, _at(document, place)):
        changed = copy.deepcopy(document)
        _set(changed, place, value)
        yield changed
    if isinstance(place[-1], str):
        changed = copy.deepcopy(document)
        _set(changed, place, None)
        yield changed


def _set(document: Any, place: Place, value: Any) -> None:
    for step in place[:-1]:
        document = document[step]
    if value is None:
        del document[place[-1]]
    else:
        document[place[-1]] = value


# -- what differs


def _differences(before: _Compiled, after: _Compiled) -> set[Effect]:
    one, other = before.resources, after.resources
    found = {Effect.RESOURCES} if one.keys() != other.keys() else set()
    for address in one.keys() & other.keys():
        # both ways: what one of the two does not declare is not compared
        found |= _of_resource(one[address], other[address]) | _of_resource(other[address], one[address])
    if not found and before.deliveries != after.deliveries:
        found = {Effect.ROLLOUT}
    return found


def _of_resource(old: Desired[Any], new: Desired[Any]) -> set[Effect]:
    kind, found = discover()[new.address.kind], set[Effect]()
    if kind.lookup:
        return found
    changes = diff(Observed(old.address, "id", old.spec), new.spec)
    for change in changes:
        if change.event:
            continue
        if kind.revisions or change.rolls:
            found.add(Effect.NEW_TASKS)
        elif change.immutable:
            found.add(Effect.REFUSED if kind.replace is Replace.NEVER else Effect.REPLACEMENT)
        else:
            found.add(Effect.NEXT_RUN if kind.runs_to_completion else Effect.IN_PLACE)
    if _set_by_documents(old.tags) != _set_by_documents(new.tags):
        found.add(Effect.IN_PLACE)
    if _owned(old, new):
        found.add(Effect.CREATION)
    return found


def _set_by_documents(tags: Mapping[str, str]) -> dict[str, str]:
    """Without the tag that remembers which fields were stated: it changes with them."""
    return {name: value for name, value in tags.items() if name != ownership.FIELDS}


def _owned(old: Desired[Any], new: Desired[Any]) -> bool:
    """Whether a field differs that the specs set once, and that somebody else owns from then on."""
    spec: type[BaseModel] = type(new.spec)
    owned = [item.name for item in declared_fields(spec) if item.owner != "spec"]
    return any(getattr(old.spec, name) != getattr(new.spec, name) for name in owned)
