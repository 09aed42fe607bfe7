"""Requests know by the lease whether anybody will answer them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.model.resource import Call
from reconciler.reconcile import request_tags
from reconciler.rollout import state_tags
from reconciler.rollout.requests import Response
from reconciler.rollout.stored_state import KEYS
from reconciler.store.holder_report import HolderReport
from tests.cli.cli_runner import Typed, lease_of, onstage
from tests.harness.emulated_stack import SERVICE, EmulatedStack, emulated_stack


@pytest.fixture(scope="module")
def serving() -> Iterator[EmulatedStack]:
    with emulated_stack() as found:
        found.serving()
        yield found


@pytest.fixture
def type_(serving: EmulatedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    serving.transport.sent.clear()
    with onstage(serving) as typed:
        yield typed
    serving.transport.before = None
    ecs, arn = serving.laptop.client("ecs"), serving.service()["serviceArn"]
    left = [KEYS["request"], KEYS["response"], request_tags.REQUEST, request_tags.REVISION]
    ecs.untag_resource(resourceArn=arn, tagKeys=left)


REQUESTS = (
    ("suspend", SERVICE),
    ("restart", SERVICE),
    ("scale", SERVICE, 2),
    ("reconcile",),
    ("reconcile", "--wait"),
)


@pytest.mark.parametrize("typed", REQUESTS, ids=lambda typed: " ".join(map(str, typed)))
@pytest.mark.parametrize("left", ["nothing", "a released lease", "a dead holder"])
def test_nobody_answers_a_request(serving: EmulatedStack, type_: Typed, typed: tuple[str, ...], left: str) -> None:
    """Exit 5 with its code, the other way, and nothing is recorded; no time is spent on waiting."""
    if left != "nothing":
        lease_of(serving, "" if left == "a released lease" else "run by ana@ci-7 (4711)", age=100)
    before = serving.laptop.clock.now()
    ran = type_(*typed)
    assert (ran.code, serving.transport.sent["TagResource"]) == (Exit.BLOCKED, 0)
    assert "blocked (no-controller): " in ran.err
    assert ("reconciler apply" if typed[0] == "reconcile" else "--now") in ran.err
    assert ("run by ana@ci-7 (4711)" in ran.err) == (left == "a dead holder")
    assert serving.laptop.clock.now() == before


def test_no_store_is_created_to_look(type_: Typed, tmp_path: Path) -> None:
    """Whoever only asks leaves no file behind."""
    assert type_("suspend", SERVICE).code == Exit.BLOCKED
    assert not list(tmp_path.rglob("*.db"))


@pytest.mark.parametrize("command", ["run", "apply", ""])
def test_somebody_is_waited_for(serving: EmulatedStack, type_: Typed, command: str) -> None:
    """The controller, an `apply` under way, and a holder of which no more is known."""
    lease_of(serving, report=HolderReport(command))
    answered(serving)
    ran = type_("suspend", SERVICE)
    assert (ran.code, "accepted" in ran.out) == (Exit.DONE, True)


def test_waiting_ends_when_the_controller_does(serving: EmulatedStack, type_: Typed) -> None:
    """Exit 4: the request is recorded, and a warning names the controller that has stopped."""
    lease_of(serving)

    def stop(call: Call) -> None:
        if call.operation == "TagResource":
            lease_of(serving, "")

    serving.transport.before = stop
    before = serving.laptop.clock.now()
    ran = type_("suspend", SERVICE)
    assert (ran.code, "run by ana@ci-7 (4711) has stopped" in ran.err) == (Exit.TIMED_OUT, True)
    assert (serving.laptop.clock.now() - before).total_seconds() < 5


def test_who_states_how_long_waits_for_a_controller_to_start(serving: EmulatedStack, type_: Typed) -> None:
    """The request is recorded, and answered by the one that starts."""
    answered(serving)
    ran = type_("suspend", SERVICE, "--timeout", 30)
    assert (ran.code, "no controller runs" in ran.err) == (Exit.DONE, True)


def test_a_controller_with_another_store_is_not_nobody(serving: EmulatedStack, type_: Typed) -> None:
    """The account shows that one has applied a revision, and this store knows none: the command warns, and waits."""
    arn = serving.service()["serviceArn"]
    tag = {"key": request_tags.REVISION, "value": request_tags.in_place("4f1c2ab9d0", "subject")}
    serving.laptop.client("ecs").tag_resource(resourceArn=arn, tags=[tag])
    answered(serving)
    ran = type_("suspend", SERVICE)
    assert (ran.code, "pass the --store" in ran.err, "4f1c2ab" in ran.err) == (Exit.DONE, True, True)


def test_a_store_that_cannot_be_read_is_not_nobody(serving: EmulatedStack, type_: Typed, tmp_path: Path) -> None:
    """The command warns, with the reason, and waits."""
    answered(serving)
    (tmp_path / "there").mkdir()
    ran = type_("suspend", SERVICE, "--store", f"sqlite:{tmp_path / 'there'}")
    assert (ran.code, "it is not known whether a controller runs" in ran.err) == (Exit.DONE, True)


def test_status_says_who_drives(serving: EmulatedStack, type_: Typed) -> None:
    """Nobody; the controller, with what it reports; a command that is under way; and what is not known."""

    def driver(*more: str) -> Any:
        return json.loads(type_("status", SERVICE, "-o", "json", *more).out)["driver"]

    assert (driver()["by"], driver()["holder"]) == ("nobody", None)
    assert "no controller runs" in type_("status", SERVICE).out
    at = serving.laptop.clock.now() - timedelta(seconds=12)
    report = HolderReport("run", at, at, "4f1c2ab", "c2d87dd", "E1102: unknown field", {"role/web": "AccessDenied"})
    lease_of(serving, report=report)
    found = driver()
    assert (found["by"], found["holder"]) == ("controller", "run by ana@ci-7 (4711)")
    assert (found["since"], found["last_pass"]) == (at.isoformat(), at.isoformat())
    assert found["rejected"] == {"revision": "c2d87dd", "because": "E1102: unknown field"}
    assert found["refused_by_aws"] == [{"address": "role/web", "because": "AccessDenied"}]
    out = type_("status", SERVICE).out
    for told in ("controller: run by ana@ci-7 (4711)", "(12s ago)", "revision 4f1c2ab in force", "c2d87dd rejected"):
        assert told in out
    lease_of(serving, "apply by ana@laptop (7)", HolderReport("apply"))
    assert driver()["by"] == "command"
    assert "in progress: apply by ana@laptop (7)" in type_("status", SERVICE).out


def test_a_suspension_says_who_why_and_since_when(serving: EmulatedStack, type_: Typed) -> None:
    """Of the stack, in text and as JSON."""
    at = serving.laptop.clock.now()
    assert type_("suspend", "--stack", "--why", "migration").code == Exit.DONE
    text = json.loads(type_("status", "-o", "json").out)["stack_suspended_by"]
    assert type_("resume", "--stack").code == Exit.DONE
    assert text.endswith(f": migration, since {at:%d %b %H:%M} UTC")


def answered(stage: EmulatedStack) -> None:
    """Each request is accepted as soon as it is there."""
    ecs, arn = stage.laptop.client("ecs"), stage.service()["serviceArn"]

    def answer(call: Call) -> None:
        request = state_tags.of_tags(stage.tags()).request
        if call.operation == "DescribeServices" and request is not None:
            ecs.tag_resource(resourceArn=arn, tags=[{"key": KEYS["response"], "value": Response(request.id).text()}])

    stage.transport.before = answer


def test_scheduled_tasks_are_in_the_status() -> None:
    """Once they are deployed, with the next run."""
    with emulated_stack({"run: once ": 'run: {schedule: "cron(0 3 * * ? *)"} '}) as stage, onstage(stage) as typed:
        stage.serving()
        (found,) = json.loads(typed("status", "-o", "json").out)["scheduled"]
        assert "next run 01 Jan 03:00 UTC" in typed("status").out
    assert (found["address"], found["next_run"]) == ("schedule/my-app-hello", "2026-01-01T03:00:00+00:00")
