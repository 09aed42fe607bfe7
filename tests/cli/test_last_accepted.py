"""`run` while its source has no valid revision: what is being rolled out goes on from the last accepted one."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import events
from reconciler.cli.lease import state_folder
from reconciler.cli.output.exits import Exit
from reconciler.model.resource import Call
from reconciler.reconcile import request_tags
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.stored_state import KEYS
from tests.cli.cli_runner import onstage
from tests.harness.cli import Ran, run
from tests.harness.emulated_stack import SEED, EmulatedStack, emulated_stack


@pytest.fixture
def stage() -> Iterator[EmulatedStack]:
    with emulated_stack() as found:
        found.serving()
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SEED, tmp_path / "specs"))


def until(stage: EmulatedStack, folder: Path, tag: str, *options: object) -> Ran:
    """A controller that is told to stop when it writes that tag."""

    def stop(call: Call) -> None:
        if call.operation == "TagResource" and tag in json.dumps(call.params):
            os.kill(os.getpid(), signal.SIGTERM)

    stage.transport.before = stop
    with onstage(stage):
        return run("run", folder, "-o", "json", *options)


def logged(ran: Ran, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in ran.err.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


def gone(folder: Path) -> None:
    shutil.rmtree(folder)


def invalid(folder: Path) -> None:
    (folder / "cluster.yaml").write_text("kind: [Cluster", encoding="utf-8")


def invalid_stack(folder: Path) -> None:
    (folder / "stack.yaml").write_text("kind: [Stack", encoding="utf-8")


@pytest.mark.parametrize("wrong", [gone, invalid, invalid_stack])
def test_a_request_is_heard_although_the_specs_are_not_there(
    stage: EmulatedStack, folder: Path, wrong: Callable[[Path], None]
) -> None:
    """The stack is known from what this machine remembers, and its last accepted revision from the store."""
    file = folder / "services" / "frontend.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("tag: v1", "tag: v2"), encoding="utf-8")
    stage.spec(v1="v2")
    stage.apply(lambda turn: turn.step is not None and turn.step.phase == "awaiting_promotion" and not turn.busy)
    assert until(stage, folder, request_tags.REVISION).code == Exit.TERMINATED
    wrong(folder)
    stage.say(RequestVerb.ROLLBACK)
    ran = until(stage, folder, KEYS["response"])
    assert ran.code == Exit.TERMINATED, ran.err
    assert len(logged(ran, events.REVISION_RESTORED)) == 1
    assert stage.tags()[KEYS["response"]].endswith(":accepted")


def test_the_stack_may_be_named(stage: EmulatedStack, folder: Path, tmp_path: Path) -> None:
    """On a machine that remembers nothing, such as a new task, `--stack` and `--region` say what to look for."""
    store = ("--store", f"sqlite:{tmp_path / 'store.db'}")
    assert until(stage, folder, request_tags.REVISION, *store).code == Exit.TERMINATED
    gone(folder)
    shutil.rmtree(state_folder())
    arn = stage.service()["serviceArn"]
    tag = {"key": request_tags.REQUEST, "value": "p1"}
    stage.laptop.client("ecs").tag_resource(resourceArn=arn, tags=[tag])
    named = ("--stack", stage.wish.place.stack, "--region", stage.wish.place.region)
    ran = until(stage, folder, request_tags.HANDLED, *store, *named)
    assert ran.code == Exit.TERMINATED, ran.err
    assert stage.tags()[request_tags.HANDLED].startswith("p1:")
