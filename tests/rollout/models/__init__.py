"""What AWS does under each engine, for the explorer: one module for each engine that it walks, named after it.

A module has one subclass of `Model`, and says what the engine's actions do, what follows by itself, and what people and
AWS may do besides. Everything else (tasks, versions, requests, crashes) is in `world`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import ClassVar

from reconciler.rollout.actions import RolloutAction
from reconciler.rollout.state import ObservedService
from reconciler.rollout.strategy import Strategy
from tests.rollout import world
from tests.rollout.world import State


class Model:
    """One engine's world. What is not overridden is that of a service whose task sets are ours."""

    engine: ClassVar[str]

    lags: ClassVar[tuple[str, ...]] = world.LAGS
    """Fields of the truth that reads may show late."""

    def __init__(self, policy: Strategy) -> None:
        self.policy = policy

    def at_rest(self, wanted: str, budget: int) -> State:
        """A serves, and something is wanted."""
        return world.at_rest(wanted, budget)

    def asleep(self, wanted: str, budget: int) -> State:
        """A has no tasks, because none are wanted, and something new is."""
        return world.asleep(wanted, budget)

    def empty(self, wanted: str, budget: int) -> State:
        """Nothing was ever promoted."""
        return world.empty(wanted, budget)

    def view(self, state: State) -> ObservedService:
        """What a read answers now."""
        return world.view(state)

    def carried_out(self, state: State, decision: RolloutAction) -> ObservedService:
        """The truth after an action. Raises `errors.StalePlan` where AWS refuses it."""
        return world.carried_out(state, decision)

    def amounts_to(self, policy: Strategy, state: State, decision: RolloutAction) -> Iterable[RolloutAction]:
        """What the laws hold an action to: those of no engine in particular that it stands for."""
        return (decision,)

    def due(self, state: State) -> State:
        """The stored deadline runs out."""
        return world.due(state)

    def progress(self, state: State) -> Iterator[tuple[str, State]]:
        """What AWS does next by itself."""
        yield from world.progress(state)

    def timers(self, state: State, idle: Callable[[], bool]) -> Iterator[tuple[str, State]]:
        """What AWS does once a time of its own is over, which may be at any moment. `idle`: a look changes nothing."""
        yield from ()

    def at_last(self, state: State) -> Iterator[tuple[str, State]]:
        """What AWS does when nobody has done anything for long, and nothing else happens."""
        yield from ()

    def disturbances(self, state: State) -> Iterator[tuple[str, State]]:
        """What may happen between two steps of ours, at a price."""
        yield from world.disturbances(state)

    def mishaps(self, state: State, after: State) -> Iterator[tuple[str, State]]:
        """What may go wrong in the middle of a step, at a price."""
        yield from world.mishaps(state, after, self.lags)


@cache
def models() -> Mapping[str, type[Model]]:
    """Every model by the name of its engine."""
    found: dict[str, type[Model]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for member in vars(module).values():
            if isinstance(member, type) and issubclass(member, Model) and member.__module__ == module.__name__:
                found[member.engine] = member
    return found


def model_of(policy: Strategy) -> Model:
    return models()[policy.engine](policy)
