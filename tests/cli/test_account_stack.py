"""What a stack is like can be seen without its specs, by its name and region."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.lease import open_store
from reconciler.cli.output.exits import Exit
from reconciler.source.archive import Archive, pack
from reconciler.source.base import Fetched, Revision
from reconciler.spec.load import Source
from reconciler.store.base import Copy
from tests.cli.cli_runner import Typed, onstage
from tests.harness.cli import Ran, run
from tests.harness.emulated_stack import SEED, SERVICE, EmulatedStack, emulated_stack

BROKEN = "kind: Service\nname: [\n"


@pytest.fixture(scope="module")
def serving() -> Iterator[EmulatedStack]:
    with emulated_stack() as stage:
        stage.serving()
        yield stage


@pytest.fixture
def ask(serving: EmulatedStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Typed]:
    """A command for the stack by its name, typed in a folder without specs."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    place = serving.desired_state.place

    def typed(command: str, *arguments: object) -> Ran:
        return run(command, *arguments, "--stack", place.stack, "--region", place.region)

    with onstage(serving):
        yield typed


def accepted(stage: EmulatedStack) -> None:
    """A controller has accepted the specs."""
    place = stage.desired_state.place
    files = sorted(SEED.rglob("*.yaml"))
    sources = tuple(Source(str(one.relative_to(SEED)), one.name, one.read_bytes()) for one in files)
    revision = Revision("4f1c2ab" * 5, "ana", "Fix the cart")
    data = pack(Archive(Fetched(revision, sources, (), "specs")))
    with closing(open_store(None, stage.transport, place.stack, place.account, place.region, None)) as store:
        assert store.copies.swap("", Copy("a", 1, "4f1c2ab", data))


def document(ran: Ran) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_the_account_alone_shows_what_runs(serving: EmulatedStack, ask: Typed) -> None:
    """By its tags, in every command that only shows; nothing is written and no store is made."""
    ran = ask("status", "-o", "json")
    (service,) = document(ran)["services"]
    assert (ran.code, service["address"]) == (Exit.DONE, f"service/{SERVICE}")
    assert (service["running"], [one["state"] for one in service["versions"]]) == (service["desired"], ["PRIMARY"])
    assert SERVICE in ask("status", SERVICE).out
    assert document(ask("history", "-o", "json"))["releases"][0]["standing"] == ["live"]
    assert ask("events").code == ask("logs", "--since", "1h").code == Exit.DONE
    assert ask("status", "nobody").code == Exit.USAGE
    assert not list(Path().rglob("*.db"))


def test_the_last_accepted_revision_stands_for_the_specs(serving: EmulatedStack, ask: Typed) -> None:
    """Then all of it is known, as with specs."""
    accepted(serving)
    found = document(ask("status", "-o", "json"))
    assert found["services"][0]["phase"] == "idle"
    assert "4f1c2ab" in found["specs"]["instead"]


def test_invalid_specs_lead_to_the_account(serving: EmulatedStack, ask: Typed, tmp_path: Path) -> None:
    """Where their Stack document says which it is; the mistakes are printed."""
    place = serving.desired_state.place
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "broken.yaml").write_text(BROKEN)
    ran = run("status", "--specs", folder)
    assert (ran.code, "--stack" in ran.err) == (Exit.FAILED, True)
    (folder / "stack.yaml").write_text(f"kind: Stack\nname: {place.stack}\nregion: {place.region}\n")
    ran = run("status", "--specs", folder, "-o", "json")
    assert [one["address"] for one in document(ran)["services"]] == [f"service/{SERVICE}"]
    assert "broken.yaml" in ran.err


def test_what_cannot_be_found_is_said(ask: Typed, serving: EmulatedStack, tmp_path: Path) -> None:
    """A name that nothing has; no specs and no name."""
    ran = run("status", "--stack", "elsewhere", "--region", serving.desired_state.place.region)
    assert (ran.code, "reconciler:stack=elsewhere" in ran.err) == (Exit.FAILED, True)
    ran = run("status")
    assert (ran.code, "--stack" in ran.err) == (Exit.USAGE, True)
    assert ask("status", "--specs", tmp_path).code == Exit.USAGE
