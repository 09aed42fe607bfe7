"""run, reconcile, suspend --stack and resume --stack as they are typed."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from reconciler import events
from reconciler.aws.retry import is_read
from reconciler.cli.http_endpoint import address
from reconciler.cli.output.exits import Exit
from reconciler.clock import SystemClock
from reconciler.model.resource import Call
from reconciler.reconcile import request_tags
from reconciler.store.lease import Lease
from reconciler.store.sqlite import Sqlite
from tests.cli.cli_runner import Typed
from tests.harness.cli import run
from tests.harness.emulated_stack import CLUSTER, SEED, SERVICE, EmulatedStack, emulated_stack

CODES = {signal.SIGTERM: Exit.TERMINATED, signal.SIGINT: Exit.INTERRUPTED}


@pytest.fixture
def stage() -> Iterator[EmulatedStack]:
    with emulated_stack() as found:
        yield found


def logged(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


# -- run


@pytest.mark.parametrize("number", CODES)
def test_a_loop_that_is_stopped_hands_over_and_says_by_what(
    stage: EmulatedStack, type_: Typed, tmp_path: Path, number: signal.Signals
) -> None:
    """A signal in mid-pass: the lease is free for whoever comes next, and the exit code is the signal's."""
    sent: list[Call] = []

    def stop(call: Call) -> None:
        if not is_read(call):
            sent.append(call)
            if len(sent) == 1:
                os.kill(os.getpid(), number)

    stage.transport.before = stop
    ran = type_("run", "-o", "json", "--listen", "127.0.0.1:0", "--store", f"sqlite:{tmp_path / 'store.db'}")
    assert ran.code == CODES[number], ran.err
    said = [line["event"] for line in logged(ran.err)]
    assert [one for one in said if one in (events.LISTENING, events.LEASE_HELD, events.STOPPING)] == [
        events.LISTENING,
        events.LEASE_HELD,
        events.STOPPING,
    ]
    name = f"my-app.{stage.desired_state.place.account}.{stage.desired_state.place.region}"
    store = Sqlite(tmp_path / "store.db", name)
    lease = Lease(store.records, "whoever comes next", SystemClock())
    assert lease.acquire()
    assert lease.epoch == 2, "it was the first loop's store"
    store.close()


@pytest.mark.parametrize("number", CODES)
def test_a_loop_that_waits_for_good_specs_can_be_stopped(tmp_path: Path, number: signal.Signals) -> None:
    """Before any specs were right nothing was taken, and there is nothing to hand over but the exit code."""
    (tmp_path / "stack.yaml").write_text("kind: Stack\nnam: x\n", encoding="utf-8")
    line = [sys.executable, "-m", "reconciler", "run", str(tmp_path), "-o", "json"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    first = json.loads(process.stderr.readline())
    assert first["event"] == events.SPEC_REJECTED
    process.send_signal(number)
    _, rest = process.communicate(timeout=60)
    assert [line["event"] for line in logged(rest)] == [events.STOPPING]
    assert process.returncode == CODES[number]


def test_a_loop_that_waits_for_good_specs_is_live_and_not_ready(tmp_path: Path) -> None:
    """Whoever supervises it can ask from the first moment on, and the port stays the same."""
    (tmp_path / "stack.yaml").write_text("kind: Stack\nnam: x\n", encoding="utf-8")
    line = [sys.executable, "-m", "reconciler", "run", str(tmp_path), "-o", "json", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            first = json.loads(process.stderr.readline())
            assert first["event"] == events.LISTENING
            assert json.loads(process.stderr.readline())["event"] == events.SPEC_REJECTED
            asked = {path: status(first["url"], path) for path in ("/healthz", "/readyz", "/metrics")}
            assert asked == {"/healthz": 200, "/readyz": 503, "/metrics": 200}
        finally:
            process.terminate()
    assert process.returncode == Exit.TERMINATED


def status(url: str, path: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("listen", "meant"),
    [("0.0.0.0:8080", ("0.0.0.0", 8080)), (":8080", ("127.0.0.1", 8080)), ("[::1]:8080", ("::1", 8080))],
)
def test_where_it_listens(listen: str, meant: tuple[str, int]) -> None:
    """Without a host it is this machine alone that may ask."""
    assert address(listen) == meant


def test_an_address_without_a_port_is_a_usage_error(type_: Typed) -> None:
    """It is said at once, and not when the specs are right."""
    assert type_("run", "--listen", "localhost").code == Exit.USAGE


# -- reconcile


def tags(stage: EmulatedStack) -> dict[str, str]:
    return {
        key: value
        for key, value in stage.tags().items()
        if key in (request_tags.REQUEST, request_tags.HANDLED, request_tags.SUSPEND)
    }


@pytest.fixture
def deployed(stage: EmulatedStack) -> EmulatedStack:
    stage.serving()
    return stage


def test_without_a_service_it_says_what_to_type(type_: Typed) -> None:
    """There is nothing yet to write the word on: exit 1, and the command that makes it."""
    ran = type_("reconcile")
    assert (ran.code, "reconciler apply" in ran.err) == (Exit.FAILED, True)


def test_a_service_that_goes_is_nothing_to_write_on(deployed: EmulatedStack, type_: Typed) -> None:
    """The loop would not look there, so nothing is written there."""
    deployed.laptop.client("ecs").delete_service(cluster=CLUSTER, service=SERVICE, force=True)
    deployed.transport.sent.clear()
    ran = type_("reconcile")
    assert (ran.code, deployed.transport.sent["TagResource"]) == (Exit.FAILED, 0)


def test_the_word_is_written_and_its_answer_waited_for(deployed: EmulatedStack, type_: Typed) -> None:
    """With --wait it ends when the loop has answered this very word, with the revision it has looked at."""
    ecs, arn = deployed.laptop.client("ecs"), deployed.service()["serviceArn"]

    def answer(call: Call) -> None:
        poke = deployed.tags().get(request_tags.REQUEST)
        if call.operation == "DescribeServices" and poke is not None:
            ecs.tag_resource(
                resourceArn=arn, tags=[{"key": request_tags.HANDLED, "value": request_tags.handled(poke, "4f1c2ab")}]
            )

    deployed.transport.before = answer
    ran = type_("reconcile", "--wait", "--timeout", 60)
    assert (ran.code, "4f1c2ab" in ran.out) == (Exit.DONE, True)


@pytest.mark.parametrize(("applied", "code"), [("4f1c2ab9d0", Exit.DONE), ("0d9ba2c1f4", Exit.TIMED_OUT)])
def test_history_is_accepted_once_the_commit_is_applied(
    deployed: EmulatedStack, type_: Typed, applied: str, code: Exit
) -> None:
    """An answer with the revision before is no success."""
    ecs, arn = deployed.laptop.client("ecs"), deployed.service()["serviceArn"]

    def answer(call: Call) -> None:
        request = deployed.tags().get(request_tags.REQUEST)
        if call.operation == "DescribeServices" and request is not None:
            told = {
                request_tags.HANDLED: request_tags.handled(request, applied[:7]),
                request_tags.REVISION: request_tags.in_place(applied, "subject"),
            }
            ecs.tag_resource(resourceArn=arn, tags=[{"key": key, "value": told[key]} for key in told])

    deployed.transport.before = answer
    assert type_("reconcile", "--accept-history", "4f1c2ab", "--wait", "--timeout", "3").code == code


def test_nobody_answers(deployed: EmulatedStack, type_: Typed) -> None:
    """Exit 4 once the patience is over, an old answer counting for nothing."""
    arn = deployed.service()["serviceArn"]
    deployed.laptop.client("ecs").tag_resource(
        resourceArn=arn, tags=[{"key": request_tags.HANDLED, "value": request_tags.handled("old", "4f1c2ab")}]
    )
    assert type_("reconcile", "--wait", "--timeout", "3").code == Exit.TIMED_OUT


def test_suspend_stands_until_resume(deployed: EmulatedStack, type_: Typed) -> None:
    """The tag names who suspended it; resuming removes the tag and leaves the request."""
    assert type_("suspend", "--stack").code == Exit.DONE
    assert set(tags(deployed)) == {request_tags.REQUEST, request_tags.SUSPEND}
    assert type_("resume", "--stack").code == Exit.DONE
    assert set(tags(deployed)) == {request_tags.REQUEST}


@pytest.mark.parametrize("words", [(SERVICE,), ("--release", "41ab07"), ("--now",)])
@pytest.mark.parametrize("command", ["suspend", "resume"])
def test_what_is_about_a_service_does_not_go_with_the_stack(type_: Typed, command: str, words: tuple[str, ...]) -> None:
    """`--stack` is about all of it: naming a service beside it is a usage error, and nothing is written."""
    assert type_(command, "--stack", *words).code == Exit.USAGE


def test_specs_without_a_service_are_poked_by_starting_the_loop(type_: Typed, tmp_path: Path) -> None:
    """`apply` would make none: what helps is another."""
    shutil.copy(SEED / "stack.yaml", tmp_path)
    ran = run("reconcile", tmp_path)
    assert (ran.code, "reconciler run" in ran.err, "reconciler apply" in ran.err) == (Exit.FAILED, True, False)


def test_help_says_what_a_stopped_loop_ends_with() -> None:
    """Whoever supervises it reads there that neither code is a failure."""
    said = run("run", "--help").out
    assert ("143" in said, "130" in said) == (True, True)
