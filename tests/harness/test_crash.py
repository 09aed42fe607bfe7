"""CrashGate crashes where it says, and leaves behind what a dead process would."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model.resource import Call
from tests.harness.crash import Crash, CrashGate, Everywhere, How, Point, every_point


class Counting:
    """An account whose every call is executed and counted."""

    def __init__(self) -> None:
        self.executed: list[str] = []

    def perform(self, call: Call) -> dict[str, Any]:
        self.executed.append(call.operation)
        return {"done": call.operation}


CALLS = [Call("toy", name) for name in ("CreateA", "CreateB", "CreateC")]


def process(transport: Any) -> None:
    """Says three things, and says the second once more if its answer is lost."""
    for call in CALLS:
        try:
            transport.perform(call)
        except errors.Ambiguous:
            transport.perform(call)


@pytest.mark.parametrize(
    ("how", "executed"),
    [
        (How.BEFORE, ["CreateA"]),
        (How.LOST, ["CreateA", "CreateB", "CreateB", "CreateC"]),
        (How.AFTER, ["CreateA", "CreateB"]),
    ],
)
def test_it_crashes_at_its_point_and_nowhere_else(how: How, executed: list[str]) -> None:
    """Before: not executed. After: executed, and the process is dead. Lost: executed, and the process lives on."""
    world = Counting()
    gate = CrashGate(world, Point(1, how))
    if how is How.LOST:
        process(gate)
    else:
        with pytest.raises(Crash):
            process(gate)
        with pytest.raises(Crash):
            gate.perform(CALLS[0])  # a dead process says nothing further
    assert world.executed == executed
    assert gate.at == CALLS[1]


def test_a_lost_answer_is_what_the_product_makes_of_a_closed_connection() -> None:
    """Through the product's own translation, so that a wrong class would show."""
    with pytest.raises(errors.Ambiguous) as caught:
        CrashGate(Counting(), Point(0, How.LOST)).perform(CALLS[0])
    assert caught.value.code == "NoAnswer"


def test_every_point_is_a_world_of_its_own() -> None:
    """One run, forked at each of its points: each fork is crashed where it should be, and the run itself is not."""
    world = Counting()
    gate = Everywhere(world, list(every_point(3)), lambda point, call: (str(call), list(world.executed)))
    said = gate.over(process)
    assert world.executed == ["CreateA", "CreateB", "CreateC"], "the forks' doings stay theirs"
    assert len(said) == 9
    ended = {str(point): executed for point, _, (_, executed) in said}
    assert ended["0-before"] == []
    assert ended["1-lost"] == ["CreateA", "CreateB", "CreateB", "CreateC"]
    assert ended["2-after"] == ["CreateA", "CreateB", "CreateC"]
    assert {str(point): call for point, call, _ in said}["1-after"] == "toy.CreateB"


def test_what_a_fork_finds_wrong_arrives() -> None:
    """A failure in the aftermath is not lost with the fork."""

    def aftermath(point: Point, call: Call) -> None:
        raise AssertionError("found it")

    with pytest.raises(AssertionError, match="found it"):
        Everywhere(Counting(), [Point(0, How.AFTER)], aftermath).over(process)
