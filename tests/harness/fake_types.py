"""The toy world under the same harnesses: breadth, where moto gives depth. A world takes milliseconds.

What a toy can be made twice of, AWS could too: a `shelf` or a `box` has no name that AWS would hold against a second.
"""

from __future__ import annotations

import copy
import random
import threading
from typing import Any

from reconciler.aws.client import AwsClient, Transport
from reconciler.clock import Clock, ManualClock
from reconciler.model import ownership
from reconciler.model.resource import Call, Desired
from reconciler.reconcile.expectations import Expectations
from reconciler.reconcile.observe import StackId
from reconciler.reconcile.pass_ import DesiredState, look
from tests.harness.driving import Report, converge
from tests.toy import KINDS, STACK, ToyAws, shelf, want

PLACE = StackId(STACK, "123456789012", "us-west-2")


class Shared(ToyAws):
    """A toy world that counts what it made and deleted, and that can be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[str, int] = {}
        self.dropped = 0

    def CreateThing(self, kind: str, name: str, spec: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
        self.made[f"{kind}/{name}"] = self.made.get(f"{kind}/{name}", 0) + 1
        return super().CreateThing(kind, name, spec, tags)

    def DeleteThing(self, id: str) -> dict[str, Any]:
        answer = super().DeleteThing(id)
        self.dropped += 1
        return answer

    def perform(self, call: Call) -> dict[str, Any]:
        return copy.deepcopy(super().perform(call))

    def ours(self) -> list[tuple[str, str, str]]:
        """Every thing of the stack as kind, name and its colour or height."""
        return sorted(
            (item["kind"], item["name"], str(item["spec"].get("color") or item["spec"].get("height")))
            for item in self.things.values()
            if item["tags"].get(ownership.STACK) == STACK
        )

    def others(self) -> list[str]:
        return sorted(str(item) for item in self.things.values() if item["tags"].get(ownership.STACK) != STACK)


class Then:
    """A toy world as it was."""

    def __init__(self, inner: Transport) -> None:
        assert isinstance(inner, Shared)
        self._world = Shared()
        self._world.things = copy.deepcopy(inner.things)

    def perform(self, call: Call) -> dict[str, Any]:
        return self._world.perform(call)

    def end(self) -> None:
        pass


def wishing(*desired: Desired[Any], **fields: Any) -> DesiredState:
    return DesiredState(PLACE, desired, **fields)


def run(
    transport: Transport, wanted: DesiredState, *, clock: Clock | None = None, expectations: Expectations | None = None
) -> Report:
    """One process's life."""
    aws = AwsClient(transport, clock=clock or ManualClock())
    first = look(aws, KINDS, wanted, expectations=expectations)
    return converge(
        aws, KINDS, wanted, first, patience_seconds=1800.0, stop=threading.Event(), expectations=expectations
    )


def random_wish(dice: random.Random) -> tuple[Desired[Any], ...]:
    """Up to three shelves, and up to four boxes on them."""
    shelves = [f"s{number}" for number in range(dice.randint(1, 3))]
    wanted = [want("shelf", name, height=dice.randint(1, 3)) for name in shelves]
    wanted += [
        want("box", f"b{number}", shelf=shelf(dice.choice(shelves)), color=dice.choice(("red", "blue")))
        for number in range(dice.randint(0, 4))
    ]
    return tuple(wanted)


def as_wanted(wanted: tuple[Desired[Any], ...]) -> list[tuple[str, str, str]]:
    return sorted(
        (
            each.address.kind,
            each.address.name,
            str(getattr(each.spec, "color", None) or getattr(each.spec, "height", None)),
        )
        for each in wanted
    )
