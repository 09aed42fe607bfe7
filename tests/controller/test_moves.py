"""Renames and other attachments under traffic: what is new is made and proven healthy before what was there goes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.local.timings import Timings
from reconciler.model.guard import Guard
from reconciler.model.resource_type import discover
from reconciler.reconcile import pass_
from tests.controller.test_controller import Files, Running
from tests.harness.emulated_stack import CLUSTER, SHORT, emulated_stack
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
        _, plan = pass_.look(self.running.stage.aws, discover(), self.running.loop.revisions.active.wish)
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


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Moving]]:
    """Starts a stack from the specs of this file with `edits`, and waits until it serves."""
    folder = Path(shutil.copytree(SPECS, tmp_path / "specs"))
    with emulated_stack({}, SHORT, folder=folder, timings=SLOW) as stage:
        stage.laptop.targets.first_check_after = 4.0
        stage.infrastructure()
        for tag in ("v1", "v2"):
            stage.push(tag)

        def begin(*edits: tuple[str, str, str], watch: tuple[ListenerWatch, ...] = ()) -> Moving:
            files = Files(folder)
            for file, old, new in edits:
                files.edit(file, old, new)
            running = Running(stage, files, guard=Guard(max_delete=50, max_delete_percent=100))
            found = Moving(running, [ListenerWatch(stage.laptop), *watch])
            stage.transport.before = found.look
            found.go(150)
            assert found.watches[0].served, found.watches[0].look()
            found.at_rest()
            return found

        yield begin


def test_a_target_group_is_renamed(start: Callable[..., Moving]) -> None:
    """Tasks are in both groups until the listener has changed to the new one, and then the old one is deleted."""
    moving = start()
    moving.edit("[web-tg]", "[web-blue]")
    moving.go(300)
    assert moving.lost() == []
    assert moving.groups() == {"web-blue": 2}
    assert moving.attached() == [("web-blue", 80)]
    moving.at_rest()
