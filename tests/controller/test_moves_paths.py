"""Requests that pass from one service to another: they are served by the one until the other is healthy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.model.guard import Guard
from tests.controller.test_controller import Files, Running
from tests.controller.test_moves import SLOW, Moving
from tests.harness.emulated_stack import SEED, SHORT, emulated_stack
from tests.harness.listener_watch import ListenerWatch, answers

GROUPS = "[my-app-frontend-tg-1, my-app-frontend-tg-2]"
PLAIN = "kind: DeploymentStrategy\nname: plain\ntype: rolling\n"

pytestmark = pytest.mark.apart

FRONTEND = (SEED / "services" / "frontend.yaml").read_text(encoding="utf-8")


def write(folder: Path, name: str, match: str = "", strategy: str = "careful") -> None:
    """A service with those conditions, and target groups of its own."""
    new = FRONTEND.replace("Service\nname: my-app-frontend", f"Service\nname: {name}")
    new = new.replace(GROUPS, f"[{name}-a, {name}-b]" if strategy == "careful" else f"[{name}-a]")
    new = new.replace("deployment: careful", f"deployment: {strategy}")
    if match:
        new = new.replace("container: frontend", f"container: frontend\n  match: {{{match}}}")
    (folder / "services" / f"{name}.yaml").write_text(new, encoding="utf-8")


@pytest.fixture(scope="module")
def started(for_a_module: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Moving, Path]]:
    """Three services on one listener: `web` takes `/a/*`, `shop` takes `/b/*`, and `rest` all others."""
    folder = tmp_path_factory.mktemp("paths") / "specs"
    shutil.copytree(SEED, folder, ignore=shutil.ignore_patterns("environments", "frontend.yaml", "tasks.yaml"))
    (folder / "plain.yaml").write_text(PLAIN, encoding="utf-8")
    write(folder, "web", "path: /a/*, priority: 10")
    write(folder, "shop", "path: /b/*, priority: 20")
    write(folder, "rest")
    with emulated_stack({}, SHORT, timings=SLOW) as stage:
        stage.laptop.targets.first_check_after = 4.0
        stage.infrastructure()
        stage.push("v1")
        running = Running(stage, Files(folder), guard=Guard(max_delete=50, max_delete_percent=100))
        watches = [ListenerWatch(stage.laptop, path=path) for path in ("/", "/a/1", "/b/1", "/c/1")]
        found = Moving(running, watches)
        stage.transport.before = found.look
        found.go(300)
        assert all(watch.served for watch in watches), [watch.look() for watch in watches]
        found.at_rest()
        for watch in watches:
            watch.lost.clear()
        yield found, folder


@pytest.fixture
def moving(started: tuple[Moving, Path], tmp_path: Path) -> Moving:
    """The same, with files that the test may edit."""
    found, folder = started
    found.running.files.folder = Path(shutil.copytree(folder, tmp_path / "specs"))
    return found


def takers(moving: Moving, path: str, port: int = 80) -> set[str]:
    """The names of the services that answer requests for `path`."""
    return {group.rpartition("-")[0] for group in answers(moving.laptop, path, port)["my-app-alb"].groups}


CASES: dict[str, tuple[dict[str, str | None], dict[str, str]]] = {
    "of the default action": ({"new": "path: /c/*, priority: 30"}, {"/c/1": "new"}),
    "of a rule behind it": ({"new": "path: /a/*, priority: 5"}, {"/a/1": "new"}),
    "that another service gives up": (
        {"web": "path: /old/*, priority: 10", "new": "path: /a/*, priority: 15"},
        {"/a/1": "new", "/old/1": "web"},
    ),
    "and the priority too": (
        {"web": "path: /old/*, priority: 11", "new": "path: /a/*, priority: 10"},
        {"/a/1": "new", "/old/1": "web"},
    ),
    "of a service that leaves": ({"web": None, "new": "path: /a/*, priority: 15"}, {"/a/1": "new"}),
    "of a service that leaves, and its priority": (
        {"web": None, "new": "path: /a/*, priority: 10"},
        {"/a/1": "new"},
    ),
    "all that no rule takes": ({"rest": "path: /rest/*, priority: 40", "new": ""}, {"/": "new", "/rest/1": "rest"}),
    "all": ({"new": "path: /*, priority: 1"}, {"/": "new", "/a/1": "new"}),
}


PAIRS = [
    pytest.param(case, strategy, marks=[] if number % 4 == (strategy == "plain") else [pytest.mark.slow])
    for number, case in enumerate(CASES)
    for strategy in ("careful", "plain")
]
"""Every case; `make test` takes half of them, each with one of the strategies."""


@pytest.mark.parametrize(("case", "strategy"), PAIRS)
def test_a_new_service_takes_requests_once_it_is_healthy(moving: Moving, case: str, strategy: str) -> None:
    """Until then they go where they went, and no request is lost."""
    services, wanted = CASES[case]
    files = moving.running.files
    for name, match in services.items():
        if match is None:
            (files.folder / "services" / f"{name}.yaml").unlink()
        else:
            write(files.folder, name, match, strategy if name == "new" else "careful")
    files.number += 1
    moving.go(400)
    assert moving.lost() == []
    moving.at_rest()
    assert {path: takers(moving, path) for path in wanted} == {path: {name} for path, name in wanted.items()}


def test_two_services_exchange_their_paths(moving: Moving) -> None:
    """Both paths are taken by one of the two at every moment."""
    files = moving.running.files
    write(files.folder, "web", "path: /b/*, priority: 10")
    write(files.folder, "shop", "path: /a/*, priority: 20")
    files.number += 1
    both = frozenset({"web-a", "web-b", "shop-a", "shop-b"})
    moving.watches += [ListenerWatch(moving.laptop, path=path, groups=both) for path in ("/a/1", "/b/1")]
    moving.look()
    moving.go(200)
    assert moving.lost() == []
    moving.at_rest()
    assert [takers(moving, path) for path in ("/a/1", "/b/1")] == [{"shop"}, {"web"}]


@pytest.mark.slow
def test_tests_of_a_new_service_reach_it_from_the_start(moving: Moving) -> None:
    """Its rule on the test listener waits for nothing: the one that waits would let them reach another version."""
    files = moving.running.files
    write(files.folder, "new", "path: /c/*, priority: 30")
    files.number += 1
    moving.go(8)
    assert takers(moving, "/c/1") == {"rest"}
    assert takers(moving, "/c/1", 9000) == {"new"}
