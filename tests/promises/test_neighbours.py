"""C3: whoever else writes to what we own, again and again: at rest in bounded time, or contested; it never oscillates.

A world is one of tests/promises/test_changes.py, at rest or in a phase of a rollout, or one in which two services share
a listener. A neighbour (tests/harness/neighbours.py), or several, restore what they want after whatever the controller
writes. After an hour nothing is written any more. Once they stop and the specs change, all is as wanted.
"""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Iterator, Sequence

import pytest
from botocore.exceptions import ClientError

from reconciler import events
from reconciler.rollout.engine import Phase
from reconciler.rollout.engines.ecs_native.pair import REMEDY
from tests.harness.forked_runs import apart
from tests.harness.neighbours import NEIGHBOURS, Hands
from tests.harness.spec_changes import Document
from tests.harness.transitions import LivingStack, living
from tests.promises.conftest import Record
from tests.promises.test_changes import AT_REST, STRATEGIES, World, documents_of, quiet, with_image, world

__all__ = ["quiet", "world"]

pytestmark = pytest.mark.apart

SEED = 20261202
MOST = 40
"""Writes until it yields: three of each thing that several neighbours change, and what follows from them."""
DRAWN = 20
SCALES = frozenset({"an autoscaler: the limits of scaling", "a person: scaling in suspended"})


def _scaled(documents: Sequence[Document]) -> tuple[Document, ...]:
    changed = copy.deepcopy(tuple(documents))
    for one in changed:
        if one["kind"] == "Service":
            one.pop("desired_count", None)
            one["scaling"] = {"min": 2, "max": 4, "cpu": 60}
    return changed


def _act(stack: LivingStack, names: Sequence[str]) -> None:
    """AWS refuses some of it, such as the deletion of what is gone."""
    for name in names:
        try:
            NEIGHBOURS[name](Hands(stack.laptop))
        except ClientError as refused:
            if refused.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise


def _judge(stack: LivingStack, names: Sequence[str], every: float, span: float) -> list[str]:
    stack.outsider.expected.clear()  # they harm production, and that is not ours
    stack.events.clear()
    stack.watched.writes.clear()
    wrong = []
    for yields in (False, True):
        for _ in range(int(span / every)):
            _act(stack, names)
            stack.go(every)
        count = stack.watched.writes.total()
        if count > (0 if yields else MOST):
            wrong.append(f"{'afterwards' if yields else 'at first'}: {dict(stack.watched.writes)}")
        stack.watched.writes.clear()
    stack.commit(with_image(stack.commits.documents, "v3"))
    if because := _not_in_place(stack):
        wrong.append(f"left alone, and with another version: {because}")
    return wrong


def _not_in_place(stack: LivingStack) -> str:
    """Why the newest version is not in place in the end, or "". Production that somebody moved is for a person, and so
    is what ECS has of a listener that was deleted.
    """
    settled = stack.settle()
    if settled and stack.retry():
        settled = stack.settle()
    if not settled:
        return f"never at rest: {dict(stack.watched.writes)}"
    blocked = any(one.step is not None and one.step.phase is Phase.BLOCKED for one in stack.results)
    lost = any(one.seen is not None and REMEDY in one.seen.waits for one in stack.results)
    return "" if blocked or lost else "; ".join(stack.why_not_in_place())


def _check(
    world: World, moment: str, names: Sequence[str], every: float, record: Record, span: float = 3600.0
) -> list[str]:
    stack = world.stack
    if SCALES & set(names):
        stack.commit(_scaled(documents_of(world.strategy)))
        assert stack.settle(), stack.why_not_in_place()
    documents = stack.commits.documents
    if moment != AT_REST:
        stack.commit(with_image(documents, "v2"))
        assert stack.until(Phase(moment)), stack.phases
    wrong = _judge(stack, names, every, span)
    what = " and ".join(names)
    record("C3", f"{world.strategy}, {moment}: {what}", worlds=1, violations=len(wrong))
    return wrong


SAMPLE = [
    ("blue_green", AT_REST, "a person: production to the other group"),
    ("rolling", AT_REST, "an autoscaler: the desired count"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("world", "moment", "name"), SAMPLE, indirect=["world"])
def test_a_neighbour_is_yielded_to(world: World, moment: str, name: str, record: Record) -> None:
    """And an event says so once."""
    assert _check(world, moment, [name], 120.0, record, span=1200.0) == []
    assert [one.name for one in world.stack.events].count(events.CONTESTED) == 1


OF_A_TYPE = {
    "rolling": (AT_REST,),
    "blue_green": (AT_REST, str(Phase.AWAITING_PROMOTION), str(Phase.BAKING)),
    "canary": (str(Phase.SHIFTING),),
}
MOMENTS = [(name, moment) for name, found in STRATEGIES.items() for moment in OF_A_TYPE[found["type"]]]
"""Under each engine of each type."""


@pytest.mark.slow
@pytest.mark.parametrize("every", [20.0, 120.0])
@pytest.mark.parametrize(("world", "moment"), MOMENTS, indirect=["world"])
def test_every_neighbour_is_yielded_to(world: World, moment: str, every: float, record: Record) -> None:
    wrong = {}
    for name in NEIGHBOURS:
        found = apart(lambda name=name: _check(world, moment, [name], every, record))  # type: ignore[misc]
        wrong |= {name: found} if found else {}
    assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())


@pytest.mark.slow
@pytest.mark.parametrize("world", ["blue_green"], indirect=True)
def test_any_two_neighbours_are_yielded_to(world: World, record: Record) -> None:
    wrong = {}
    for names in itertools.combinations(NEIGHBOURS, 2):
        found = apart(lambda names=names: _check(world, AT_REST, names, 120.0, record))  # type: ignore[misc]
        wrong |= {names: found} if found else {}
    assert not wrong, "\n".join(f"{names}: {found}" for names, found in wrong.items())


# -- two services on one listener


def two_services() -> tuple[Document, ...]:
    """The second answers `/api/*` of the same listener, and has target groups of its own."""
    documents = documents_of("blue_green")
    (first,) = (one for one in documents if one["kind"] == "Service")
    second = copy.deepcopy(first)
    second["name"] = "my-app-api"
    second["traffic"]["target_groups"] = ["my-app-api-tg-1", "my-app-api-tg-2"]
    second["traffic"]["match"] = {"path": "/api/*", "priority": 10}
    return (*documents, second)


@pytest.fixture(scope="module")
def pair(for_a_module: None) -> Iterator[LivingStack]:
    with living(two_services()) as stack:
        yield stack


def _interleaved(stack: LivingStack, dice: random.Random) -> list[str]:
    """Three versions one after the other, and in between whatever the neighbours do once."""
    happens = dice.sample(list(NEIGHBOURS), 3)
    stack.outsider.expected.clear()
    for tag, name in zip(("v2", "v3", "v1"), happens, strict=True):
        stack.commit(with_image(two_services(), tag))
        stack.outsider.expected.clear()
        stack.go(dice.choice((10.0, 60.0, 150.0, 300.0)))
        _act(stack, [name])
    stack.settle()
    stack.commit(with_image(two_services(), "v2"))
    because = _not_in_place(stack)
    return [f"{happens}: {because}"] if because else []


def _drawn(stack: LivingStack, count: int, record: Record) -> None:
    wrong = []
    for number in range(count):
        dice = random.Random(f"{SEED} {number}")
        wrong += apart(lambda dice=dice: _interleaved(stack, dice))  # type: ignore[misc]
    record("C3", "two services on one listener, three versions, neighbours in between", worlds=count,
           violations=len(wrong), seeds=SEED)  # fmt: skip
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_some_versions_and_neighbours_interleaved_come_to_rest(pair: LivingStack, record: Record) -> None:
    _drawn(pair, 1, record)


@pytest.mark.slow
def test_many_versions_and_neighbours_interleaved_come_to_rest(pair: LivingStack, record: Record) -> None:
    _drawn(pair, DRAWN, record)


# -- what ECS goes on having after it was deleted


@pytest.mark.slow
@pytest.mark.parametrize("world", ["blue_green by ecs_native"], indirect=True)
@pytest.mark.parametrize("moment", [AT_REST, str(Phase.BAKING)])
def test_by_the_rolling_engine_ecs_is_given_what_there_is(world: World, moment: str) -> None:
    """As the version that waits says."""
    stack, documents = world.stack, world.brought_to(moment)
    _act(stack, ["Terraform: the test listener deleted"])
    stack.commit(with_image(documents, "v3"))
    assert stack.settle()
    assert any(REMEDY in because for because in stack.why_not_in_place())
    for strategy in ("rolling", world.strategy):
        stack.commit(_by(with_image(documents, "v3"), strategy))
        assert stack.settle(), stack.why_not_in_place()
    assert (stack.why_not_in_place(), stack.breaches) == ([], [])


def _by(documents: Sequence[Document], strategy: str) -> tuple[Document, ...]:
    changed = copy.deepcopy(tuple(documents))
    for one in changed:
        if one["kind"] == "DeploymentStrategy":
            one.clear()
            one.update(copy.deepcopy(STRATEGIES[strategy]))
    return changed
