"""Renames and other attachments of a service whose traffic the controller shifts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.model.guard import Guard
from tests.controller.test_controller import Files, Running
from tests.controller.test_moves import SLOW, Moving
from tests.harness.emulated_stack import SEED, SHORT, emulated_stack
from tests.harness.listener_watch import ListenerWatch

WEB = "services/frontend.yaml"
GROUPS = "[my-app-frontend-tg-1, my-app-frontend-tg-2]"


pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def started(for_a_module: None) -> Iterator[Moving]:
    """The example stack; its first version serves."""
    with emulated_stack({}, SHORT, timings=SLOW) as stage:
        stage.laptop.targets.first_check_after = 4.0
        stage.infrastructure()
        for tag in ("v1", "v2", "v3"):
            stage.push(tag)
        running = Running(stage, Files(SEED), guard=Guard(max_delete=50, max_delete_percent=100))
        found = Moving(running, [ListenerWatch(stage.laptop)])
        stage.transport.before = found.look
        found.go(150)
        assert found.watches[0].served, found.watches[0].look()
        found.at_rest()
        yield found


@pytest.fixture
def moving(started: Moving, tmp_path: Path) -> Moving:
    """The same, with files that the test may edit."""
    started.running.files.folder = Path(shutil.copytree(SEED, tmp_path / "specs"))
    return started


@pytest.mark.slow
def test_the_idle_target_group_is_renamed(moving: Moving) -> None:
    """The listeners name the new group instead of the old one, which is then deleted; the next version uses it."""
    moving.edit(GROUPS, "[my-app-frontend-tg-1, my-app-frontend-tg-9]", WEB)
    moving.go(120)
    assert moving.lost() == []
    assert moving.groups() == {"my-app-frontend-tg-1": 1, "my-app-frontend-tg-9": 0}
    assert moving.running.stage.weights(80) == {"my-app-frontend-tg-1": 100, "my-app-frontend-tg-9": 0}
    moving.at_rest()
    moving.edit("tag: v1", "tag: v2", WEB)
    moving.go(600)
    assert moving.lost() == []
    assert moving.groups() == {"my-app-frontend-tg-1": 0, "my-app-frontend-tg-9": 1}
    moving.at_rest()


@pytest.mark.slow
def test_the_target_group_in_production_is_renamed(moving: Moving) -> None:
    """It stays until the next version has left it; then its slot is that of the new name."""
    moving.edit(GROUPS, "[my-app-frontend-tg-9, my-app-frontend-tg-2]", WEB)
    moving.go(120)
    assert moving.lost() == []
    assert moving.groups()["my-app-frontend-tg-1"] == 1
    moving.running.quiet()
    moving.go(60)
    assert moving.running.writes() == {}
    moving.edit("tag: v1", "tag: v2", WEB)
    moving.go(600)
    assert moving.lost() == []
    assert moving.groups() == {"my-app-frontend-tg-2": 1, "my-app-frontend-tg-9": 0}
    moving.at_rest()
    moving.edit("tag: v2", "tag: v3", WEB)
    moving.go(600)
    assert moving.lost() == []
    assert moving.groups() == {"my-app-frontend-tg-2": 0, "my-app-frontend-tg-9": 1}
    moving.at_rest()


@pytest.mark.slow
def test_both_target_groups_are_renamed_in_mid_rollout(moving: Moving) -> None:
    """A version on its way keeps its group, as the one in production does."""
    moving.edit("tag: v1", "tag: v2", WEB)
    moving.go(40)
    moving.edit(GROUPS, "[front-a, front-b]", WEB)
    moving.go(700)
    assert moving.lost() == []
    moving.edit("tag: v2", "tag: v3", WEB)
    moving.go(700)
    assert moving.lost() == []
    assert set(moving.groups()) == {"front-a", "front-b"}
    moving.at_rest()


def test_the_test_listener_changes(moving: Moving) -> None:
    """Another port of the test listener moves no traffic of production."""
    moving.edit("test: {port: 9000,", "test: {port: 9001,", "load-balancer.yaml")
    moving.edit("port: 9000", "port: 9001", "network.yaml")
    moving.go(120)
    assert moving.lost() == []
    moving.at_rest()
    moving.edit("tag: v1", "tag: v2", WEB)
    moving.go(600)
    assert moving.lost() == []
    moving.at_rest()


@pytest.mark.parametrize("groups", [GROUPS, "[shop-a, shop-b]"])
def test_a_service_is_renamed(moving: Moving, groups: str) -> None:
    """The new service is healthy and receives the traffic before the old one goes."""
    moving.edit("kind: Service\nname: my-app-frontend", "kind: Service\nname: shop", WEB)
    moving.edit(GROUPS, groups, WEB)
    moving.go(500)
    assert moving.lost() == []
    assert moving.service("shop")["runningCount"] == 1
    assert moving.service("my-app-frontend")["status"] != "ACTIVE"
    assert sorted(moving.groups()) == sorted(groups.strip("[]").split(", "))
    moving.at_rest()


@pytest.mark.slow
def test_an_unrelated_service_takes_the_priority_of_one_that_leaves(moving: Moving) -> None:
    """Requests of the new one never reach the tasks of the one that leaves, and no request is lost."""
    files = moving.running.files
    text = (files.folder / WEB).read_text(encoding="utf-8")

    def write(name: str) -> None:
        match = f"container: frontend\n  match: {{path: [/{name}/*], priority: 10}}"
        new = text.replace("Service\nname: my-app-frontend", f"Service\nname: {name}")
        new = new.replace("container: frontend", match).replace(GROUPS, f"[{name}-a, {name}-b]")
        (files.folder / f"services/{name}.yaml").write_text(new, encoding="utf-8")
        files.number += 1

    write("shop")
    moving.go(400)
    moving.at_rest()
    groups = frozenset({"my-app-frontend-tg-1", "my-app-frontend-tg-2", "cart-a", "cart-b"})
    moving.watches.append(ListenerWatch(moving.laptop, path="/shop/1"))
    moving.watches.append(ListenerWatch(moving.laptop, path="/cart/1", groups=groups))
    moving.look()
    assert all(watch.served for watch in moving.watches)
    (files.folder / "services/shop.yaml").unlink()
    write("cart")
    moving.go(700)
    assert moving.lost() == []
    assert moving.service("cart")["runningCount"] == 1
    assert moving.service("shop")["status"] != "ACTIVE"
    assert {"cart-a", "cart-b"} < set(moving.groups())
    assert not {"shop-a", "shop-b"} & set(moving.groups())
    moving.at_rest()


MATCH = "container: frontend\n  match: {path: /*, priority: 40}"


@pytest.mark.slow
def test_requests_move_to_a_rule_and_back_while_the_second_target_group_serves(moving: Moving) -> None:
    """A rule begins with the weights of the listener, and the listener with those of the rule, also in a rollout."""
    moving.edit("tag: v1", "tag: v2", WEB)
    moving.go(600)
    assert moving.running.stage.weights(80) == {"my-app-frontend-tg-1": 0, "my-app-frontend-tg-2": 100}
    moving.edit("container: frontend", MATCH, WEB)
    moving.go(120)
    assert moving.lost() == []
    moving.at_rest()
    moving.edit(MATCH, "container: frontend", WEB)
    moving.edit("tag: v2", "tag: v3", WEB)
    moving.go(700)
    assert moving.lost() == []
    assert moving.groups() == {"my-app-frontend-tg-1": 1, "my-app-frontend-tg-2": 0}
    moving.at_rest()
    moving.edit("tag: v3", "tag: v2", WEB)
    moving.go(40)
    moving.edit("container: frontend", MATCH, WEB)
    moving.go(700)
    assert moving.lost() == []
    assert moving.groups() == {"my-app-frontend-tg-1": 0, "my-app-frontend-tg-2": 1}
    moving.at_rest()


@pytest.mark.slow
@pytest.mark.parametrize("in_two_steps", [True, False])
def test_another_load_balancer_has_a_service_of_its_own(moving: Moving, in_two_steps: bool) -> None:
    """Both answer once the second is healthy, until the first is removed; the first also where it leaves in the same
    commit."""
    folder = moving.running.files.folder
    first = moving.watches[0]
    first.balancer = "my-app-alb"
    second = ListenerWatch(moving.laptop, balancer="my-app-alb-2")
    moving.watches.append(second)
    balancer = (folder / "load-balancer.yaml").read_text(encoding="utf-8")
    service = (folder / WEB).read_text(encoding="utf-8")
    new = service.replace("name: my-app-frontend\ncluster", "name: my-app-frontend-2\ncluster")
    new = new.replace("my-app-alb", "my-app-alb-2").replace(GROUPS, "[my-app-frontend-2-a, my-app-frontend-2-b]")
    (folder / "load-balancer-2.yaml").write_text(balancer.replace("my-app-alb", "my-app-alb-2"), encoding="utf-8")
    (folder / "services" / "frontend-2.yaml").write_text(new, encoding="utf-8")
    moving.running.files.number += 1
    if in_two_steps:
        moving.go(300)
        assert moving.lost() == []
        assert second.served
        moving.at_rest()
        moving.running.files.number += 1
    (folder / WEB).unlink()
    (folder / "load-balancer.yaml").unlink()
    moving.go(500)
    assert second.began is not None
    assert second.lost == []
    assert second.began < first.lost[0][0]
    assert set(moving.groups()) == {"my-app-frontend-2-a", "my-app-frontend-2-b"}
    moving.at_rest()
