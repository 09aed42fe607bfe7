"""`run-task`: a task like those of a service, once, with its logs, its exit code and an end whatever happens."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from reconciler import errors
from reconciler.cli.output.exits import Exit
from reconciler.local.faults import Fault
from reconciler.local.scripted import Script
from reconciler.model import ownership
from reconciler.model.resource import Call
from tests.cli.cli_runner import Typed, onstage
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, InProcess, emulated_stack

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def serving(for_a_module: None) -> Iterator[EmulatedStack]:
    with emulated_stack({"desired_count: 1": "desired_count: 1\nexec: true"}, SHORT) as found:
        found.serving()
        yield found


@pytest.fixture
def type_(serving: EmulatedStack) -> Iterator[Typed]:
    before = {one["taskArn"] for one in tasks(serving)}
    with onstage(serving) as typed:
        yield typed
    serving.transport.before = None
    serving.laptop.script(Script())
    assert {one["taskArn"] for one in tasks(serving) if one["desiredStatus"] == "RUNNING"} == before, "it left a task"


def tasks(stage: EmulatedStack) -> list[dict[str, Any]]:
    """All tasks that run."""
    ecs = stage.laptop.client("ecs")
    arns = ecs.list_tasks(cluster=CLUSTER)["taskArns"]
    return list(ecs.describe_tasks(cluster=CLUSTER, tasks=arns, include=["TAGS"])["tasks"]) if arns else []


def run(type_: Typed, *arguments: object) -> Any:
    """The options come before the command, and `--specs` is put there by the runner: before `--`, too."""
    return type_("run-task", SERVICE, *arguments)


def ended(stage: EmulatedStack) -> dict[str, Any]:
    """The task that stopped last."""
    ecs = stage.laptop.client("ecs")
    arns = ecs.list_tasks(cluster=CLUSTER, desiredStatus="STOPPED")["taskArns"]
    found = ecs.describe_tasks(cluster=CLUSTER, tasks=arns, include=["TAGS"])["tasks"]
    return dict(max(found, key=lambda one: one["createdAt"]))


def test_the_exit_code_and_the_logs_are_those_of_the_command(serving: EmulatedStack, type_: Typed) -> None:
    now = int(serving.laptop.clock.now().timestamp() * 1000)
    serving.laptop.script(Script(exits_after=5.0, exit_code=3, logs=("migrated 4 tables",), logged_at=now))
    ran = run(type_, "--env", "DRY=1", "./manage", "migrate")
    assert ran.code == 3
    assert ran.out.splitlines() == ["migrated 4 tables"]
    task = ended(serving)
    (override,) = task["overrides"]["containerOverrides"]
    assert override["command"] == ["./manage", "migrate"]
    assert override["environment"] == [{"name": "DRY", "value": "1"}]


def test_the_task_is_the_stacks_and_is_no_drift(serving: EmulatedStack, type_: Typed) -> None:
    """It runs with the network of the service, and the plan knows nothing of it."""
    serving.laptop.script(Script(exits_after=5.0))
    assert run(type_, "true").code == Exit.DONE
    task = ended(serving)
    tags = {one["key"]: one["value"] for one in task["tags"]}
    assert ownership.owner(tags) == serving.desired_state.place.stack
    assert tags[ownership.ADDRESS] == f"service/{SERVICE}"
    assert task["group"] != f"service:{SERVICE}"
    service = next(one for one in tasks(serving) if one["group"] == f"service:{SERVICE}")
    assert task["taskDefinitionArn"] == service["taskDefinitionArn"]
    assert serving.infrastructure().last.plan.actions == ()


def test_a_lost_answer_starts_no_second_task(serving: EmulatedStack, type_: Typed) -> None:
    """The client token is that of the first try."""
    serving.laptop.script(Script(exits_after=5.0))
    tokens: list[str] = []

    def before(call: Call) -> None:
        if call.operation == "RunTask":
            tokens.append(call.params["clientToken"])

    serving.transport.before = before
    serving.laptop.aws.faults.add(Fault("lost", operation="RunTask", count=1))
    began = serving.laptop.clock.now()
    assert run(type_, "true").code == Exit.DONE
    assert len(set(tokens)) == 1
    ecs = serving.laptop.client("ecs")
    arns = ecs.list_tasks(cluster=CLUSTER, desiredStatus="STOPPED")["taskArns"]
    made = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]
    assert sum(one["createdAt"] >= began for one in made) == 1


def test_a_task_that_never_ran_exits_with_our_own_code_and_its_reason(serving: EmulatedStack, type_: Typed) -> None:
    serving.laptop.script(Script(fails_to_start="CannotPullContainerError: no such image"))
    ran = run(type_, "true")
    assert ran.code == Exit.NOT_RUN
    assert "CannotPullContainerError" in ran.err


def test_a_size_that_fargate_does_not_have_is_refused(serving: EmulatedStack, type_: Typed) -> None:
    ran = run(type_, "--cpu", "3", "true")
    assert (ran.code, "No Fargate configuration exists" in ran.err) == (Exit.NOT_RUN, True), ran.err


def test_without_capacity_nothing_was_started(serving: EmulatedStack, type_: Typed) -> None:
    serving.laptop.aws.faults.add(Fault("no_capacity"))
    ran = run(type_, "true")
    assert ran.code == Exit.NOT_RUN
    assert "Capacity is unavailable" in ran.err


def test_what_does_not_end_is_stopped_at_the_timeout(serving: EmulatedStack, type_: Typed) -> None:
    ran = run(type_, "--timeout", "1m", "sleep", "9999")
    assert ran.code == Exit.NOT_RUN
    assert ended(serving)["stopCode"] == "UserInitiated"


def test_ctrl_c_stops_the_task(serving: EmulatedStack, type_: Typed) -> None:
    looks = iter(range(100))

    def before(call: Call) -> None:
        if call.operation == "DescribeTasks" and next(looks) == 4:
            os.kill(os.getpid(), signal.SIGINT)

    serving.transport.before = before
    ran = run(type_, "sleep", "9999")
    assert ran.code == Exit.INTERRUPTED
    serving.laptop.advance(120)
    assert ended(serving)["stopCode"] == "UserInitiated"


# -- interactive


def slow(*values: Any) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


SESSION = {"session": {"sessionId": "s", "streamUrl": "wss://", "tokenValue": "secret"}}


@dataclass(slots=True)
class Agent:
    """AWS as far as the emulator in this process is not: sessions, whose agent may be missing."""

    stage: EmulatedStack
    status: str | None = "RUNNING"
    refuses_stop: bool = False
    unknown: int = 0
    """How often Systems Manager does not know the agent."""

    sessions: list[dict[str, Any]] = field(default_factory=list)

    def perform(self, call: Call) -> dict[str, Any]:
        if call.operation == "ExecuteCommand" and self.unknown:
            self.unknown -= 1
            raise errors.Invalid("no", code="TargetNotConnectedException", call="ecs.ExecuteCommand")
        if call.operation == "ExecuteCommand":
            self.sessions.append(dict(call.params))
            return SESSION
        if call.operation == "StopTask" and self.refuses_stop:
            raise errors.Denied("no", code="AccessDeniedException", call="ecs.StopTask")
        answer = InProcess.perform(self.stage.transport, call)
        if call.operation == "DescribeTasks":
            for one in (container for task in answer["tasks"] for container in task["containers"]):
                agents = [{"name": "ExecuteCommandAgent", "lastStatus": self.status, "reason": "no route"}]
                one["managedAgents"] = agents if self.status else []
        return answer


@pytest.fixture
def agent(serving: EmulatedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    """With a plugin that ends with 5."""
    plugin = tmp_path / "session-manager-plugin"
    plugin.write_text("#!/bin/sh\nexit 5\n")
    plugin.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    found = Agent(serving)
    monkeypatch.setattr(serving.transport, "perform", found.perform)
    yield found
    found.refuses_stop = False


def test_an_interactive_command_runs_in_a_task_that_idles_and_is_stopped(
    serving: EmulatedStack, type_: Typed, agent: Agent
) -> None:
    agent.unknown = 2
    ran = run(type_, "-it", "--env", "DRY=1", "ls", "a b")
    assert (ran.code, ran.out) == (5, "")
    (session,) = agent.sessions
    assert (session["command"], session["interactive"]) == ("ls 'a b'", True)
    serving.laptop.advance(120)
    task = ended(serving)
    assert (task["enableExecuteCommand"], task["stopCode"]) == (True, "UserInitiated")
    (override,) = task["overrides"]["containerOverrides"]
    assert override["command"] == ["sleep", "43200"], "it ends by itself where nobody stops it"
    assert override["environment"] == [{"name": "DRY", "value": "1"}]


def test_without_sessions_no_task_is_started(serving: EmulatedStack, type_: Typed, agent: Agent) -> None:
    """Neither without the plugin, nor where the role of the task does not allow them; the line is named."""
    serving.transport.sent.clear()
    with patch.dict(os.environ, PATH="/nowhere"):
        ran = run(type_, "-it", "sh")
    assert (ran.code, "session-manager-plugin is not installed" in ran.err) == (Exit.NOT_RUN, True)
    serving.texts.clear()
    ran = run(type_, "-it", "sh")
    assert (ran.code, "services/frontend.yaml:" in ran.err, "`exec: true`" in ran.err) == (Exit.NOT_RUN, True, True)
    assert serving.transport.sent["RunTask"] == 0


@pytest.mark.parametrize(("status", "at_most"), [("STOPPED", 60.0), slow("PENDING", 300.0), slow(None, 300.0)])
def test_an_agent_that_does_not_come_has_a_deadline(
    serving: EmulatedStack, type_: Typed, agent: Agent, status: str | None, at_most: float
) -> None:
    agent.status, began = status, serving.laptop.clock.monotonic()
    ran = run(type_, "-it", "sh")
    assert (ran.code, agent.sessions) == (Exit.NOT_RUN, [])
    assert f"is {'missing' if status is None else f'{status} (no route)'}" in ran.err
    assert serving.laptop.clock.monotonic() - began < at_most


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (Script(exits_after=0.5, exit_code=127), "exit code 127 before the session began"),
        slow(Script(fails_to_start="CannotPullContainerError: no such image"), "CannotPullContainerError"),
    ],
)
def test_a_task_that_ends_before_the_session_says_why(
    serving: EmulatedStack, type_: Typed, agent: Agent, script: Script, said: str
) -> None:
    agent.status = None
    serving.laptop.script(script)
    ran = run(type_, "-it", "sh")
    assert (ran.code, said in ran.err) == (Exit.NOT_RUN, True), ran.err


@pytest.mark.parametrize(
    ("during", "number", "code"),
    [
        ("RunTask", signal.SIGINT, Exit.INTERRUPTED),
        slow("DescribeTasks", signal.SIGTERM, Exit.TERMINATED),
        ("ExecuteCommand", signal.SIGHUP, Exit.TERMINATED),
        slow("ExecuteCommand", signal.SIGINT, Exit.INTERRUPTED),
        slow("StopTask", signal.SIGINT, 5),
    ],
)
def test_an_interruption_stops_the_task(
    serving: EmulatedStack, type_: Typed, agent: Agent, during: str, number: signal.Signals, code: int
) -> None:
    """At any step, also where the terminal is gone; a command that has ended keeps its exit code."""
    left = [number]

    def perform(call: Call) -> dict[str, Any]:
        answer = agent.perform(call)
        if call.operation == during and left:
            os.kill(os.getpid(), left.pop())
        return answer

    with patch.object(serving.transport, "perform", perform):
        ran = run(type_, "-it", "sh")
    assert ran.code == code
    serving.laptop.advance(120)
    assert ended(serving)["stopCode"] == "UserInitiated"


def test_a_task_that_cannot_be_stopped_is_named(serving: EmulatedStack, type_: Typed, agent: Agent) -> None:
    agent.refuses_stop = True
    ran = run(type_, "-it", "sh")
    (task,) = (one for one in tasks(serving) if one["enableExecuteCommand"] and "service:" not in one["group"])
    id = task["taskArn"].rpartition("/")[2]
    serving.laptop.client("ecs").stop_task(cluster=CLUSTER, task=id)
    assert (ran.code, f"aws ecs stop-task --cluster {CLUSTER} --task {id}" in ran.err) == (Exit.NOT_RUN, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--container", "frontent", "true"), "frontend"),
        (("--env", "DRY", "true"), "NAME=VALUE"),
        (("--cpu", "0", "true"), "--cpu"),
        (("--timeout", "0s", "true"), "--timeout"),
        ((), "COMMAND"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(type_: Typed, arguments: tuple[str, ...], said: str) -> None:
    ran = run(type_, *arguments)
    assert (ran.code, said in ran.err) == (Exit.USAGE, True)
