"""What a newer version has stored, as commands show it: exit codes, codes, and no write."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.model import formats
from reconciler.resources import task
from reconciler.rollout.stored_state import KEYS
from tests.cli.cli_runner import Typed, onstage
from tests.harness.cli import Ran
from tests.harness.emulated_stack import SERVICE, EmulatedStack, emulated_stack

pytestmark = pytest.mark.apart
UNKNOWN = "unknown-format"
READS = ("Describe", "List", "Get", "BatchGet")


@pytest.fixture(scope="module")
def stage(for_a_module: None) -> Iterator[EmulatedStack]:
    with emulated_stack() as found:
        found.serving()
        yield found


@pytest.fixture
def type_(stage: EmulatedStack) -> Iterator[Typed]:
    with onstage(stage) as typed:
        yield typed


def tag(stage: EmulatedStack, arn: str, **tags: str) -> None:
    pairs = [{"key": key, "value": value} for key, value in tags.items()]
    stage.laptop.client("ecs").tag_resource(resourceArn=arn, tags=pairs)
    stage.transport.sent.clear()


def untouched(stage: EmulatedStack) -> None:
    writes = {name for name in stage.transport.sent if not name.startswith(READS)}
    assert not writes, writes


def codes(ran: Ran) -> list[str]:
    document = json.loads(ran.out)
    assert document["blocked"] is True
    return [refusal["code"] for refusal in document["refusals"]]


@pytest.mark.parametrize(
    "tags",
    [{formats.KEY: "2"}, pytest.param({KEYS["previous"]: "2 what comes"}, marks=pytest.mark.slow)],
    ids=["format", "value"],
)
def test_a_read_only_service_is_exit_5_with_the_code(stage: EmulatedStack, type_: Typed, tags: dict[str, str]) -> None:
    """In `status`, of a request, and of an `apply` that would have rolled out a version; nothing is written."""
    tag(stage, stage.service()["serviceArn"], **tags)
    ran = type_("status", "-o", "json")
    (service,) = json.loads(ran.out)["services"]
    assert (ran.code, service["read_only"]["code"], service["phase"]) == (Exit.BLOCKED, UNKNOWN, "blocked")
    assert (service["verbs"], next(iter(tags)) in service["read_only"]["because"]) == ([], True)
    for verb in ("promote", "rollback", "retry", "suspend", "resume", "abort", "hold", "finish"):
        refused = type_(verb, SERVICE)
        assert (refused.code, f"blocked ({UNKNOWN})" in refused.err) == (Exit.BLOCKED, True), verb
    assert type_("rollback", SERVICE, "--now").code == Exit.BLOCKED
    stage.spec(v1="v2")
    applied = type_("apply", "-y", "--wait")
    assert applied.code == Exit.BLOCKED, applied.err
    assert UNKNOWN in applied.err
    untouched(stage)
    deferred = json.loads(type_("diff", "-o", "json").out)["deferred"]
    assert {entry["code"] for entry in deferred if SERVICE in str(entry)} == {UNKNOWN}
    refused = type_("destroy", "-y", "-o", "json")
    assert (refused.code, set(codes(refused))) == (Exit.BLOCKED, {UNKNOWN})
    untouched(stage)


def test_nothing_to_change_is_exit_5_as_well(stage: EmulatedStack, type_: Typed) -> None:
    """`apply` says so although all is as wanted."""
    tag(stage, stage.service()["serviceArn"], **{formats.KEY: "2"})
    ran = type_("apply", "-y")
    assert (ran.code, f"blocked ({UNKNOWN})" in ran.err) == (Exit.BLOCKED, True)
    untouched(stage)


def test_a_read_only_stack_is_exit_5_with_the_code(stage: EmulatedStack, type_: Typed) -> None:
    """Of every command that would write, and of `status`."""
    tag(stage, stage.service()["serviceArn"], **{formats.STACK_KEY: "2"})
    ran = type_("status", "-o", "json")
    assert (ran.code, json.loads(ran.out)["read_only"]["code"]) == (Exit.BLOCKED, UNKNOWN)
    stage.spec(v1="v2")
    for words in (("apply", "-y", "-o", "json"), ("destroy", "-y", "-o", "json")):
        refused = type_(*words)
        assert (refused.code, codes(refused)) == (Exit.BLOCKED, [UNKNOWN]), words
    for words in (("reconcile",), ("suspend", "--stack"), ("resume", "--stack"), ("rollback", SERVICE)):
        refused = type_(*words)
        assert (refused.code, f"blocked ({UNKNOWN})" in refused.err) == (Exit.BLOCKED, True), words
    untouched(stage)


def test_a_task_that_may_have_run_is_not_run_again(stage: EmulatedStack, type_: Typed) -> None:
    """Its run is in an unknown format, and the keys that are known are gone."""
    (arn,) = stage.laptop.client("ecs").list_task_definitions(familyPrefix="my-app-hello")["taskDefinitionArns"]
    stage.laptop.client("ecs").untag_resource(resourceArn=arn, tagKeys=[*task.MEMORY, task.OUTCOME])
    tag(stage, arn, **{formats.RUN_KEY: "2"})
    ran = type_("status", "-o", "json")
    (found,) = json.loads(ran.out)["tasks"]
    assert (ran.code, found["state"]) == (Exit.BLOCKED, "read-only")
    refused = type_("retry", "my-app-hello")
    assert (refused.code, f"blocked ({UNKNOWN})" in refused.err) == (Exit.BLOCKED, True)
    type_("apply", "-y", "--wait")
    assert not stage.transport.sent["RunTask"]
    untouched(stage)


def test_a_store_of_a_newer_version_is_exit_5_with_the_code(stage: EmulatedStack, type_: Typed, tmp_path: Path) -> None:
    """The lease in it cannot be trusted."""
    path = tmp_path / "reconciler" / "store.db"
    stage.texts["desired_count: 1"] = "desired_count: 2"
    assert type_("apply", "-y", "--store", f"sqlite:{path}").code == Exit.DONE
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    stage.spec(v1="v2")
    stage.transport.sent.clear()
    for command in ("apply", "destroy"):
        ran = type_(command, "-y", "-o", "json", "--store", f"sqlite:{path}")
        assert (ran.code, codes(ran)) == (Exit.BLOCKED, [UNKNOWN])
    ran = type_("run", "--store", f"sqlite:{path}")
    assert (ran.code, f"blocked ({UNKNOWN})" in ran.err) == (Exit.BLOCKED, True)
    untouched(stage)


def test_the_folder_of_an_emulator_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """And one without a format is of the first."""
    from reconciler import errors
    from reconciler.cli.emulator import checked

    assert checked(tmp_path / "state") == checked(tmp_path / "state")
    (tmp_path / "state" / "format").write_text("2\n", encoding="utf-8")
    with pytest.raises(errors.UnknownFormat, match=r"format 2, .* delete that folder"):
        checked(tmp_path / "state")
