"""Spot capacity that is lost while ECS shifts traffic: each target group has a service on demand of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.local.scripted import Script
from reconciler.model.resource import Address
from reconciler.rollout.engine import Phase
from reconciler.rollout.requests import Request, RequestVerb
from reconciler.rollout.stored_state import KEYS
from tests.controller.test_controller import Files, Running
from tests.controller.test_spot_fallback import FRONTEND, MINUTES, lose
from tests.harness.emulated_stack import CLUSTER, SEED, SERVICE, emulated_stack

GROUPS = ("my-app-frontend-tg-1", "my-app-frontend-tg-2")
BESIDE = {GROUPS[0]: f"{SERVICE}-on-demand", GROUPS[1]: f"{SERVICE}-on-demand-2"}
ADDRESS = Address("service", SERVICE)

pytestmark = [pytest.mark.apart, pytest.mark.slow]


@pytest.fixture(scope="module")
def serving(for_a_module: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """v1 runs on Spot, four tasks, behind the target group that ECS has chosen; a task takes a minute to start."""
    folder = Path(shutil.copytree(SEED, tmp_path_factory.mktemp("serving") / "specs"))
    file = folder / FRONTEND
    strategy, text = folder / "deployment.yaml", file.read_text(encoding="utf-8")
    careful = strategy.read_text(encoding="utf-8").replace("type: blue_green", "type: blue_green\nengine: ecs_native")
    careful = careful.replace("promotion: {mode: timed, after: 2h}", "promotion: {mode: manual}")
    strategy.write_text(careful, encoding="utf-8")
    file.write_text(text.replace("desired_count: 1", "desired_count: 4\nspot: preferred"), encoding="utf-8")
    with emulated_stack(folder=folder) as stage:
        stage.serving()
        stage.laptop.advance(7200)
        stage.laptop.script(Script(starts_after=60.0))
        found = Running(stage, Files(folder))
        found.go(300)
        found.quiet()
        yield found


@pytest.fixture
def running(serving: Running, tmp_path: Path) -> Running:
    serving.files.folder = Path(shutil.copytree(serving.stage.folder, tmp_path / "specs"))
    return serving


def services(running: Running) -> dict[str, Any]:
    ecs = running.stage.laptop.client("ecs")
    answer = ecs.describe_services(cluster=CLUSTER, services=[SERVICE, *BESIDE.values()], include=["TAGS"])
    return {one["serviceName"]: one for one in answer["services"] if one["status"] == "ACTIVE"}


def serves(running: Running) -> str:
    (group,) = [name for name, weight in running.stage.weights(80).items() if weight == 100]
    return group


def idle(running: Running) -> str:
    return next(name for name in GROUPS if name != serves(running))


def on_demand(running: Running) -> dict[str, int]:
    """Target group → the desired count of its service on demand."""
    found = services(running)
    return {group: found[name]["desiredCount"] for group, name in BESIDE.items()}


def versions(running: Running, group: str) -> set[str]:
    """The revisions of the tasks whose healthy targets are in a target group."""
    aws = running.stage.laptop
    elb, ecs = aws.client("elbv2"), aws.client("ecs")
    (found,) = elb.describe_target_groups(Names=[group])["TargetGroups"]
    health = elb.describe_target_health(TargetGroupArn=found["TargetGroupArn"])["TargetHealthDescriptions"]
    healthy = {one["Target"]["Id"] for one in health if one["TargetHealth"]["State"] == "healthy"}
    arns = ecs.list_tasks(cluster=CLUSTER)["taskArns"]
    tasks = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
    return {
        task["taskDefinitionArn"].rpartition("/")[2]
        for task in tasks
        for attached in task["attachments"]
        for detail in attached["details"]
        if detail["name"] == "privateIPv4Address" and detail["value"] in healthy
    }


def healthy(running: Running, group: str) -> int:
    elb = running.stage.laptop.client("elbv2")
    (found,) = elb.describe_target_groups(Names=[group])["TargetGroups"]
    health = elb.describe_target_health(TargetGroupArn=found["TargetGroupArn"])["TargetHealthDescriptions"]
    return [one["TargetHealth"]["State"] for one in health].count("healthy")


def phase(running: Running) -> Phase:
    step = running.loop.queue.results[ADDRESS].step
    assert step is not None
    return step.phase


def until(running: Running, wanted: Phase, minutes: int = 60) -> None:
    for _ in range(minutes * 4):
        if phase(running) is wanted:
            return
        running.go(15)
    raise AssertionError(f"it is {phase(running)}, and was to be {wanted}")


def ask(running: Running, verb: RequestVerb) -> None:
    step = running.loop.queue.results[ADDRESS].step
    assert step is not None
    now = running.stage.laptop.clock.now()
    request = Request(verb, step.release, f"i{int(now.timestamp())}", now, "ana")
    tags = [{"key": KEYS["request"], "value": request.text()}]
    running.stage.laptop.client("ecs").tag_resource(resourceArn=services(running)[SERVICE]["serviceArn"], tags=tags)


def test_what_is_missing_runs_on_demand_where_production_goes(running: Running) -> None:
    """The other target group stays empty, and nothing is written once the tasks are back on Spot."""
    lack = lose(running)
    running.go(9 * MINUTES)
    live = serves(running)
    assert on_demand(running) == {live: 3, idle(running): 0}
    assert (healthy(running, live), healthy(running, idle(running))) == (4, 0)
    running.stage.laptop.aws.faults.remove(lack)
    running.go(20 * MINUTES)
    assert on_demand(running) == dict.fromkeys(GROUPS, 0)
    running.quiet()
    running.go(20 * MINUTES)
    assert running.writes() == {}
    assert phase(running) is Phase.IDLE


def test_a_rollout_in_which_spot_is_lost_twice(running: Running) -> None:
    """At the gate blue has its tasks on demand and tests reach green alone; in the bake time ECS goes back to blue,
    which is whole. Restarts in between change nothing, and the version is tried again when there is capacity.
    """
    blue, green = serves(running), idle(running)
    old = versions(running, blue)
    running.files.edit(FRONTEND, "tag: v1", "tag: v2")
    until(running, Phase.AWAITING_PROMOTION)
    new = versions(running, green)
    assert len(old) == len(new) == 1
    assert old != new

    lose(running, 8)  # of both versions
    running.go(9 * MINUTES)
    assert on_demand(running) == {blue: 4, green: 0}
    assert (healthy(running, blue), versions(running, blue)) == (4, old)
    assert versions(running, green) == set(), "the new version waits for Spot"
    running.restart()
    running.stage.laptop.aws.faults.clear()
    running.go(20 * MINUTES)
    until(running, Phase.AWAITING_PROMOTION)
    assert on_demand(running) == dict.fromkeys(GROUPS, 0)
    assert versions(running, green) == new

    ask(running, RequestVerb.PROMOTE)
    until(running, Phase.BAKING)
    assert serves(running) == green
    lose(running, 8)  # ECS's circuit breaker takes green back
    running.go(9 * MINUTES)
    running.restart()
    running.go(1 * MINUTES)
    assert (serves(running), healthy(running, blue), versions(running, blue)) == (blue, 4, old)
    assert on_demand(running) == {blue: 4, green: 0}
    running.stage.laptop.aws.faults.clear()
    running.go(20 * MINUTES)
    until(running, Phase.AWAITING_PROMOTION)
    assert versions(running, green) == new, "no capacity is no verdict: it is tried again"
    assert on_demand(running) == dict.fromkeys(GROUPS, 0)


def test_the_next_version_waits_for_its_target_group(running: Running) -> None:
    """Tasks on demand of the previous version leave it first; then it is deployed, promoted and supplied in turn."""
    blue, green = serves(running), idle(running)
    running.files.edit(FRONTEND, "tag: v1", "tag: v2")
    until(running, Phase.AWAITING_PROMOTION)
    ask(running, RequestVerb.PROMOTE)
    until(running, Phase.IDLE, 180)
    assert serves(running) == green
    new = versions(running, green)
    lose(running)
    running.go(9 * MINUTES)
    assert on_demand(running) == {green: 3, blue: 0}
    assert (healthy(running, green), versions(running, green)) == (4, new)
    running.stage.laptop.aws.faults.clear()
    running.files.edit(FRONTEND, "tag: v2", "tag: v3")
    until(running, Phase.AWAITING_PROMOTION)
    assert versions(running, green) == new
    assert len(versions(running, blue)) == 1
    assert healthy(running, green) >= 4


def take_back(running: Running) -> None:
    """v2 has production, and its tasks are lost. No controller runs while ECS goes back to v1."""
    running.files.edit(FRONTEND, "tag: v1", "tag: v2")
    until(running, Phase.AWAITING_PROMOTION)
    ask(running, RequestVerb.PROMOTE)
    until(running, Phase.BAKING)
    lose(running, 8)
    running.stage.laptop.advance(9 * MINUTES)


@pytest.mark.parametrize("back", [False, True], ids=["", "capacity is back"])
@pytest.mark.parametrize("away", [9, 50, 120])
def test_what_ecs_took_back_while_no_controller_ran(running: Running, away: int, back: bool) -> None:
    """What ECS still says of it tells that no task failed by itself: the version is tried again when there is
    capacity."""
    take_back(running)
    if back:
        running.stage.laptop.aws.faults.clear()
    running.stage.laptop.advance((away - 9) * MINUTES)
    running.restart()
    running.go(1 * MINUTES)
    assert KEYS["quarantine"] not in {one["key"] for one in services(running)[SERVICE]["tags"]}
    running.stage.laptop.aws.faults.clear()
    running.go(20 * MINUTES)
    until(running, Phase.AWAITING_PROMOTION)


def test_a_version_that_failed_by_itself_while_no_controller_ran(running: Running) -> None:
    """Capacity was lacking, too; its tasks exited, so it is quarantined."""
    running.files.edit(FRONTEND, "tag: v1", "tag: v2")
    until(running, Phase.AWAITING_PROMOTION)
    running.stage.laptop.script(Script(exits_after=5.0, exit_code=1))
    lose(running, 8)
    running.stage.laptop.advance(1 * MINUTES)
    running.stage.laptop.aws.faults.clear()
    running.stage.laptop.advance(20 * MINUTES)
    running.restart()
    running.go(1 * MINUTES)
    assert KEYS["quarantine"] in {one["key"] for one in services(running)[SERVICE]["tags"]}
