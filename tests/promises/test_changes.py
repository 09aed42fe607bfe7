"""C1–C5: whatever is changed in the specs, at rest and in every phase of a rollout, production goes on serving.

A world is a stack that serves (tests/harness/transitions.py), brought to a phase. In a fork of it one change is
committed (tests/harness/spec_changes.py), and the controller works until nothing is due any more, while somebody
outside sends requests. Then the change is taken back.
"""

from __future__ import annotations

import copy
import logging
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog
import yaml

from reconciler.rollout.engine import Phase, engines
from reconciler.spec.load import load_sources
from tests.harness.account_snapshot import alike, census
from tests.harness.forked_runs import apart
from tests.harness.seed import SEED as FOLDER
from tests.harness.spec_changes import Change, Document, changes, renamed
from tests.harness.transitions import MOST_REFUSED, LivingStack, living
from tests.promises.conftest import Record

SEED = 20261130
SAMPLED = 1
"""Changes of each world and phase in `make test`."""
DRAWN = int(os.environ.get("PROMISES_CHANGES", "0")) or None
"""Of each world and phase otherwise: all 318, or as many as that variable says, since all take a day of one core."""

BLUE_GREEN: dict[str, Any] = {
    "kind": "DeploymentStrategy",
    "name": "careful",
    "type": "blue_green",
    "green": {"healthy_within": "2m", "max_failed_tasks": 3},
    "test": [{"http": "/", "expect": {"status": 200, "body": "Hello"}, "times": 3, "within": "1m"}],
    "promotion": {"mode": "timed", "after": "2m"},
    "verify": {"for": "30s"},
    "teardown": {"after": "1m"},
}
CANARY = BLUE_GREEN | {"type": "canary", "steps": [{"weight": 20, "pause": "1m"}]}
ROLLING = {"kind": "DeploymentStrategy", "name": "careful", "type": "rolling"}
STRATEGIES: dict[str, dict[str, Any]] = {"blue_green": BLUE_GREEN, "canary": CANARY, "rolling": ROLLING}
STRATEGIES |= {
    f"{kind} by {engine.name}": STRATEGIES[kind]
    | {"engine": engine.name}
    | ({} if engine.limits.own_timers else {"verify": {"for": "1m"}})  # AWS counts minutes
    for engine in engines().values()
    if not engine.default
    for kind in ("blue_green", "canary")
    if kind in engine.types
}
"""The types by the engines that do them by default, and by each other one."""

IN_FLIGHT = (
    Phase.SCALING_UP,
    Phase.TESTING,
    Phase.AWAITING_PROMOTION,
    Phase.SHIFTING,
    Phase.VERIFYING,
    Phase.BAKING,
    Phase.TEARDOWN,
)
AT_REST = "at rest"
FAILED = "failed"
MOMENTS = [
    *((name, str(phase)) for name in STRATEGIES if name != "rolling" for phase in (AT_REST, *IN_FLIGHT, FAILED)),
    *(("rolling", moment) for moment in (AT_REST, str(Phase.SCALING_UP), FAILED)),
]
SAMPLE = [
    ("blue_green", str(Phase.VERIFYING)),
    pytest.param("rolling", AT_REST, marks=pytest.mark.slow),
]
"""The moments of which `make test` takes some changes."""


def documents_of(strategy: str) -> tuple[Document, ...]:
    files = (one for one in sorted(FOLDER.rglob("*.yaml")) if "environments" not in one.parts)
    found = [document for file in files for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))]
    for document in found:
        if document["kind"] == "DeploymentStrategy":
            document.clear()
            document.update(copy.deepcopy(STRATEGIES[strategy]))
        elif document["kind"] == "Service":
            document["desired_count"] = 2
            if strategy == "rolling":
                document["traffic"]["target_groups"] = document["traffic"]["target_groups"][:1]
    return tuple(found)


def with_image(documents: Sequence[Document], tag: str) -> tuple[Document, ...]:
    changed = copy.deepcopy(tuple(documents))
    for document in changed:
        if document["kind"] == "Service":
            for container in document["task"]["containers"].values():
                container["image"]["tag"] = tag
    return changed


@dataclass(slots=True)
class Verdict:
    """What was wrong after one change."""

    what: str
    wrong: list[str] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    because: list[str] = field(default_factory=list)


def _judge(stack: LivingStack, change: Change, back: Callable[[LivingStack], None]) -> Verdict:
    found = Verdict(change.what)
    stack.commit(change.documents)
    settled = stack.settle()
    found.phases, found.because = list(stack.phases), stack.why_not_in_place()
    found.wrong += stack.breaches
    if not settled:
        found.wrong.append(f"never at rest: {dict(stack.watched.writes)}")
    if (refused := stack.watched.refused.total()) > MOST_REFUSED:
        found.wrong.append(f"{refused} refused writes: {dict(stack.watched.refused)}")
    if not found.because:
        found.wrong += [
            f"said to be in place, but {balancer} has {served[1]}, and wants {served[0]}"
            for balancer, served in stack.unserved().items()
        ]
    stack.watched.writes.clear()
    stack.restart()
    stack.go(45.0)
    if stack.watched.writes:
        found.wrong.append(f"a second process writes: {dict(stack.watched.writes)}")
    if not found.wrong:
        stack.breaches.clear()
        back(stack)
        found.wrong += stack.breaches
    return found


def _taken_back(documents: Sequence[Document], as_before: dict[str, Any] | None) -> Callable[[LivingStack], None]:
    def back(stack: LivingStack) -> None:
        stack.commit(documents)
        settled = stack.settle()
        if settled and stack.retry():
            settled = stack.settle()
        if not settled:
            stack.breaches.append(f"taken back, it is never at rest: {dict(stack.watched.writes)}")
        elif because := stack.why_not_in_place():
            stack.breaches.append(f"taken back, it is not in place: {because}")
        elif as_before is not None:
            now = _inventory(stack)
            stack.breaches.extend(
                f"taken back, {kind} differs: {[one for one in now[kind] if one not in as_before[kind]][:2]}, before "
                f"{[one for one in as_before[kind] if one not in now[kind]][:2]}"
                for kind in as_before
                if now[kind] != as_before[kind]
            )

    return back


def _inventory(stack: LivingStack) -> dict[str, Any]:
    taken = census(lambda call: stack.stage.transport.perform(call))
    return {kind: alike({kind: items})[kind] for kind, items in taken.items() if kind in COMPARED}


COMPARED = frozenset(
    {
        "vpc", "subnet", "internet-gateway", "nat-gateway", "elastic-ip", "route-table", "security-group",
        "security-group-rule", "load-balancer", "target-group", "repository", "cluster", "role", "log-group",
    }
)  # fmt: skip
"""What is as it was once a change is taken back. A version that went out and back is another revision."""


pytestmark = pytest.mark.apart


@dataclass(frozen=True, slots=True)
class World:
    """A stack whose first version serves, deployed by that strategy."""

    strategy: str
    stack: LivingStack

    def brought_to(self, moment: str) -> tuple[Document, ...]:
        """The documents that are wanted then."""
        documents = documents_of(self.strategy)
        if moment != AT_REST:
            documents = with_image(documents, "bad" if moment == FAILED else "v2")
            self.stack.commit(documents)
            if moment == FAILED:
                assert self.stack.settle(), self.stack.why_not_in_place()
            else:
                assert self.stack.until(Phase(moment)), self.stack.phases
        return documents


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, for_a_module: None) -> Iterator[World]:
    with living(documents_of(request.param)) as stack:
        yield World(request.param, stack)


def possible(documents: Sequence[Document]) -> list[Change]:
    return [one for one in changes(documents) if load_sources(list(one.sources())).ok]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


def _run(world: World, moment: str, most: int | None) -> tuple[int, list[Verdict]]:
    stack, documents = world.stack, world.brought_to(moment)
    several = possible(documents)
    if most is not None:
        several = random.Random(f"{SEED} {world.strategy} {moment}").sample(several, most)
    as_before = _inventory(stack) if moment == AT_REST else None
    healing = documents if moment != FAILED else with_image(documents, "v3")
    verdicts = [
        apart(lambda change=change: _judge(stack, change, _taken_back(healing, as_before)))  # type: ignore[misc]
        for change in several
    ]
    return len(several), [one for one in verdicts if one.wrong]


def _check(world: World, moment: str, most: int | None, record: Record) -> None:
    count, wrong = _run(world, moment, most)
    for promise in ("C1", "C2", "C3", "C5"):
        record(promise, f"{world.strategy}, {moment}", worlds=count, violations=len(wrong), seeds=SEED)
    told = "\n".join(f"  {one.what}\n    " + "\n    ".join(one.wrong) for one in wrong)
    kinds = Counter(text.partition(":")[0] for one in wrong for text in one.wrong)
    assert not wrong, f"{len(wrong)} of {count} changes of {world.strategy} {moment}; {dict(kinds)}\n{told}"


@pytest.mark.parametrize(("world", "moment"), SAMPLE, indirect=["world"])
def test_some_changes_end_well(world: World, moment: str, record: Record) -> None:
    _check(world, moment, SAMPLED, record)


@pytest.mark.slow
@pytest.mark.parametrize(("world", "moment"), MOMENTS, indirect=["world"])
def test_every_change_ends_well(world: World, moment: str, record: Record) -> None:
    _check(world, moment, DRAWN, record)


NAMED = (
    ("blue_green", AT_REST, "Task my-app-hello: exec = true"),
    ("blue_green", AT_REST, "Network my-workspace: security_groups.1.name renamed everywhere"),
    ("blue_green", AT_REST, "Service my-app-frontend: traffic.target_groups.1 renamed everywhere"),
    ("blue_green", str(Phase.TESTING), "Service my-app-frontend: deployment removed"),
    ("rolling", str(Phase.SCALING_UP), "Service my-app-frontend: task.containers.frontend.image.tag = missing"),
    ("canary by ecs_native", str(Phase.SHIFTING), "Service my-app-frontend: traffic.match = {path: /*, priority: 10}"),
)
"""Changes after which something was wrong once, and that the sample may leave out."""


@pytest.mark.slow
@pytest.mark.parametrize(("world", "moment", "what"), NAMED, ids=[what for _, _, what in NAMED], indirect=["world"])
def test_a_change_that_once_ended_badly_ends_well(world: World, moment: str, what: str) -> None:
    documents = world.brought_to(moment)
    change = next(one for one in possible(documents) if one.what == what)
    assert _judge(world.stack, change, _taken_back(documents, _inventory(world.stack))).wrong == []


def _everywhere(documents: Sequence[Document], *names: str) -> tuple[Document, ...]:
    """With these names changed in all documents."""
    for name in names:
        documents = tuple(renamed(one, name, f"{name}-x") for one in documents)
    return tuple(documents)


def _service(documents: Sequence[Document], change: Callable[[Document], None]) -> tuple[Document, ...]:
    """With the service changed. Its registry has the same name, and keeps it."""
    changed = copy.deepcopy(tuple(documents))
    for document in changed:
        if document["kind"] == "Service":
            change(document)
    return changed


def _rename(service: Document) -> None:
    service["name"] += "-x"


FIRST, SECOND = "my-app-frontend-tg-1", "my-app-frontend-tg-2"
BESIDES: dict[str, Callable[[tuple[Document, ...]], tuple[Document, ...]]] = {
    "nothing else": lambda documents: documents,
    "a new version": lambda documents: with_image(documents, "v3"),
    "the listener": lambda documents: _everywhere(
        _service(documents, lambda service: service["traffic"].update(listener="production")), "production"
    ),
    "traffic.match": lambda documents: _service(
        documents, lambda service: service["traffic"].update(match={"path": "/*", "priority": 10})
    ),
    "the cluster": lambda documents: _everywhere(documents, "my-app-cluster"),
    "the container": lambda documents: _everywhere(documents, "frontend"),
}
RENAMES = [(groups, besides) for groups in ((), (FIRST,), (SECOND,), (FIRST, SECOND)) for besides in BESIDES]
"""The target groups that are renamed in the commit that renames the service, and what else is changed in it."""


def _renames(documents: tuple[Document, ...], groups: Sequence[str], besides: str) -> Change:
    changed = BESIDES[besides](_service(_everywhere(documents, *groups), _rename))
    return Change(f"the service, {' and '.join(groups) or 'no group'}, {besides}", changed)


@pytest.mark.parametrize(
    "groups",
    [pytest.param((), marks=pytest.mark.slow), (FIRST,), pytest.param((SECOND,), marks=pytest.mark.slow)],
    ids=["neither", "first", "second"],
)
@pytest.mark.parametrize(
    ("world", "moment"),
    [("blue_green", AT_REST), pytest.param("canary", str(Phase.SHIFTING), marks=pytest.mark.slow)],
    indirect=["world"],
)
def test_a_service_renamed_with_a_target_group_goes_on_serving(
    world: World, moment: str, groups: tuple[str, ...]
) -> None:
    """The listener names the new group before the service has a task in it under its new name, and sends requests to
    the old one until then. Both groups may have tasks of the service under its old name."""
    documents = world.brought_to(moment)
    inventory = _inventory(world.stack) if moment == AT_REST else None
    change = _renames(documents, groups, "nothing else")
    found = _judge(world.stack, change, _taken_back(documents, inventory))
    assert (found.wrong, found.because) == ([], [])


@pytest.mark.slow
@pytest.mark.parametrize(("world", "moment"), [one for one in MOMENTS if one[0] != "rolling"], indirect=["world"])
def test_a_service_renamed_with_anything_else_goes_on_serving(world: World, moment: str) -> None:
    """With its target groups, its listener, its cluster or its container, and with a new version."""
    documents = world.brought_to(moment)
    healing = documents if moment != FAILED else with_image(documents, "v3")
    wrong = []
    for groups, besides in RENAMES:
        change = _renames(documents, groups, besides)
        found = apart(lambda change=change: _judge(world.stack, change, _taken_back(healing, None)))  # type: ignore[misc]
        wrong += [(change.what, found.wrong)] if found.wrong else []
    assert wrong == []
