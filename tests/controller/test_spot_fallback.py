"""Spot capacity that is lost and comes back: the controller runs on demand what is missing, on simulated time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler import events
from reconciler.cli.output.rollout_json import status_document
from reconciler.local.faults import Fault
from reconciler.local.scripted import Script
from reconciler.model.plan import DeferralCode, Verb
from reconciler.model.resource import Address
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from reconciler.rollout.requests import Request, RequestVerb
from reconciler.rollout.stored_state import KEYS, Outcome
from tests.controller.test_controller import Files, Running
from tests.harness.emulated_stack import CLUSTER, SEED, SERVICE, emulated_stack

FRONTEND = "services/frontend.yaml"
BESIDE = f"{SERVICE}-on-demand"
SPOT = "FARGATE_SPOT"
MINUTES = 60.0

pytestmark = pytest.mark.apart


def specs(to: Path) -> Path:
    """Four tasks of a rolling deployment that prefer Spot."""
    shutil.copytree(SEED, to)
    file = to / FRONTEND
    text = file.read_text(encoding="utf-8").replace("deployment: careful\n", "")
    text = text.replace("[my-app-frontend-tg-1, my-app-frontend-tg-2]", "[my-app-frontend-tg-1]")
    file.write_text(text.replace("desired_count: 1", "desired_count: 4\nspot: preferred"), encoding="utf-8")
    return to


@pytest.fixture(scope="module")
def serving(for_a_module: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """v1 runs on Spot; a task takes a minute to start."""
    folder = specs(tmp_path_factory.mktemp("serving") / "specs")
    with emulated_stack(folder=folder) as stage:
        stage.serving()
        stage.laptop.script(Script(starts_after=60.0))
        found = Running(stage, Files(folder))
        found.go(120)
        found.quiet()
        yield found


@pytest.fixture
def running(serving: Running, tmp_path: Path) -> Running:
    """The same, with files that the test may edit."""
    serving.files.folder = Path(shutil.copytree(serving.stage.folder, tmp_path / "specs"))
    return serving


def services(running: Running) -> dict[str, Any]:
    ecs = running.stage.laptop.client("ecs")
    answer = ecs.describe_services(cluster=CLUSTER, services=[SERVICE, BESIDE], include=["TAGS"])
    return {one["serviceName"]: one for one in answer["services"] if one["status"] == "ACTIVE"}


def counts(running: Running) -> tuple[int, int]:
    """Running tasks of the service, and the desired count of the one on demand."""
    found = services(running)
    return found[SERVICE]["runningCount"], found[BESIDE]["desiredCount"]


def healthy(running: Running) -> int:
    """Targets that receive requests."""
    elb = running.stage.laptop.client("elbv2")
    groups = elb.describe_target_groups(Names=["my-app-frontend-tg-1"])["TargetGroups"]
    health = elb.describe_target_health(TargetGroupArn=groups[0]["TargetGroupArn"])["TargetHealthDescriptions"]
    return [one["TargetHealth"]["State"] for one in health].count("healthy")


def fallback_tag(running: Running) -> str:
    tags = {one["key"]: one["value"] for one in services(running)[BESIDE]["tags"]}
    return tags.get(KEYS["fallback"], "")


def lose(running: Running, tasks: int = 3) -> str:
    """AWS takes so many Spot tasks back and has no room for others; the id of the lack."""
    aws = running.stage.laptop.aws
    lack = aws.inject(Fault("no_capacity", provider=SPOT))
    aws.inject(Fault("spot_interruption", provider=SPOT, count=tasks))
    return lack


def because(running: Running, name: str = BESIDE) -> str:
    step = running.loop.queue.results[Address("service", name)].step
    assert step is not None
    return step.because


def document(running: Running, name: str = BESIDE) -> dict[str, Any]:
    """What `status -o json` prints of it."""
    result = running.loop.queue.results[Address("service", name)]
    assert result.seen is not None
    assert result.step is not None
    return status_document(result.rollout, result.seen, result.step, ())


@pytest.mark.slow
def test_an_hour_without_spot_capacity(running: Running) -> None:
    """Three of four tasks are lost: after five minutes they run on demand, and five minutes after they are back on Spot
    they stop. Nothing is written before, in between or afterwards, and requests are served throughout.
    """
    least, seen = 4, list[tuple[float, int, int]]()

    def go(minutes: float) -> None:
        nonlocal least
        for _ in range(int(minutes * 2)):
            running.go(30)
            least = min(least, healthy(running))
            seen.append((running.stage.laptop.clock.monotonic(), *counts(running)))

    lack = lose(running)
    go(4)
    assert counts(running) == (1, 0)
    assert fallback_tag(running).startswith("lacking:-:")
    assert set(running.writes()) == {"TagResource"}
    go(4)
    assert counts(running) == (1, 3)
    assert healthy(running) == 4
    assert "1 of 4 tasks of my-app-frontend on Spot, 3 on demand since" in because(running)
    fallback = document(running)["fallback"]
    assert {name: fallback[name] for name in ("main", "phase", "desired", "running", "on_demand")} == {
        "main": SERVICE, "phase": "running", "desired": 4, "running": 1, "on_demand": 3,
    }  # fmt: skip
    assert document(running, SERVICE)["fallback"] is None
    assert running.said(events.FALLBACK) == ["3 tasks run on demand for my-app-frontend, 0 before"]
    running.quiet()
    go(52)
    assert (counts(running), healthy(running)) == ((1, 3), 4)
    assert running.writes() == {}

    running.stage.laptop.aws.faults.remove(lack)
    while counts(running)[0] < 4:
        go(0.5)
    assert running.writes().keys() <= {"TagResource"}
    go(4)
    assert counts(running) == (4, 3)
    assert fallback_tag(running).startswith("returning:")
    go(3)
    assert counts(running) == (4, 0)
    assert running.said(events.FALLBACK) == ["0 tasks run on demand for my-app-frontend, 3 before"]
    go(2)
    assert (fallback_tag(running), healthy(running), because(running)) == ("", 4, "up to date")
    running.quiet()
    go(30)
    assert running.writes() == {}
    assert least >= 1, "the task that was left, and from then on all of them"
    assert all(count in (0, 3) for _, _, count in seen)


def test_a_process_that_starts_in_between_forgets_no_time(running: Running) -> None:
    """Both deadlines are in tags: restarts every two minutes change nothing."""
    lack = lose(running)
    for _ in range(4):
        running.go(2 * MINUTES)
        running.restart()
    assert counts(running) == (1, 3)
    since = fallback_tag(running)
    running.stage.laptop.aws.faults.remove(lack)
    while counts(running)[0] < 4:
        running.go(30)
    for _ in range(4):
        running.go(2 * MINUTES)
        running.restart()
    assert since.startswith("running:")
    assert (*counts(running), fallback_tag(running)) == (4, 0, "")


@pytest.mark.slow
def test_a_version_that_comes_out_meanwhile_is_run_on_demand_once_it_serves(running: Running) -> None:
    """The tasks on demand keep the version that serves, and follow the new one once its rollout is over."""
    lack = lose(running, 2)
    running.go(8 * MINUTES)
    assert counts(running) == (2, 2)
    before = services(running)[BESIDE]["taskDefinition"]
    running.files.edit(FRONTEND, "tag: v1", "tag: v2")
    running.go(10 * MINUTES)
    assert services(running)[BESIDE]["taskDefinition"] == before
    assert healthy(running) == 4
    running.stage.laptop.aws.faults.remove(lack)
    running.go(30 * MINUTES)
    found = services(running)
    assert found[BESIDE]["taskDefinition"] == found[SERVICE]["taskDefinition"] != before
    assert counts(running) == (4, 0)
    assert set(running.outcomes()) == {Outcome.PROMOTED}


@pytest.mark.slow
def test_a_version_that_fails_is_never_run_on_demand(running: Running) -> None:
    """Without a task of its own, the service on demand does not take it for deployed."""
    before = services(running)[BESIDE]["taskDefinition"]
    bad = running.stage.digest("v2")
    running.stage.laptop.script(Script(image=f"*{bad}*", healthy=False, exits_after=1.0, exit_code=1))
    running.files.edit(FRONTEND, "tag: v1", "tag: v2")
    running.go(90 * MINUTES)
    assert Outcome.ROLLED_BACK in running.outcomes()
    assert services(running)[BESIDE]["taskDefinition"] == before
    lose(running, 2)
    running.go(10 * MINUTES)
    assert (counts(running), healthy(running)) == ((2, 2), 4)
    assert services(running)[BESIDE]["taskDefinition"] == before


def test_a_count_of_zero_stops_the_tasks_on_demand_at_once(running: Running) -> None:
    """No tasks are wanted, on Spot or on demand."""
    lose(running)
    running.go(8 * MINUTES)
    assert counts(running) == (1, 3)
    running.files.edit(FRONTEND, "desired_count: 4", "desired_count: 0")
    running.go(2 * MINUTES)
    assert (*counts(running), fallback_tag(running)) == (0, 0, "")


def test_more_tasks_that_are_wanted_run_on_demand_too(running: Running) -> None:
    """The count follows that of the service, whoever has changed it."""
    lose(running)
    running.go(8 * MINUTES)
    running.stage.laptop.client("ecs").update_service(cluster=CLUSTER, service=BESIDE, desiredCount=9)
    running.files.edit(FRONTEND, "desired_count: 4", "desired_count: 6")
    running.go(8 * MINUTES)
    assert counts(running) == (1, 5)


def test_without_the_word_the_tasks_on_demand_go_once_the_others_run(running: Running) -> None:
    """The service moves to on-demand capacity itself, and nothing is missing on the way there."""
    lose(running)
    running.go(8 * MINUTES)
    running.files.edit(FRONTEND, "spot: preferred", "launch: FARGATE")
    running.go(30)
    deferred = {str(one.action.address): (one.code, one.waits_for) for one in running.passes[-1].plan.deferred}
    assert deferred[f"service/{BESIDE}"] == (DeferralCode.LACKS_TASKS, Address("service", SERVICE))
    least = 4
    while BESIDE in services(running):
        running.go(30)
        least = min(least, healthy(running))
        assert running.stage.laptop.clock.monotonic() < 100_000
    assert least == 4
    assert services(running)[SERVICE]["runningCount"] == 4


@pytest.mark.slow
def test_a_target_group_is_renamed_while_tasks_run_on_demand(running: Running) -> None:
    """Both services move to the new one, and requests are served throughout."""
    lack = lose(running, 2)
    running.go(8 * MINUTES)
    assert counts(running) == (2, 2)
    running.stage.laptop.aws.faults.remove(lack)
    running.go(20 * MINUTES)
    lose(running, 2)
    running.go(8 * MINUTES)
    assert counts(running) == (2, 2)
    running.stage.laptop.aws.faults.clear()
    running.files.edit(FRONTEND, "[my-app-frontend-tg-1]", "[my-app-frontend-tg-3]")
    running.go(60 * MINUTES)
    elb = running.stage.laptop.client("elbv2")
    assert [one["TargetGroupName"] for one in elb.describe_target_groups()["TargetGroups"]] == ["my-app-frontend-tg-3"]
    assert counts(running) == (4, 0)
    running.quiet()
    running.go(20 * MINUTES)
    assert running.writes() == {}


def test_a_stack_with_tasks_on_demand_is_destroyed(running: Running) -> None:
    """Both services are deleted."""
    lose(running)
    running.go(8 * MINUTES)
    _, plan = pass_.look(running.stage.aws, discover(), replace(running.stage.desired_state, leaving=True))
    deleted = {str(one.address) for one in plan.actions if one.verb is Verb.DELETE}
    assert {f"service/{SERVICE}", f"service/{BESIDE}"} <= deleted
    assert not plan.deferred


@pytest.mark.slow
def test_the_service_on_demand_has_no_restart_of_its_own(running: Running) -> None:
    """It is refused, and one of the service itself is followed once it is over."""
    lose(running, 2)
    running.go(8 * MINUTES)
    clear = running.stage.laptop.aws.faults.clear
    before, now = services(running)[BESIDE]["taskDefinition"], running.stage.laptop.clock.now()
    step = running.loop.queue.results[Address("service", SERVICE)].step
    assert step is not None
    request = Request(RequestVerb.RESTART, step.release, "i1", now, "ana")
    ask(running, BESIDE, request)
    running.go(2 * MINUTES)
    tags = {one["key"]: one["value"] for one in services(running)[BESIDE]["tags"]}
    assert tags[KEYS["response"]].startswith("i1:refused:unsupported:")
    assert services(running)[BESIDE]["taskDefinition"] == before
    clear()
    ask(running, SERVICE, replace(request, at=running.stage.laptop.clock.now()))
    running.go(30 * MINUTES)
    found = services(running)
    assert found[BESIDE]["taskDefinition"] == found[SERVICE]["taskDefinition"] != before


def ask(running: Running, name: str, request: Request) -> None:
    tags = [{"key": KEYS["request"], "value": request.text()}]
    running.stage.laptop.client("ecs").tag_resource(resourceArn=services(running)[name]["serviceArn"], tags=tags)
