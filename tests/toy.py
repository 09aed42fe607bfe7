"""A small world to plan and act in: two resource types, and an AWS of dictionaries.

A `shelf` has a unique name; a `box` stands on a shelf, its size cannot be changed, its colour can. Enough to show every
rule of planning and execution without any of AWS's own.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

from reconciler import errors
from reconciler.model import ownership, resource
from reconciler.model.diff import Change
from reconciler.model.resource import Address, Call, Calls, Desired, Link, Observed, Ref, ServiceApi
from reconciler.model.resource_type import FieldMark, OwnedBy, Replace, ResourceType, Scope
from reconciler.model.type_registry import ResourceTypes

STACK = "toys"
toy = ServiceApi("toy")


class ShelfSpec(resource.Spec):
    height: int | None = None


class BoxSpec(resource.Spec):
    shelf: Annotated[Link, FieldMark.IMMUTABLE]
    size: Annotated[int, FieldMark.IMMUTABLE] = 1
    color: str | None = None
    labels: Annotated[tuple[str, ...], FieldMark.UNORDERED] | None = None
    options: Annotated[dict[str, str], FieldMark.PARTIAL] | None = None
    key: Annotated[str | None, FieldMark.SECRET] = None
    count: Annotated[int | None, OwnedBy("autoscaler")] = None
    version: Annotated[str | None, FieldMark.ROLLS] = None


class _Toy(ResourceType[Any]):
    creates: ClassVar[tuple[str, ...]] = ("CreateThing",)

    def observe(self, scope: Scope) -> Calls[list[Observed[Any]]]:
        answer = yield toy.list_things(kind=self.kind)
        return [
            Observed(
                ownership.address(item["tags"]) or Address(self.kind, item["name"]),
                item["id"],
                self.Spec.model_validate(item["spec"]),
                tags=item["tags"],
            )
            for item in answer["things"]
        ]

    def create(self, new: Desired[Any]) -> Calls[str]:
        answer = yield toy.create_thing(
            kind=self.kind, name=new.address.name, spec=new.spec.model_dump(), tags=dict(new.tags)
        )
        return answer["id"]  # type: ignore[no-any-return]

    def update(self, old: Observed[Any], new: Desired[Any], changes: tuple[Change, ...]) -> Calls[None]:
        names = sorted({change.field for change in changes})
        yield toy.modify_thing(id=old.id, spec={name: getattr(new.spec, name) for name in names})

    def delete(self, old: Observed[Any]) -> Calls[None]:
        yield toy.delete_thing(id=old.id)

    def update_tags(self, old: Observed[Any], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield toy.tag_thing(id=old.id, put=dict(put), drop=sorted(drop))


class Shelf(_Toy):
    kind: ClassVar[str] = "shelf"
    Spec = ShelfSpec


class Box(_Toy):
    kind: ClassVar[str] = "box"
    Spec = BoxSpec
    replace: ClassVar[Replace] = Replace.CREATE_FIRST
    observe_after: ClassVar[tuple[str, ...]] = ("shelf",)


KINDS = ResourceTypes([Shelf(), Box()])


class ToyAws:
    """Holds things by id. `fail` raises the error that it gives for a call; a shelf with boxes on it is `Blocked`."""

    def __init__(self) -> None:
        self.things: dict[str, dict[str, Any]] = {}
        self.calls: list[Call] = []
        self.fail: dict[str, errors.AwsError] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def perform(self, call: Call) -> dict[str, Any]:
        with self._lock:
            self.calls.append(call)
            for key in (str(call), f"{call} {call.params.get('name') or call.params.get('id')}"):
                if key in self.fail:
                    raise self.fail[key]
            if call.service == "resourcegroupstaggingapi":
                return {"ResourceTagMappingList": []}
            return getattr(self, call.operation)(**call.params)  # type: ignore[no-any-return]

    def put(
        self, kind: str, name: str, *, stack: str | None = STACK, tags: Mapping[str, str] | None = None, **spec: Any
    ) -> str:
        identifier = f"{kind}-{next(self._numbers)}"
        own = {} if stack is None else {ownership.STACK: stack, ownership.ADDRESS: f"{kind}/{name}"}
        self.things[identifier] = {
            "id": identifier,
            "kind": kind,
            "name": name,
            "spec": spec,
            "tags": {**own, **(tags or {})},
        }
        return identifier

    def ListThings(self, kind: str) -> dict[str, Any]:
        return {"things": [dict(item) for item in self.things.values() if item["kind"] == kind]}

    def CreateThing(self, kind: str, name: str, spec: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
        identifier = f"{kind}-{next(self._numbers)}"
        self.things[identifier] = {"id": identifier, "kind": kind, "name": name, "spec": spec, "tags": tags}
        return {"id": identifier}

    def ModifyThing(self, id: str, spec: dict[str, Any]) -> dict[str, Any]:
        self.things[id]["spec"] = {**self.things[id]["spec"], **spec}
        return {}

    def DeleteThing(self, id: str) -> dict[str, Any]:
        if id not in self.things:
            raise errors.Gone("gone", call="toy.DeleteThing", code="NotFound")
        if any(item["spec"].get("shelf") == id for item in self.things.values()):
            raise errors.Blocked("there are boxes on it", call="toy.DeleteThing", code="InUse")
        del self.things[id]
        return {}

    def TagThing(self, id: str, put: dict[str, str], drop: list[str]) -> dict[str, Any]:
        tags = {key: value for key, value in self.things[id]["tags"].items() if key not in drop}
        self.things[id]["tags"] = {**tags, **put}
        return {}


def want(kind: str, name: str, *, adopt: bool = False, protect: bool = False, **spec: Any) -> Desired[Any]:
    address = Address(kind, name)
    tags = ownership.tags_for(STACK, address, protect=protect, declared={})
    return Desired(
        address, KINDS[kind].Spec(**spec), tags=tags, adopt=adopt, protect=protect, where=f"specs/{name}.yaml:1"
    )


def shelf(name: str) -> Ref:
    return Ref(Address("shelf", name))
