"""Renames and other attachments under traffic: what is new is made and proven healthy before what was there goes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.controller.until import Ending
from reconciler.local.timings import Timings
from reconciler.model.guard import Guard
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.controller.commands import apply
from tests.controller.test_controller import Files, Running
from tests.harness.emulated_stack import CLUSTER, SHORT, EmulatedStack, emulated_stack
from tests.harness.listener_watch import ListenerWatch

SPECS = Path(__file__).parent / "moves"
SLOW = Timings(task_pull=3.0, steady_after=5.0, load_balancer_provisioning=5.0)
WEB = "services/web.yaml"


@dataclass(slots=True)
class Moving:
    """A controller over the emulator with one rolling service, and clients that never stop asking."""

    running: Running
    watches: list[ListenerWatch] = field(default_factory=list)

    @property
    def laptop(self) -> Any:
        return self.running.stage.laptop

    def go(self, seconds: float) -> None:
        """Rounds until that time has passed, with a look at the listeners twice a second and around each call."""
        clock = self.laptop.clock
        end = clock.monotonic() + seconds
        while clock.monotonic() < end:
            self.running.loop.round()
            pause = max(0.05, min(self.running.loop.pause(), end - clock.monotonic()))
            while pause > 0:
                self.laptop.advance(min(pause, 0.5))
                pause -= 0.5
                self.look()

    def look(self, *_: Any) -> None:
        for watch in self.watches:
            watch.look()

    def edit(self, old: str, new: str, file: str = WEB) -> None:
        self.running.files.edit(file, old, new)

    def lost(self) -> list[tuple[float, str]]:
        return [one for watch in self.watches for one in watch.lost]

    def at_rest(self) -> None:
        """Another minute writes nothing, and the plan is empty."""
        self.running.quiet()
        self.go(60)
        assert self.running.writes() == {}
        _, plan = pass_.look(self.running.stage.aws, discover(), self.running.loop.revisions.active.desired_state)
        assert [str(one.address) for one in plan.actions] == []
        assert [f"{one.action.address}: {one.because}" for one in plan.deferred] == []

    def groups(self) -> dict[str, int]:
        """Number of healthy targets of each target group."""
        elb = self.laptop.client("elbv2")
        return {
            one["TargetGroupName"]: sum(
                target["TargetHealth"]["State"] == "healthy"
                for target in elb.describe_target_health(TargetGroupArn=one["TargetGroupArn"])[
                    "TargetHealthDescriptions"
                ]
            )
            for one in elb.describe_target_groups()["TargetGroups"]
        }

    def service(self, name: str = "web") -> dict[str, Any]:
        found: dict[str, Any] = self.laptop.client("ecs").describe_services(cluster=CLUSTER, services=[name])[
            "services"
        ][0]
        return found

    def attached(self, name: str = "web") -> list[tuple[str, int]]:
        return [
            (one["targetGroupArn"].split("/")[1], one["containerPort"]) for one in self.service(name)["loadBalancers"]
        ]


pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def stage(for_a_module: None) -> Iterator[EmulatedStack]:
    """All that the specs of this file need before their service is deployed."""
    with emulated_stack({}, SHORT, folder=SPECS, timings=SLOW) as stage:
        stage.laptop.targets.first_check_after = 4.0
        stage.infrastructure()
        for tag in ("v1", "v2"):
            stage.push(tag)
        stage.laptop.client("ssm").put_parameter(Name="/shop/key", Value="open", Type="SecureString")
        yield stage


@pytest.fixture
def start(stage: EmulatedStack, tmp_path: Path) -> Callable[..., Moving]:
    """Starts a stack from the specs of this file with `edits`, and waits until it serves."""

    def begin(*edits: tuple[str, str, str], served: bool = True) -> Moving:
        files = Files(Path(shutil.copytree(SPECS, tmp_path / "specs")))
        for file, old, new in edits:
            files.edit(file, old, new)
        running = Running(stage, files, guard=Guard(max_delete=50, max_delete_percent=100))
        assert running.loop.revisions.look(None), "specs"
        found = Moving(running, [ListenerWatch(stage.laptop)])
        stage.transport.before = found.look
        found.go(150)
        assert found.watches[0].served is served, found.watches[0].look()
        found.at_rest()
        return found

    return begin


def test_a_target_group_is_renamed(start: Callable[..., Moving]) -> None:
    """Tasks are in both groups until the listener has changed to the new one, and then the old one is deleted."""
    moving = start()
    moving.edit("[web-tg]", "[web-blue]")
    moving.go(300)
    assert moving.lost() == []
    assert moving.groups() == {"web-blue": 2}
    assert moving.attached() == [("web-blue", 80)]
    moving.at_rest()


def test_apply_waits_for_all_of_it(start: Callable[..., Moving]) -> None:
    """`apply --wait` ends when the old target group is gone."""
    moving = start()
    stage = moving.running.stage
    stage.change({"[web-tg]": "[web-blue]"})
    applied = apply(stage, wait=True)
    assert applied.ending is Ending.REACHED
    assert applied.left == []
    assert moving.groups() == {"web-blue": 2}
    assert moving.lost() == []


TRAFFIC = """traffic:
  load_balancer: my-app-alb
  container: web
  target_groups: [web-tg]
  deregistration_delay: 10s
"""


def test_traffic_is_added_later(start: Callable[..., Moving]) -> None:
    """A service that is given traffic is attached to the target group, and answers from then on."""
    moving = start((WEB, TRAFFIC, ""), served=False)
    assert moving.attached() == []
    moving.edit("deployment: plain", TRAFFIC + "deployment: plain")
    moving.go(200)
    assert moving.watches[0].served
    assert moving.lost() == []
    assert moving.attached() == [("web-tg", 80)]
    moving.at_rest()


def test_traffic_is_removed(start: Callable[..., Moving]) -> None:
    """A service that loses its traffic leaves its target group, which is deleted; the next release works."""
    moving = start()
    moving.edit(TRAFFIC, "")
    moving.go(200)
    assert moving.attached() == []
    assert moving.groups() == {}
    moving.at_rest()
    before = moving.service()["taskDefinition"]
    moving.edit("tag: v1", "tag: v2")
    moving.go(200)
    assert moving.service()["taskDefinition"] != before
    moving.at_rest()


def test_the_container_port_changes_with_a_new_target_group(start: Callable[..., Moving]) -> None:
    """Old and new tasks, which listen on different ports, are in the same group until the listener has changed."""
    moving = start()
    moving.edit("port: 80", "port: 8080")
    moving.edit("{port: 80, from: my-app-lb-sg}", "{port: 8080, from: my-app-lb-sg}", "network.yaml")
    moving.edit("[web-tg]", "[web-tg2]")
    moving.go(300)
    assert moving.lost() == []
    assert moving.attached() == [("web-tg2", 8080)]
    moving.at_rest()


def test_a_release_waits_while_its_plan_is_refused(start: Callable[..., Moving]) -> None:
    """AWS cannot change the port of a target group: no revision is registered, and none is asked for."""
    moving = start()
    moving.edit("port: 80", "port: 8080")
    moving.edit("{port: 80, from: my-app-lb-sg}", "{port: 8080, from: my-app-lb-sg}", "network.yaml")
    moving.go(120)
    (result,) = moving.running.loop.queue.results.values()
    assert result.error is None
    assert result.seen is not None
    assert result.seen.waits.startswith("the plan is refused: AWS cannot change port in place")
    assert moving.lost() == []


MATCH = "  container: web\n", "  container: web\n  match: {path: [/*], priority: 10}\n"


@pytest.mark.parametrize("groups", ["[web-tg]", "[shop-tg]"])
@pytest.mark.parametrize("edits", [(), ((WEB, *MATCH),)], ids=["listener", "rule"])
def test_a_service_is_renamed(start: Callable[..., Moving], groups: str, edits: tuple[Any, ...]) -> None:
    """The new service is made, healthy and attached before the old one is drained and deleted."""
    moving = start(*edits)
    moving.edit("name: web\n", "name: shop\n")
    moving.edit("[web-tg]", groups)
    moving.go(400)
    assert moving.lost() == []
    assert moving.service("shop")["runningCount"] == 2
    assert moving.service("web")["status"] != "ACTIVE"
    assert moving.groups() == {groups.strip("[]"): 2}
    moving.at_rest()


def test_a_service_moves_to_another_listener(start: Callable[..., Moving]) -> None:
    """The listener that it leaves answers until the other one does."""
    other = ("lb.yaml", "production: {port: 80}", "production: {port: 80}\n  other: {port: 81}")
    moving = start(other)
    moving.watches.append(ListenerWatch(moving.laptop, 81))
    moving.edit("load_balancer: my-app-alb", "load_balancer: my-app-alb\n  listener: other")
    moving.go(300)
    first, second = moving.watches
    assert second.served
    assert second.lost == []
    assert first.lost[0][1] == "answered with FixedResponse"
    moving.at_rest()


LB2 = """---
kind: LoadBalancer
name: second
subnets: [app-public1-a, app-public1-c]
security_groups: [my-app-lb-sg]
listeners:
  production: {port: 80}
"""


@pytest.mark.slow
@pytest.mark.parametrize("first_goes", [True, False])
def test_a_service_moves_to_another_load_balancer(start: Callable[..., Moving], first_goes: bool) -> None:
    """The load balancer that it leaves answers until the other one does, and may then be deleted."""
    moving = start()
    moving.watches[0].balancer = "my-app-alb"
    second = ListenerWatch(moving.laptop, balancer="second")
    moving.watches.append(second)
    name = "security_groups: [my-app-lb-sg]\nlisteners:\n  production: {port: 80}\n"
    moving.edit(name, name + LB2, "lb.yaml")
    if first_goes:
        text = (moving.running.files.folder / "lb.yaml").read_text(encoding="utf-8")
        (moving.running.files.folder / "lb.yaml").write_text(text.partition("---\n")[2], encoding="utf-8")
    moving.edit("load_balancer: my-app-alb", "load_balancer: second")
    moving.edit("[web-tg]", "[web-tg2]")
    moving.go(400)
    assert second.served
    assert second.lost == []
    assert second.began is not None
    assert second.began < moving.watches[0].lost[0][0]
    assert moving.attached() == [("web-tg2", 80)]
    moving.at_rest()


def test_a_security_group_is_renamed(start: Callable[..., Moving]) -> None:
    """The old group and its rules stay until no task uses it, and are then deleted in few calls."""
    moving = start()
    moving.edit("name: my-app-task-sg", "name: web-tasks", "network.yaml")
    moving.edit("[my-app-task-sg]", "[web-tasks]")
    moving.go(300)
    assert moving.lost() == []
    names = [one["GroupName"] for one in moving.laptop.client("ec2").describe_security_groups()["SecurityGroups"]]
    assert set(names) == {"default", "my-app-lb-sg", "web-tasks"}
    assert moving.running.stage.transport.sent["DeleteSecurityGroup"] <= 3
    moving.at_rest()


def rules(moving: Moving, name: str) -> set[int]:
    ec2 = moving.laptop.client("ec2")
    groups = {one["GroupName"]: one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]}
    found = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [groups[name]]}])
    return {one["FromPort"] for one in found["SecurityGroupRules"] if not one["IsEgress"]}


def test_a_port_of_a_security_group_changes_with_the_version(start: Callable[..., Moving]) -> None:
    """The rule of the old port goes when no task needs it any more."""
    moving = start()
    moving.edit("port: 80", "port: 8080")
    moving.edit("[web-tg]", "[web-tg2]")
    moving.edit("{port: 80, from: my-app-lb-sg}", "{port: 8080, from: my-app-lb-sg}", "network.yaml")
    seen: list[tuple[bool, set[int]]] = []
    for _ in range(100):
        moving.go(3)
        old = any(
            target.target.port == 80
            for arn in moving.laptop.targets.groups
            for target in moving.laptop.targets.states(arn)
            if target.state == "healthy"
        )
        seen.append((old, rules(moving, "my-app-task-sg")))
    assert all(80 in ports for old, ports in seen if old), seen
    assert any(ports == {80, 8080} for _, ports in seen)
    assert seen[-1] == (False, {8080})
    moving.at_rest()


def test_a_capacity_provider_leaves(start: Callable[..., Moving]) -> None:
    """A capacity provider stays attached to the cluster while tasks run on it."""
    count = "desired_count: 2"
    moving = start((WEB, count, f"{count}\ncapacity_providers: [FARGATE_SPOT]"))
    moving.edit("capacity_providers: [FARGATE_SPOT]", "launch: FARGATE")
    moving.edit("[FARGATE, FARGATE_SPOT]", "[FARGATE]", "cluster.yaml")
    moving.go(200)
    assert moving.lost() == []
    (cluster,) = moving.laptop.client("ecs").describe_clusters(clusters=[CLUSTER])["clusters"]
    assert cluster["capacityProviders"] == ["FARGATE"]
    moving.at_rest()


@pytest.mark.slow
def test_a_role_is_narrowed_with_the_version(start: Callable[..., Moving]) -> None:
    """What the serving version was allowed stays allowed until it is gone."""
    image = "      image: {registry: my-app-frontend, tag: v1}\n"
    secret = image + '      secrets: {KEY: "ssm:/shop/key"}\n'
    moving = start((WEB, image, secret))
    iam = moving.laptop.client("iam")

    def allowed() -> bool:
        (name,) = [one["RoleName"] for one in iam.list_roles()["Roles"] if "web" in one["RoleName"]]
        return "ssm:GetParameters" in str(iam.get_role_policy(RoleName=name, PolicyName="start-tasks"))

    before = moving.service()["taskDefinition"]
    moving.edit(secret, image.replace("v1", "v2"))
    seen = []
    for _ in range(80):
        moving.go(2)
        deployments = moving.service()["deployments"]
        old = any(one["taskDefinition"] == before and one["runningCount"] for one in deployments)
        seen.append((old, allowed()))
    assert all(has for old, has in seen if old)
    assert seen[-1] == (False, False)
    moving.at_rest()
