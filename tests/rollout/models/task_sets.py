"""Task sets that are ours, and that people can delete and scale, too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from tests.rollout import world
from tests.rollout.models import Model
from tests.rollout.world import State


class TaskSets(Model):
    engine: ClassVar[str] = "task_sets"

    def disturbances(self, state: State) -> Iterator[tuple[str, State]]:
        yield from world.disturbances(state)
        yield from world.by_hand(state)
