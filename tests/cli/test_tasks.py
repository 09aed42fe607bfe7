"""Scheduled and one-off tasks by their names, shown, read and run like services; and a stack without its specs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.lease import open_store
from reconciler.cli.output.exits import Exit
from reconciler.local.scripted import Script
from reconciler.source.archive import Archive, pack
from reconciler.source.base import Fetched, Revision
from reconciler.spec.load import Source
from reconciler.store.audit_trail import AuditEntry, audit_trail
from reconciler.store.base import Copy
from reconciler.store.task_stops import TaskStop, task_stops
from tests.cli.cli_runner import Typed, onstage
from tests.harness.cli import Ran, run
from tests.harness.emulated_stack import EmulatedStack, emulated_stack

FOLDER = Path(__file__).parent / "task_specs"
WORKER = "worker"


@pytest.fixture(scope="module")
def deployed(for_a_module: None) -> Iterator[EmulatedStack]:
    """The one-off task has failed, and so has a run of the scheduled one."""
    with emulated_stack(folder=FOLDER) as stage:
        stage.laptop.script(Script("*busybox*", exits_after=5, exit_code=3, logs=("job says hello",)))
        stage.infrastructure()
        stage.laptop.advance(60)
        with onstage(stage) as typed:
            typed("run-task", "nightly")
        yield stage


@pytest.fixture
def type_(deployed: EmulatedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with onstage(deployed) as typed:
        yield typed


def keep(stage: EmulatedStack) -> TaskStop:
    """A run of a week ago, and a request, in the store."""
    place, now = stage.desired_state.place, stage.laptop.clock.now()
    at = now - timedelta(days=7)
    stop = TaskStop("schedule/nightly", "exit 3", at, at, "5b1e08aa77", 1, "nightly:1", "it crashed", exit_code=3,
                    container="job", log=("a week ago",))  # fmt: skip
    with closing(open_store(None, stage.transport, place.stack, place.account, place.region, None)) as store:
        task_stops(store).add([stop])
        audit_trail(store).add([AuditEntry("r1", at, "retry", "task/seed", "ana", "fixed the secret")])
    return stop


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_scheduled_task_runs_now(deployed: EmulatedStack, type_: Typed) -> None:
    """As its schedule starts it; its logs are shown, and its exit code is that of the command."""
    ran = type_("run-task", "nightly")
    assert (ran.code, "job says hello" in ran.out) == (3, True)
    started = deployed.laptop.tasks.started[-1]
    assert [one.name for one in started.containers] == ["job"]
    assert type_("retry", "nightly").code == Exit.USAGE
    assert type_("run-task", "seed").code == Exit.USAGE


def test_a_task_has_logs_events_and_a_history(type_: Typed) -> None:
    """Of the runs that ECS knows; `status` shows it alone."""
    name = "schedule/nightly"
    ran = type_("logs", name, "--since", "2h")
    assert (ran.code, "job says hello" in ran.out) == (Exit.DONE, True)
    assert "job says hello" in type_("logs", name, "--previous").out
    events = lines(type_("events", name, "-o", "jsonl").out)
    assert {(event["details"]["exit_code"], event["source"]) for event in events} == {(3, "task")}
    history = json.loads(type_("history", name, "-o", "json").out)
    assert [len(history["revisions"]), {run["details"]["exit_code"] for run in history["runs"]}] == [1, {3}]
    status = json.loads(type_("status", name, "-o", "json").out)
    assert [len(status["tasks"]) + len(status["scheduled"]), status["services"]] == [1, []]


def test_tasks_are_found_without_specs(deployed: EmulatedStack, type_: Typed) -> None:
    """By the name of the stack. The emulator's index of tags has no groups of schedules."""
    where = ("--stack", deployed.desired_state.place.stack, "--region", deployed.desired_state.place.region)
    (task,) = json.loads(run("status", "seed", "-o", "json", *where).out)["tasks"]
    assert (task["address"], task["state"]) == ("task/seed", "failed")
    assert "job says hello" in run("logs", "seed", "--since", "2h", *where).out
    assert lines(run("events", "seed", "-o", "jsonl", *where).out)[0]["details"]["exit_code"] == 3
    assert len(json.loads(run("history", "seed", "-o", "json", *where).out)["revisions"]) == 1


@pytest.mark.apart
def test_what_ecs_has_forgotten_is_shown_from_the_store(deployed: EmulatedStack, type_: Typed) -> None:
    """The outcome of a run a week ago, its last lines, and who asked for what."""
    deployed.laptop.advance(3 * 3600)
    stop = keep(deployed)
    (scheduled,) = json.loads(type_("status", "nightly", "-o", "json").out)["scheduled"]
    assert (scheduled["last_run"]["state"], scheduled["last_run"]["because"]) == ("failed", "exit 3")
    ran = type_("logs", "nightly", "--previous")
    assert (ran.code, "a week ago" in ran.out, "exit 3" in ran.out) == (Exit.DONE, True, True)
    (event,) = lines(type_("events", "nightly", "-o", "jsonl").out)
    assert (event["at"], event["details"]["log"]) == (stop.at.isoformat(), ["a week ago"])
    assert [one["cause"] for one in json.loads(type_("history", "nightly", "-o", "json").out)["ended"]] == [
        "it crashed"
    ]
    (request,) = json.loads(type_("history", "seed", "-o", "json").out)["requests"]
    assert (request["by"], request["reason"]) == ("ana", "fixed the secret")
    assert "fixed the secret" in type_("history", "seed").out


# -- without specs

BROKEN = "kind: Service\nname: [\n"


@pytest.fixture
def ask(deployed: EmulatedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    """A command for the stack by its name, typed in a folder without specs."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    place = deployed.desired_state.place

    def typed(command: str, *arguments: object) -> Ran:
        return run(command, *arguments, "--stack", place.stack, "--region", place.region)

    with onstage(deployed):
        yield typed


def accepted(stage: EmulatedStack) -> None:
    """A controller has accepted the specs."""
    place = stage.desired_state.place
    files = sorted(FOLDER.rglob("*.yaml"))
    sources = tuple(Source(str(one.relative_to(FOLDER)), one.name, one.read_bytes()) for one in files)
    revision = Revision("4f1c2ab" * 5, "ana", "Fix the cart")
    data = pack(Archive(Fetched(revision, sources, (), "specs")))
    with closing(open_store(None, stage.transport, place.stack, place.account, place.region, None)) as store:
        assert store.copies.swap("", Copy("a", 1, "4f1c2ab", data))


def document(ran: Ran) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_the_account_alone_shows_what_runs(deployed: EmulatedStack, ask: Typed) -> None:
    """By its tags, in every command that only shows; nothing is written and no store is made."""
    ran = ask("status", "-o", "json")
    (service,) = document(ran)["services"]
    assert (ran.code, service["address"]) == (Exit.ROLLED_BACK, f"service/{WORKER}")  # the one-off task failed
    assert (service["running"], [one["state"] for one in service["versions"]]) == (service["desired"], ["PRIMARY"])
    assert WORKER in ask("status", WORKER).out
    assert document(ask("history", "-o", "json"))["releases"][0]["standing"] == ["live"]
    assert ask("events").code == ask("logs", "--since", "1h").code == Exit.DONE
    assert ask("status", "nobody").code == Exit.USAGE
    assert not list(Path().rglob("*.db"))


def test_the_last_accepted_revision_stands_for_the_specs(deployed: EmulatedStack, ask: Typed) -> None:
    """Then all of it is known, as with specs."""
    accepted(deployed)
    found = document(ask("status", "-o", "json"))
    assert found["services"][0]["phase"] == "idle"
    assert "4f1c2ab" in found["specs"]["instead"]


def test_invalid_specs_lead_to_the_account(deployed: EmulatedStack, ask: Typed, tmp_path: Path) -> None:
    """Where their Stack document says which it is; the mistakes are printed."""
    place = deployed.desired_state.place
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "broken.yaml").write_text(BROKEN)
    ran = run("status", "--specs", folder)
    assert (ran.code, "--stack" in ran.err) == (Exit.FAILED, True)
    (folder / "stack.yaml").write_text(f"kind: Stack\nname: {place.stack}\nregion: {place.region}\n")
    ran = run("status", "--specs", folder, "-o", "json")
    assert [one["address"] for one in document(ran)["services"]] == [f"service/{WORKER}"]
    assert "broken.yaml" in ran.err


def test_what_cannot_be_found_is_said(ask: Typed, deployed: EmulatedStack, tmp_path: Path) -> None:
    """A name that nothing has; no specs and no name."""
    ran = run("status", "--stack", "elsewhere", "--region", deployed.desired_state.place.region)
    assert (ran.code, "reconciler:stack=elsewhere" in ran.err) == (Exit.FAILED, True)
    ran = run("status")
    assert (ran.code, "--stack" in ran.err) == (Exit.USAGE, True)
    assert ask("status", "--specs", tmp_path).code == Exit.USAGE
