"""Limits of autoscaling that leave the present count outside: lower ones follow the release, and nothing flaps."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.rollout.engine import Phase
from reconciler.rollout.stored_state import Outcome
from tests.controller.test_controller import Files, Running
from tests.controller.test_in_flight import FRONTEND, fall_ill, until
from tests.harness.emulated_stack import CLUSTER, SEED, SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.promises.conftest import mostly_slow

ROLLING = {
    "deployment: careful": "",
    "[my-app-frontend-tg-1, my-app-frontend-tg-2]": "[my-app-frontend-tg-1]",
}
LIMITS = "scaling: {min: 2, max: 8, cpu: 60}"


@pytest.fixture(params=mostly_slow(("task_sets", "rolling"), "task_sets"))
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """v1 serves with six tasks, of two to eight."""
    folder = Path(shutil.copytree(SEED, tmp_path / "specs"))
    text = (folder / FRONTEND).read_text(encoding="utf-8")
    for old, new in ({} if request.param == "task_sets" else ROLLING).items():
        assert old in text
        text = text.replace(old, new)
    (folder / FRONTEND).write_text(text.replace("desired_count: 1", LIMITS), encoding="utf-8")
    with emulated_stack(terms=SHORT, folder=folder) as stage:
        stage.serving()
        stage.laptop.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, desiredCount=6)
        found = Running(stage, Files(folder))
        found.go(120)
        found.quiet()
        yield found


def count(stage: EmulatedStack) -> int:
    desired: int = stage.service()["desiredCount"]
    return desired


def limits(stage: EmulatedStack) -> tuple[int, int]:
    (target,) = stage.laptop.client("application-autoscaling").describe_scalable_targets(ServiceNamespace="ecs")[
        "ScalableTargets"
    ]
    return target["MinCapacity"], target["MaxCapacity"]


def healthy(running: Running) -> None:
    """In place, and nothing is written any more."""
    (result,) = running.loop.queue.results.values()
    assert result.step is not None
    assert (result.step.phase, result.step.because) == (Phase.IDLE, "up to date")
    running.quiet()
    running.go(900)
    assert running.writes() == {}


@pytest.mark.parametrize(
    ("new", "at_the_end"),
    [
        ("{min: 2, max: 3, cpu: 60}", 3),
        ("{min: 7, max: 8, cpu: 60}", 7),
        pytest.param("{min: 1, max: 1, cpu: 60}", 1, marks=pytest.mark.slow),
    ],
)
def test_at_rest_the_count_moves_into_the_limits(running: Running, new: str, at_the_end: int) -> None:
    """One write of ours, and Application Auto Scaling moves the count."""
    running.files.edit(FRONTEND, LIMITS, f"scaling: {new}")
    running.go(300)
    assert count(running.stage) == at_the_end
    assert running.writes() == {"RegisterScalableTarget": 1} | revision(running)
    healthy(running)


def revision(running: Running) -> dict[str, int]:
    """The tags by which the stack remembers what was applied last."""
    return {name: n for name, n in running.writes().items() if name in ("TagResource", "UntagResource")}


def test_a_lower_limit_follows_the_release_that_it_came_with(running: Running) -> None:
    """The previous version keeps its tasks until the new one is in place."""
    running.files.edit(FRONTEND, LIMITS, "scaling: {min: 2, max: 3, cpu: 60}")
    running.files.edit(FRONTEND, "tag: v1", "tag: v2")
    until(running, Phase.SCALING_UP)
    assert (count(running.stage), limits(running.stage)) == (6, (2, 8))
    running.go(1800)
    assert running.outcomes() == [Outcome.PROMOTED]
    assert (count(running.stage), limits(running.stage)) == (3, (2, 3))
    assert running.writes()["RegisterScalableTarget"] <= 3  # scaling in suspended, resumed, and the limits
    healthy(running)


@pytest.mark.slow
@pytest.mark.parametrize("where", [Phase.SCALING_UP, Phase.BAKING])
def test_a_limit_that_is_lowered_during_a_release_follows_it(running: Running, where: Phase) -> None:
    """Neither version loses tasks before the rollout has ended."""
    if where is Phase.BAKING and running.stage.service()["deploymentController"]["type"] == "ECS":
        pytest.skip("a rolling deployment has no such phase")
    running.files.edit(FRONTEND, "tag: v1", "tag: v2")
    until(running, where)
    running.files.edit(FRONTEND, LIMITS, "scaling: {min: 2, max: 3, cpu: 60}")
    running.go(20)
    assert (count(running.stage), limits(running.stage)) == (6, (2, 8))
    running.go(1800)
    assert running.outcomes() == [Outcome.PROMOTED]
    assert (count(running.stage), limits(running.stage)) == (3, (2, 3))
    healthy(running)


@pytest.mark.slow
def test_a_higher_limit_holds_during_a_release(running: Running) -> None:
    """Both versions grow at once."""
    running.files.edit(FRONTEND, "tag: v1", "tag: v2")
    until(running, Phase.SCALING_UP)
    running.files.edit(FRONTEND, LIMITS, "scaling: {min: 7, max: 8, cpu: 60}")
    running.go(30)
    assert (count(running.stage), limits(running.stage)) == (7, (7, 8))
    running.go(1800)
    assert running.outcomes() == [Outcome.PROMOTED]
    healthy(running)


@pytest.mark.slow
def test_scaling_that_is_new_does_not_lower_the_count_before_its_release(running: Running) -> None:
    """A scalable target moves the count into its limits when it is created, too."""
    running.files.edit(FRONTEND, LIMITS, "desired_count: 6")
    running.go(300)
    assert count(running.stage) == 6
    running.quiet()
    running.files.edit(FRONTEND, "desired_count: 6", "scaling: {min: 2, max: 3, cpu: 60}")
    running.files.edit(FRONTEND, "tag: v1", "tag: v2")
    until(running, Phase.SCALING_UP)
    running.go(5)
    assert count(running.stage) == 6
    running.go(1800)
    assert running.outcomes() == [Outcome.PROMOTED]
    assert (count(running.stage), limits(running.stage)) == (3, (2, 3))
    healthy(running)


@pytest.mark.slow
def test_a_lower_limit_stays_deferred_while_its_version_fails(running: Running) -> None:
    """The count in production is not smaller because of a version that does not serve."""
    fall_ill(running, "v2")
    running.files.edit(FRONTEND, LIMITS, "scaling: {min: 2, max: 3, cpu: 60}")
    running.files.edit(FRONTEND, "tag: v1", "tag: v2")
    running.go(3600)
    assert (count(running.stage), limits(running.stage)) == (6, (2, 8))
    assert any(one.address.kind == "scaling" for one in deferred(running))


@pytest.mark.slow
def test_a_limit_that_is_lowered_after_its_version_has_failed_is_lowered_at_once(running: Running) -> None:
    """By a commit of its own, it belongs to the version that serves."""
    fall_ill(running, "v2")
    running.files.edit(FRONTEND, "tag: v1", "tag: v2")
    running.go(3600)
    running.files.edit(FRONTEND, LIMITS, "scaling: {min: 2, max: 3, cpu: 60}")
    running.go(300)
    assert limits(running.stage) == (2, 3)
    assert deferred(running) == []


def deferred(running: Running) -> list[Any]:
    assert running.loop.last is not None
    return [one.action for one in running.loop.last.plan.deferred]
