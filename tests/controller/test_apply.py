"""`apply` in process, over the emulator: what it does itself, and what it leaves for after a rollout."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from reconciler.controller.until import Ending, Observer
from reconciler.local.faults import Fault
from reconciler.model.plan import PlanStep
from reconciler.model.resource import Call
from reconciler.reconcile import request_tags
from reconciler.reconcile.executor import Result
from tests.controller.commands import Command, actions, apply, command
from tests.controller.test_controller import Files, Running
from tests.harness.driving import Recorded
from tests.harness.emulated_stack import CLUSTER, EmulatedStack, emulated_stack
from tests.promises.conftest import mostly_slow

ROLLING = Path(__file__).parent / "specs"
AT_ONCE = 30.0
"""Seconds in which nothing was waited for but what a rollout looks at to have begun."""


def serve(stage: EmulatedStack) -> EmulatedStack:
    stage.infrastructure()
    for tag in ("v1", "v2", "v3"):
        stage.push(tag)
    assert apply(stage, wait=True).ending is Ending.REACHED
    return stage


pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def rolling(for_a_module: None) -> Iterator[EmulatedStack]:
    """A service that ECS rolls by itself, serving v1."""
    with emulated_stack(folder=ROLLING) as stage:
        yield serve(stage)


def controller(stage: EmulatedStack, folder: Path) -> Running:
    """`reconciler run` with the specs as they are now."""
    files = sorted(folder.rglob("*.yaml"))
    for file in files:
        file.write_bytes(stage._changed(file.read_bytes()))
    return Running(stage, Files(folder))


def on_spot(stage: EmulatedStack) -> None:
    stage.change({"desired_count: 1": "desired_count: 1\ncapacity_providers: [FARGATE_SPOT]"})


def off_spot(stage: EmulatedStack) -> None:
    stage.texts["desired_count: 1"] = "desired_count: 1\nlaunch: FARGATE"
    stage.change({"capacity_providers: [FARGATE, FARGATE_SPOT]": "capacity_providers: [FARGATE]"})


def renamed_group(stage: EmulatedStack) -> None:
    stage.change({"my-app-task-sg": "web-tasks"})


def moved_subnet(stage: EmulatedStack) -> None:
    stage.change({"10.0.2.0/24": "10.0.3.0/24"})


GROUP = ["delete security-group-rules/my-app-task-sg", "delete security-group/my-app-task-sg"]
PROVIDER = ["update cluster/my-app-cluster"]
SUBNET = ["delete subnet/app-public1-c", "update route-table/public1-c"]

CHANGES = {
    "a security group is renamed": (renamed_group, GROUP),
    "a capacity provider leaves": (off_spot, PROVIDER),
    "a subnet gets another range": (moved_subnet, SUBNET),
}


def changed(stage: EmulatedStack, change: str) -> list[str]:
    """Make one of the changes, and say what has to follow the rollout."""
    if change == "a capacity provider leaves":
        on_spot(stage)
        assert apply(stage, wait=True).ending is Ending.REACHED
    make, left = CHANGES[change]
    make(stage)
    return left


def still_used(stage: EmulatedStack) -> dict[str, Any]:
    """What the version that serves was made with, as AWS has it."""
    ec2, ecs = stage.laptop.client("ec2"), stage.laptop.client("ecs")
    (cluster,) = ecs.describe_clusters(clusters=[CLUSTER])["clusters"]
    tagged = [{"Name": "tag:reconciler:address", "Values": ["security-group/my-app-task-sg"]}]
    groups = [one["GroupId"] for one in ec2.describe_security_groups(Filters=tagged)["SecurityGroups"]]
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": groups}])["SecurityGroupRules"]
    ranges = {one["SubnetId"]: one["CidrBlock"] for one in ec2.describe_subnets()["Subnets"]}
    tables = ec2.describe_route_tables()["RouteTables"]
    routed = {ranges[one["SubnetId"]] for table in tables for one in table["Associations"] if "SubnetId" in one}
    return {
        "providers": sorted(cluster["capacityProviders"]),
        "rules": sum(not one["IsEgress"] for one in rules),
        "range": "10.0.2.0/24" in ranges.values() and "10.0.2.0/24" in routed,
    }


# -- what only a rollout makes possible


@pytest.mark.parametrize("change", CHANGES)
def test_what_tasks_still_use_is_left_and_not_waited_for(rolling: EmulatedStack, change: str) -> None:
    """Planned, listed, and done by the next `apply` once the rollout has ended."""
    left = changed(rolling, change)
    before = still_used(rolling)
    done = apply(rolling)
    assert done.ending is Ending.REACHED
    assert done.seconds < AT_ONCE
    assert actions(done.plan, deferred=True) == left
    assert done.left == left
    assert still_used(rolling) == before
    rolling.laptop.advance(600)
    again = apply(rolling)
    assert actions(again.plan) == left
    assert (again.ending, again.left) == (Ending.REACHED, [])
    assert still_used(rolling) != before
    assert apply(rolling).plan.actions == ()


@pytest.mark.parametrize("change", CHANGES)
def test_who_waits_for_the_rollout_sees_it_done(rolling: EmulatedStack, change: str) -> None:
    """After the rollout, in the same command."""
    left = changed(rolling, change)
    done = apply(rolling, wait=True)
    assert actions(done.plan, deferred=True) == left
    assert (done.ending, done.left) == (Ending.REACHED, [])
    assert done.seconds < 300
    assert apply(rolling).plan.actions == ()


@pytest.mark.parametrize("change", CHANGES)
def test_a_controller_does_it_by_itself(rolling: EmulatedStack, tmp_path: Path, change: str) -> None:
    """Once the rollout has ended, at one of its next passes."""
    changed(rolling, change)
    running = controller(rolling, Path(shutil.copytree(ROLLING, tmp_path / "specs")))
    running.go(600)
    assert running.passes[-1].plan.deferred == ()
    assert not [one for each in running.passes for one in each.failed]
    assert apply(rolling).plan.actions == ()


def test_a_log_group_stays_for_as_long_as_two_versions_run(rolling: EmulatedStack) -> None:
    """And not until somebody has noticed that the rollout is over: ECS ended it while nobody looked."""
    rolling.change({"  logs: {retention_days: 7}\n": ""})
    assert apply(rolling).left == ["delete log-group/ecs/web", "update role/web-execution"]
    rolling.laptop.advance(600)
    again = apply(rolling)
    assert actions(again.plan) == ["delete log-group/ecs/web", "update role/web-execution"]
    assert (again.ending, again.left) == (Ending.REACHED, [])


# -- drift that is somebody else's


def test_what_is_ignored_is_left_by_every_command(rolling: EmulatedStack) -> None:
    """A route that the network team made; without the rule it is drift, and goes."""
    ignoring = 'guard: {max_delete: 5}\ndrift: [{match: "route-table/*", path: routes, mode: ignore, reason: peers}]'
    guard = "guard: {max_delete: 5, max_delete_percent: 30}"
    rolling.change({guard: ignoring})
    ec2 = rolling.laptop.client("ec2")
    (table,) = ec2.describe_route_tables(
        Filters=[{"Name": "tag:reconciler:address", "Values": ["route-table/public1-c"]}]
    )["RouteTables"]
    gateway = next(one["GatewayId"] for one in table["Routes"] if one.get("GatewayId", "local") != "local")
    ec2.create_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="10.9.0.0/16", GatewayId=gateway)
    assert apply(rolling, wait=True).plan.actions == ()
    (now,) = ec2.describe_route_tables(RouteTableIds=[table["RouteTableId"]])["RouteTables"]
    assert "10.9.0.0/16" in [one["DestinationCidrBlock"] for one in now["Routes"]]
    rolling.texts[guard] = rolling.texts[guard].replace("ignore", "enforce")
    rolling.change({})
    assert actions(apply(rolling).plan) == ["update route-table/public1-c"]


# -- what a controller says and a command does not


def test_a_command_answers_no_request_and_records_no_revision(rolling: EmulatedStack) -> None:
    """Both say that a controller has seen the stack in place."""
    ecs = rolling.laptop.client("ecs")
    (service,) = ecs.describe_services(cluster=CLUSTER, services=["web"])["services"]
    ecs.tag_resource(resourceArn=service["serviceArn"], tags=[{"key": request_tags.REQUEST, "value": "p1"}])
    rolling.change({"tag: v1": "tag: v2"})
    assert apply(rolling, wait=True).ending is Ending.REACHED
    (service,) = ecs.describe_services(cluster=CLUSTER, services=["web"], include=["TAGS"])["services"]
    keys = {one["key"] for one in service["tags"]}
    assert request_tags.REQUEST in keys
    assert keys.isdisjoint({request_tags.HANDLED, request_tags.REVISION})


# -- interrupted, refused, and out of time


class StopAt(Observer):
    """Ctrl-C at the start of the step of that number."""

    def __init__(self, number: int, stop: threading.Event) -> None:
        self.number, self.stop = number, stop

    def on_start(self, step: PlanStep, action: Any) -> None:
        self.number -= 1
        if self.number == 0:
            self.stop.set()


@pytest.mark.parametrize(
    "number", [2, pytest.param(1, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)]
)
def test_after_ctrl_c_at_any_step_the_next_apply_goes_on(rolling: EmulatedStack, number: int) -> None:
    """What was begun is ended, no step begins after it, and no rollout is driven."""
    renamed_group(rolling)
    stop = threading.Event()
    first = apply(rolling, stop=stop, observer=StopAt(number, stop))
    assert first.ending is (Ending.INTERRUPTED if stop.is_set() else Ending.REACHED)
    begun = [one for each in first.goal.passes for one in each.outcomes if one.result is Result.DONE]
    assert len(begun) == number or not stop.is_set()
    second = apply(rolling, wait=True)
    assert (second.ending, second.left) == (Ending.REACHED, [])
    assert apply(rolling).plan.actions == ()


def test_ctrl_c_before_the_first_round_does_nothing(rolling: EmulatedStack) -> None:
    """Not one call."""
    renamed_group(rolling)
    stop = threading.Event()
    found = apply(rolling, stop=stop, meanwhile=lambda: (stop.set(), rolling.transport.sent.clear())[0])
    assert found.ending is Ending.INTERRUPTED
    assert not rolling.transport.sent


@pytest.mark.parametrize(
    "read",
    mostly_slow(
        product(("DescribeServices", "DescribeSubnets", "GetResources", "DescribeTargetGroups"), (1, 2, 3)),
        ("DescribeServices", 1), ("GetResources", 2),
    ),
)  # fmt: skip
def test_a_read_that_fails_in_any_pass_delays_and_changes_nothing(
    rolling: EmulatedStack, read: tuple[str, int]
) -> None:
    """Nothing is planned from half of the account. What waits for the rollout is left, unless that ends meanwhile."""
    operation, nth = read
    renamed_group(rolling)
    running = command(rolling)
    plan = running.look().plan
    passes = 0

    def failing(report: object) -> None:
        nonlocal passes
        passes += 1
        if passes == nth:
            rolling.laptop.aws.faults.add(Fault(kind="unreachable", operation=operation, count=8))

    if nth == 1:
        failing(None)
    running.reports = (failing,)
    goal = Recorded(patience=900.0, rollout_patience=120.0)
    assert running.run(goal, agreed=plan) is Ending.REACHED
    left = Command(running, plan, goal).left
    assert left == GROUP or (left == [] and all(result.at_rest for result in running.queue.results.values()))


def test_a_service_that_aws_shows_late_is_waited_for() -> None:
    """What was made and is not shown has no tasks yet, and is neither made again nor a reason to stop."""
    with emulated_stack(folder=ROLLING) as stage:
        stage.infrastructure()
        stage.push("v1")
        perform, hidden = stage.transport.perform, 2

        def late(call: Call) -> dict[str, Any]:
            nonlocal hidden
            answer = perform(call)
            if call.operation != "DescribeServices" or not stage.transport.sent["CreateService"] or not hidden:
                return answer
            hidden -= 1
            missing = [{"arn": one, "reason": "MISSING"} for one in call.params["services"]]
            return {"services": [], "failures": missing}

        stage.transport.perform = late  # type: ignore[method-assign]
        found = apply(stage)
        assert found.ending is Ending.REACHED
        assert hidden == 0
        assert stage.transport.sent["CreateService"] == 1


def test_a_failure_beside_what_waits_ends_with_it(rolling: EmulatedStack) -> None:
    """What waits is waited for, no longer than the time it has; the failure is reported, and tried in every pass."""
    rolling.laptop.aws.faults.add(Fault(kind="denied", operation="CreateSecurityGroup"))
    renamed_group(rolling)
    found = apply(rolling)
    assert found.ending is Ending.REACHED
    assert found.goal.counts()[1] == 1
    assert found.seconds < AT_ONCE


def test_a_stack_without_services(tmp_path: Path) -> None:
    """Nothing carries a request, nothing rolls, and the second apply has nothing to do."""
    folder = Path(shutil.copytree(ROLLING, tmp_path / "specs", ignore=shutil.ignore_patterns("services")))
    with emulated_stack(folder=folder) as stage:
        assert apply(stage, wait=True).ending is Ending.REACHED
        assert apply(stage, wait=True).plan.actions == ()
        stage.change({"retention": "retention"})
        running = controller(stage, folder)
        running.go(60)
        assert [one.in_place for one in running.passes][:1] == [True]


def test_a_service_goes_while_another_rolls(tmp_path: Path) -> None:
    """What it alone used goes after it; what the other uses stays until its rollout has ended."""
    folder = Path(shutil.copytree(ROLLING, tmp_path / "specs"))
    text = (folder / "services" / "frontend.yaml").read_text()
    other = text.replace("name: web\n", "name: other\n").replace("web-tg", "other-tg")
    traffic = other[other.index("traffic:") : other.index("deployment:")]
    (folder / "services" / "other.yaml").write_text(other.replace(traffic, ""))
    with emulated_stack(folder=folder) as stage:
        serve(stage)
        stage.folder = Path(shutil.copytree(folder, tmp_path / "less", ignore=shutil.ignore_patterns("other.yaml")))
        renamed_group(stage)
        done = apply(stage)
        assert done.ending is Ending.REACHED
        assert set(GROUP) <= set(done.left)
        assert apply(stage, wait=True).left == []
        assert apply(stage).plan.actions == ()
