"""S4, S5, S7: whatever is read late, in every phase of a rollout, production serves and nothing is done early or twice.

A world is one of tests/promises/test_changes.py. A new version goes out while some of the reads, or all of them, are
answered late (tests/harness/late_reads.py): each by another time, so that reads go back in time, or all by the same.
Another process may take over in any phase. What is done is held against what is true (tests/harness/rollout_watch.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from reconciler import events
from tests.harness.emulated_stack import CLUSTER, SERVICE
from tests.harness.forked_runs import apart
from tests.harness.late_reads import LateReads
from tests.harness.listener_watch import Outsider
from tests.harness.rollout_watch import RolloutWatch
from tests.harness.transitions import LivingStack
from tests.promises.conftest import Record
from tests.promises.test_changes import AT_REST, STRATEGIES, World, documents_of, quiet, with_image, world

__all__ = ["quiet", "world"]

pytestmark = pytest.mark.apart

OPERATIONS = {
    "services": {"DescribeServices"},
    "listeners": {"DescribeListeners", "DescribeRules"},
    "health": {"DescribeTargetHealth"},
    "tasks": {"ListTasks", "DescribeTasks"},
    "groups": {"DescribeTargetGroups", "DescribeScalableTargets"},
    "tags": {"DescribeTags", "GetResources", "ListTagsForResource"},
}
OF_CODEDEPLOY = {
    "deployments": {"ListDeployments", "BatchGetDeployments"},
    "targets of deployments": {"BatchGetDeploymentTargets"},
    "deployment groups": {"BatchGetDeploymentGroups", "GetDeploymentGroup", "GetApplication", "BatchGetApplications"},
}
OF_ECS = {
    "service deployments": {"ListServiceDeployments", "DescribeServiceDeployments"},
    "service revisions": {"DescribeServiceRevisions"},
}
OF_ENGINES = {"codedeploy": OF_CODEDEPLOY, "ecs_native": OF_ECS}
OPERATIONS["everything"] = set().union(*OPERATIONS.values(), *OF_CODEDEPLOY.values(), *OF_ECS.values())
"""What is read late. The task sets and the stored state of a rollout are parts of DescribeServices."""

SEED = 20261201
ALL = 3
MOST_PASSES = 60
RESTARTS = 12
GAPS = (2, 5, 10, 20, 40)


@dataclass(frozen=True, slots=True)
class Lateness:
    """Up to `seconds`; `steady`: always by as much. `restarts`: other processes take over on the way."""

    seconds: float
    steady: bool = False
    restarts: bool = False
    image: str = "v2"

    def __str__(self) -> str:
        by = f"{'' if self.steady else 'up to '}{self.seconds:g} s"
        return f"{by}{', restarts' if self.restarts else ''}{', a bad version' if self.image == 'bad' else ''}"


@dataclass(slots=True)
class Remembering(Outsider):
    """Whoever looks at the account at each step of the time lets the past be noted, too."""

    remember: Callable[[], None] = lambda: None

    def look(self) -> None:
        self.remember()
        Outsider.look(self)


def _late(
    stack: LivingStack, watch: RolloutWatch, operations: set[str], how: Lateness, dice: random.Random
) -> LateReads:
    late = LateReads(watch, stack.laptop.clock, frozenset(operations), how.seconds, dice)
    late.age = (lambda: how.seconds) if how.steady else None
    stack.outsider = Remembering(stack.laptop, stack.outsider.breaches, stack.outsider.expected, late.remember)
    stack.watched.outsider = stack.outsider
    stack.restart(late)
    return late


def _judge(world: World, operations: set[str], how: Lateness, dice: random.Random) -> tuple[list[str], int]:
    """What was wrong, and how many answers were other than the truth."""
    stack = world.stack
    watch = RolloutWatch(stack.watched, stack.laptop, CLUSTER, SERVICE, timedelta(minutes=2), timedelta(minutes=1))
    late = _late(stack, watch, operations, how, dice)
    stack.go(30.0)
    stack.commit(with_image(documents_of(world.strategy), how.image))
    stack.events.clear()
    passes = stack.controller._number
    for _ in range(RESTARTS if how.restarts else 0):
        stack.go(dice.choice(GAPS))
        stack.restart(late)
    settled = stack.settle(3600.0)
    wrong = [*stack.breaches, *watch.breaches, *_at_rest(stack, settled=settled, fails=how.image == "bad")]
    if not how.restarts and stack.controller._number - passes > MOST_PASSES:
        wrong.append(f"{stack.controller._number - passes} passes")
    removed = watch.deletions or STRATEGIES[world.strategy].get("engine") == "ecs_native"  # ECS removes it by itself
    if how.image != "bad" and world.strategy != "rolling" and not (watch.promotions and removed):
        wrong.append("nothing was promoted, or nothing removed: the watch proves nothing")
    return wrong, late.late


def _at_rest(stack: LivingStack, *, settled: bool, fails: bool) -> Iterator[str]:
    because = stack.why_not_in_place()
    if not settled:
        yield f"never at rest: {because}, {dict(stack.watched.writes)}"
    if bool(because) is not fails:
        yield f"not in place: {because}" if because else "a bad version is said to be in place"
    ended = [one.details["release"] for one in stack.events if one.name == events.ROLLOUT_ENDED]
    if len(ended) > len(set(ended)):
        yield f"said to have ended more than once: {ended}"


def _check(world: World, name: str, how: Lateness, count: int, record: Record) -> None:
    world.brought_to(AT_REST)
    wrong, late = [], 0
    for number in range(count):
        dice = random.Random(f"{SEED} {world.strategy} {name} {how} {number}")
        found, lates = apart(lambda dice=dice: _judge(world, (OPERATIONS | OF_CODEDEPLOY | OF_ECS)[name], how, dice))  # type: ignore[misc]
        wrong += [f"{number}: {text}" for text in found]
        late += lates
    for promise in ("S4", "S5", "S7"):
        record(
            promise,
            f"{world.strategy}: {name} read late, {how}",
            worlds=count,
            violations=len(wrong),
            seeds=SEED,
            late_answers=late,
        )
    assert not wrong, "\n".join(wrong)


def of(strategy: str) -> tuple[str, ...]:
    """What is read late under a strategy."""
    return (*OPERATIONS, *OF_ENGINES.get(STRATEGIES[strategy].get("engine", ""), ()))


SAMPLE = [
    ("canary", "everything", Lateness(10.0, restarts=True)),
    pytest.param("blue_green by codedeploy", "everything", Lateness(20.0), marks=pytest.mark.slow),
    pytest.param("canary by ecs_native", "everything", Lateness(20.0), marks=pytest.mark.slow),
    ("rolling", "everything", Lateness(20.0, image="bad")),
]
HOW = [
    Lateness(4.0, restarts=True),
    Lateness(20.0, restarts=True),
    Lateness(30.0),
    Lateness(4.0, steady=True, restarts=True),
    Lateness(25.0, steady=True),
    Lateness(20.0, image="bad"),
]


@pytest.mark.parametrize(("world", "name", "how"), SAMPLE, ids=str, indirect=["world"])
def test_some_late_reads_break_nothing(world: World, name: str, how: Lateness, record: Record) -> None:
    _check(world, name, how, 1, record)


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize(
    ("world", "name"), [(strategy, name) for strategy in STRATEGIES for name in of(strategy)], indirect=["world"]
)
def test_no_late_read_breaks_anything(world: World, name: str, how: Lateness, record: Record) -> None:
    _check(world, name, how, ALL, record)
