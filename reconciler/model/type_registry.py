"""Registry of the resource types: every module of reconciler/resources, found without a list of them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from reconciler.model.resource_type import ResourceType


class ResourceTypes(Mapping[str, ResourceType[Any]]):
    """All resource types by name."""

    def __init__(self, kinds: Iterable[ResourceType[Any]]) -> None:
        self._kinds: dict[str, ResourceType[Any]] = {}
        for kind in kinds:
            if kind.kind in self._kinds:
                raise TypeError(f"two resource types call themselves {kind.kind!r}")
            self._kinds[kind.kind] = kind

    def __getitem__(self, name: str) -> ResourceType[Any]:
        return self._kinds[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)


@cache
def discover() -> ResourceTypes:
    """Every type in reconciler/resources, one module each; modules with an underscore are shared."""
    package = "reconciler.resources"
    found: list[ResourceType[Any]] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(importlib.import_module(package).__path__)):
        if module.startswith("_"):
            continue
        members = vars(importlib.import_module(f"{package}.{module}")).values()
        found += [
            member()
            for member in members
            if isinstance(member, type)
            and issubclass(member, ResourceType)
            and "kind" in vars(member)
            and member.__module__ == f"{package}.{module}"
        ]
    return ResourceTypes(found)
