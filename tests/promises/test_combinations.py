"""C1–C5: whatever happens at once, in any phase of a rollout: production serves or comes back, and all comes to rest.

A world is one of tests/promises/test_changes.py, in a phase. In a fork of it some events happen one after the other
(tests/harness/combinations.py): commits, requests, changes by hand, faults and restarts. Once all has come to rest, a
good version is committed, and a person does what `status` suggests.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from reconciler.rollout.engine import Phase
from tests.harness.combinations import Event, Play, events
from tests.harness.forked_runs import apart
from tests.promises.conftest import Record
from tests.promises.test_changes import AT_REST, MOMENTS, STRATEGIES, World, documents_of, quiet, with_image, world

__all__ = ["quiet", "world"]

SEED = 20261130
SAMPLED, ALL = 1, 25
"""Combinations of each world and phase, in `make test` and in full."""
MOST_REFUSED = 250
"""Writes that AWS refuses while a fault lasts eight minutes, the retries in the calls among them."""
SAMPLE = [
    ("blue_green", str(Phase.AWAITING_PROMOTION)),
    pytest.param("canary", str(Phase.SHIFTING), marks=pytest.mark.slow),
    pytest.param("blue_green by codedeploy", str(Phase.BAKING), marks=pytest.mark.slow),
    pytest.param("rolling", AT_REST, marks=pytest.mark.slow),
]

pytestmark = pytest.mark.apart


def _judge(world: World, happens: Sequence[Event], dice: random.Random) -> list[str]:
    stack = world.stack
    play = Play(stack, dice)
    for event in happens:
        play.play(event)
    wrong = list(_at_rest(play, "after the events"))
    if (refused := stack.watched.refused.total()) > MOST_REFUSED:
        wrong.append(f"{refused} refused writes: {dict(stack.watched.refused)}")
    stack.commit(with_image(documents_of(world.strategy), "v3"))
    wrong += _at_rest(play, "with a good version")
    done = play.as_told()
    if because := stack.why_not_in_place():
        wrong.append(f"with a good version, and after {done}, it is not in place: {because}")
    elif unserved := stack.unserved():
        wrong.append(f"said to be in place, but {unserved}")
    return stack.breaches + wrong


def _at_rest(play: Play, when: str) -> Iterator[str]:
    """It comes to rest, and a second process finds nothing to do."""
    stack = play.stack
    if not play.settle():
        yield f"never at rest {when}: {stack.why_not_in_place()}, {dict(stack.watched.writes)}"
        return
    stack.watched.writes.clear()
    stack.restart()
    play.wait(45.0)
    if stack.watched.writes:
        yield f"a second process writes {when}: {dict(stack.watched.writes)}"


def _check(world: World, moment: str, count: int, record: Record) -> None:
    world.brought_to(moment)
    wrong = []
    for number in range(count):
        dice = random.Random(f"{SEED} {world.strategy} {moment} {number}")
        happens = events(dice, codedeploy=STRATEGIES[world.strategy].get("engine") == "codedeploy")
        found = apart(lambda happens=happens, dice=dice: _judge(world, happens, dice))  # type: ignore[misc]
        wrong += [f"{number}: {'; '.join(map(str, happens))}\n    " + "\n    ".join(found)] if found else []
    for promise in ("C1", "C2", "C3", "C5"):
        record(promise, f"{world.strategy}, {moment}, several events", worlds=count, violations=len(wrong), seeds=SEED)
    assert not wrong, f"{len(wrong)} of {count} combinations of {world.strategy} {moment}\n" + "\n".join(wrong)


@pytest.mark.parametrize(("world", "moment"), SAMPLE, indirect=["world"])
def test_some_combinations_end_well(world: World, moment: str, record: Record) -> None:
    _check(world, moment, SAMPLED, record)


@pytest.mark.slow
@pytest.mark.parametrize(("world", "moment"), MOMENTS, indirect=["world"])
def test_many_combinations_end_well(world: World, moment: str, record: Record) -> None:
    _check(world, moment, ALL, record)


SHRUNK = Event(0, "by hand", "a task set scaled to 0")
NAMED = (
    ("blue_green", str(Phase.BAKING), (SHRUNK, Event(0, "protect"))),
    ("blue_green", str(Phase.AWAITING_PROMOTION), (Event(0, "by hand", "production to nobody"),)),
    ("rolling", AT_REST, (Event(0, "by hand", "production to green"), Event(3, "request", "rollback"))),
)
"""Combinations after which something was wrong once."""


@pytest.mark.slow
@pytest.mark.parametrize(("world", "moment", "happens"), NAMED, indirect=["world"])
def test_a_combination_that_once_ended_badly_ends_well(world: World, moment: str, happens: Sequence[Event]) -> None:
    world.brought_to(moment)
    assert _judge(world, happens, random.Random(SEED)) == []


@pytest.mark.slow
@pytest.mark.parametrize("world", ["blue_green"], indirect=True)
def test_a_production_listener_that_is_deleted_promotes_nothing(world: World) -> None:
    """It is made again for the version in production, although the test listener shows the new one."""
    world.brought_to(str(Phase.AWAITING_PROMOTION))
    before, stage = world.stack.stage.weights(80), world.stack.stage
    assert stage.weights(9000) != before
    Play(world.stack, random.Random(SEED)).play(Event(0, "by hand", "the production listener deleted"))
    world.stack.go(45.0)
    assert stage.weights(80) == before
