"""Service models: what each operation of an AWS service takes and answers, as botocore describes it.

They are read from botocore's own files, so that a new member is known as soon as botocore is updated. botocore itself
is not imported, and a model is read when it is first asked for: most commands and most specs ask for none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

PARTITIONS = "partitions.json"
FILES = ("service-2.json", "service-2.json.gz")


@dataclass(frozen=True)
class Shape:
    """A type in a service model. Two of one name and service are the same."""

    service: str
    name: str
    more: tuple[tuple[str, Shape], ...] = ()
    """Further members, of another operation."""

    @cached_property
    def _said(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = _model(self.service)["shapes"][self.name]
        return found

    @property
    def kind(self) -> str:
        """`structure`, `list`, `map`, `boolean`, `integer`, `long`, `float`, `double`, `string` and the like."""
        kind: str = self._said["type"]
        return kind

    @cached_property
    def members(self) -> Mapping[str, Shape]:
        """Of a structure, by name."""
        own = {name: Shape(self.service, item["shape"]) for name, item in self._said.get("members", {}).items()}
        return own | dict(self.more)

    @cached_property
    def item(self) -> Shape:
        """Of a list the type of its items, of a map that of its values."""
        inner = self._said["member"] if self.kind == "list" else self._said["value"]
        return Shape(self.service, inner["shape"])

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(self._said.get("required", ()))

    @property
    def choices(self) -> tuple[str, ...]:
        return tuple(self._said.get("enum", ()))

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Smallest and largest number, length or count."""
        return self._said.get("min"), self._said.get("max")

    @property
    def pattern(self) -> str:
        return str(self._said.get("pattern", ""))

    @property
    def sensitive(self) -> bool:
        return bool(self._said.get("sensitive"))

    @property
    def union(self) -> bool:
        """Whether a structure has exactly one of its members."""
        return bool(self._said.get("union"))

    def documentation(self, member: str) -> str:
        """What the model says of a member of a structure, as HTML."""
        item = self._said["members"][member]
        own: str = item.get("documentation") or _model(self.service)["shapes"][item["shape"]].get("documentation", "")
        return own

    def at(self, *path: str) -> Shape | None:
        """The type at a path of member names, through lists and maps; None if there is none."""
        shape: Shape | None = self
        for step in path:
            while shape is not None and shape.kind == "list":
                shape = shape.item
            if shape is None:
                return None
            shape = shape.item if shape.kind == "map" else shape.members.get(step)
        return shape

    def leaves(self, path: tuple[str, ...] = (), inside: frozenset[str] = frozenset()) -> Iterator[tuple[str, ...]]:
        """The paths of everything in it that is not made of other members; a map's value is `*`."""
        if self.name in inside:
            yield path
            return
        inside |= {self.name}
        match self.kind:
            case "structure" if self.members:
                for name, shape in self.members.items():
                    yield from shape.leaves((*path, name), inside)
            case "list":
                yield from self.item.leaves(path, inside)
            case "map":
                yield from self.item.leaves((*path, "*"), inside)
            case _:
                yield path


@cache
def takes(service: str, operation: str) -> Shape:
    """The parameters of an operation. Raises `KeyError` where the service or the operation does not exist."""
    return Shape(service, _model(service)["operations"][operation]["input"]["shape"])


def shape(service: str, name: str) -> Shape:
    """A type by its name."""
    return Shape(service, name)


@cache
def regions() -> frozenset[str]:
    """The regions of all partitions that botocore knows."""
    import orjson

    for folder in _folders():
        if (folder / PARTITIONS).is_file():
            partitions = orjson.loads((folder / PARTITIONS).read_bytes())["partitions"]
            found = (name for partition in partitions for name in partition["regions"])
            return frozenset(name for name in found if name[-1].isdigit())
    raise KeyError(PARTITIONS)


@cache
def _model(service: str) -> dict[str, Any]:
    import gzip

    import orjson

    for folder in _folders():
        for version in sorted((folder / service).glob("*/"), reverse=True):
            for name in FILES:
                file = version / name
                if file.is_file():
                    data = file.read_bytes()
                    found: dict[str, Any] = orjson.loads(gzip.decompress(data) if name.endswith(".gz") else data)
                    return found
    raise KeyError(service)


def _folders() -> Iterator[Path]:
    """In the order in which botocore looks."""
    import importlib.util

    for path in os.environ.get("AWS_DATA_PATH", "").split(os.pathsep):
        if path:
            yield Path(path).expanduser()
    yield Path(os.path.expanduser("~/.aws/models"))  # as it stands for a user without a home, as in botocore
    botocore = importlib.util.find_spec("botocore")
    for place in (botocore.submodule_search_locations or ()) if botocore is not None else ():
        yield Path(place) / "data"
