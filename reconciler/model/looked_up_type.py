"""Looked-up type: the interface of a type that is only read, because others create and own it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from reconciler.model.resource import Calls, Desired, Observed, S
from reconciler.model.resource_type import ResourceType

if TYPE_CHECKING:
    from reconciler.model.diff import Change


class LookedUpType(ResourceType[S]):
    """A type that is only looked up: the planner plans no write for it, so none of these methods is ever called."""

    lookup: ClassVar[bool] = True

    def create(self, new: Desired[S]) -> Calls[str]:
        raise AssertionError(f"{new.address} is only looked up")

    def update(self, old: Observed[S], new: Desired[S], changes: tuple[Change, ...]) -> Calls[None]:
        raise AssertionError(f"{old.address} is only looked up")

    def delete(self, old: Observed[S]) -> Calls[None]:
        raise AssertionError(f"{old.address} is only looked up")

    def update_tags(self, old: Observed[S], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        raise AssertionError(f"{old.address} is only looked up")
