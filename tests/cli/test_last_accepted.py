"""`run` while its source has no valid revision: what is being rolled out goes on from the last accepted one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler import events
from reconciler.cli.lease import state_folder
from reconciler.cli.output.exits import Exit
from reconciler.controller.accepted_revision import AcceptedRevision
from reconciler.model.resource import Call
from reconciler.reconcile import request_tags
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.stored_state import KEYS
from reconciler.source.base import Fetched, Revision
from reconciler.spec.load import Source as File
from reconciler.store.sqlite import Sqlite
from tests.cli.cli_runner import onstage
from tests.harness.cli import Ran, run
from tests.harness.emulated_stack import SEED, EmulatedStack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SEED, tmp_path / "specs"))


def until(stage: EmulatedStack, folder: Path, tag: str, *options: object, operation: str = "TagResource") -> Ran:
    """A controller that is told to stop when it writes that tag."""

    def stop(call: Call) -> None:
        if call.operation == operation and tag in json.dumps(call.params):
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


def test_status_says_so_until_the_source_is_back(stage: EmulatedStack, folder: Path) -> None:
    """Which revision the controller works from, and why; for people and for programs."""
    assert until(stage, folder, request_tags.REVISION).code == Exit.TERMINATED
    text = (folder / "cluster.yaml").read_text(encoding="utf-8")
    invalid(folder)
    assert until(stage, folder, request_tags.RESTORED).code == Exit.TERMINATED
    (folder / "cluster.yaml").write_text(text, encoding="utf-8")
    stage.transport.before = None
    with onstage(stage) as type_:
        shown = json.loads(type_("status", "-o", "json").out)["controller_restored"]
        assert shown
        assert shown in type_("status").out
        assert until_gone(stage, folder).code == Exit.TERMINATED
        assert json.loads(type_("status", "-o", "json").out)["controller_restored"] is None


def until_gone(stage: EmulatedStack, folder: Path) -> Ran:
    return until(stage, folder, request_tags.RESTORED, operation="UntagResource")


def test_a_revision_of_another_stack_than_the_named_one_is_not_taken(stage: EmulatedStack, folder: Path) -> None:
    """The controller goes on with the stack that it is for."""
    assert until(stage, folder, request_tags.REVISION).code == Exit.TERMINATED
    file = folder / "stack.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("name: my-app", "name: other"), encoding="utf-8")
    named = ("--stack", "my-app", "--region", stage.desired_state.place.region)
    ran = until(stage, folder, request_tags.RESTORED, *named)
    assert ran.code == Exit.TERMINATED, ran.err
    assert "'other'" in logged(ran, events.REVISION_RESTORED)[0]["message"]


def test_a_revision_for_another_account_is_rejected_and_nothing_ends(
    stage: EmulatedStack, folder: Path, tmp_path: Path
) -> None:
    """As a running controller rejects it; without an accepted revision it is an error, as before."""
    options = ("--store", f"sqlite:{tmp_path / 'store.db'}")
    assert until(stage, folder, request_tags.REVISION, *options).code == Exit.TERMINATED
    with (folder / "stack.yaml").open("a", encoding="utf-8") as file:
        file.write("\naccount: '999999999999'\n")
    ran = until(stage, folder, request_tags.RESTORED, *options)
    assert ran.code == Exit.TERMINATED, ran.err
    assert logged(ran, events.SPEC_REJECTED)
    (tmp_path / "store.db").unlink()
    assert until(stage, folder, request_tags.RESTORED, *options).code == Exit.BLOCKED


def damage(store: Sqlite) -> str:
    with store.transaction(writing=True) as connection:
        connection.execute("UPDATE accepted SET data = substr(data, 1, 100)")
    return "damaged"


def outdate(store: Sqlite) -> str:
    """As another version of the product wrote it, by other rules."""
    accepted = AcceptedRevision(store.copies)
    accepted.read()
    text = b"kind: Stack\nname: my-app\nzone: gone\n"
    accepted.write(Fetched(Revision("older"), (File("stack.yaml", "stack.yaml", text),), (), "."), follows="")
    return "not valid for this version"


@pytest.mark.parametrize("spoil", [damage, outdate])
def test_a_copy_that_cannot_be_used_is_told_and_the_source_waited_for(
    stage: EmulatedStack, folder: Path, tmp_path: Path, spoil: Callable[[Sqlite], str]
) -> None:
    """Nothing is written, and the reason is in the log."""
    options = ("--store", f"sqlite:{tmp_path / 'store.db'}")
    assert until(stage, folder, request_tags.REVISION, *options).code == Exit.TERMINATED
    gone(folder)
    place = stage.desired_state.place
    with contextlib.closing(Sqlite(tmp_path / "store.db", f"{place.stack}.{place.account}.{place.region}")) as store:
        because = spoil(store)
    stage.transport.sent.clear()
    ran = until(stage, folder, "", *options, operation="GetCallerIdentity")
    (told,) = logged(ran, events.SOURCE_UNREACHABLE)
    assert because in told["message"]
    assert "nothing is reconciled yet" in told["message"]
    assert stage.transport.sent == {"GetCallerIdentity": 1}


def waiting(folder: Path, *options: object, find: str) -> str:
    """Why a controller that waits for its source has restored nothing."""
    line = [sys.executable, "-m", "reconciler", "run", str(folder), "-o", "json", *map(str, options)]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            first = json.loads(process.stderr.readline())
        finally:
            process.terminate()
    assert (first["event"], process.returncode) == (find, Exit.TERMINATED)
    return str(first["message"])


def test_a_stack_that_nobody_knows_is_asked_for(tmp_path: Path) -> None:
    """Without its name there is nothing to look up; it waits for the source."""
    because = waiting(tmp_path / "specs", find=events.SOURCE_UNREACHABLE)
    assert "--stack and --region" in because
    assert "nothing is reconciled yet" in because


@pytest.mark.parametrize("wrong", [gone, invalid, invalid_stack])
def test_a_request_is_heard_although_the_specs_are_not_there(
    stage: EmulatedStack, folder: Path, wrong: Callable[[Path], None]
) -> None:
    """The stack is known from what this machine remembers, and its last accepted revision from the store."""
    file = folder / "services" / "frontend.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("tag: v1", "tag: v2"), encoding="utf-8")
    stage.spec(v1="v2")
    stage.apply(
        lambda result: result.step is not None and result.step.phase == "awaiting_promotion" and not result.busy
    )
    assert until(stage, folder, request_tags.REVISION).code == Exit.TERMINATED
    wrong(folder)
    stage.say(RequestVerb.ROLLBACK)
    ran = until(stage, folder, KEYS["response"])
    assert ran.code == Exit.TERMINATED, ran.err
    assert len(logged(ran, events.REVISION_RESTORED)) == 1
    assert stage.tags()[KEYS["response"]].endswith(":accepted")


@pytest.mark.slow
def test_the_stack_may_be_named(stage: EmulatedStack, folder: Path, tmp_path: Path) -> None:
    """On a machine that remembers nothing, such as a new task, `--stack` and `--region` say what to look for."""
    store = ("--store", f"sqlite:{tmp_path / 'store.db'}")
    assert until(stage, folder, request_tags.REVISION, *store).code == Exit.TERMINATED
    gone(folder)
    shutil.rmtree(state_folder())
    arn = stage.service()["serviceArn"]
    tag = {"key": request_tags.REQUEST, "value": "p1"}
    stage.laptop.client("ecs").tag_resource(resourceArn=arn, tags=[tag])
    named = ("--stack", stage.desired_state.place.stack, "--region", stage.desired_state.place.region)
    ran = until(stage, folder, request_tags.HANDLED, *store, *named)
    assert ran.code == Exit.TERMINATED, ran.err
    assert stage.tags()[request_tags.HANDLED].startswith("p1:")
