"""`simulate`: a timeline from the specs alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from reconciler.cli.commands.simulate import failing_phases
from reconciler.cli.output.exits import Exit
from reconciler.model.resource import Address
from reconciler.rollout.engine import Phase
from reconciler.rollout.simulation import FAILS_AT
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.strategy import Strategy
from tests.harness.cli import recorded, run

SERVICE = "my-app-frontend"


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    return Path(shutil.copytree(Path(__file__).parents[2] / "specs", tmp_path / "specs"))


def test_a_timeline_says_when_what_and_why(specs: Path) -> None:
    """A row for everything that would happen, with the time since the beginning; AWS is not asked."""
    with recorded() as calls:
        ran = run("simulate", SERVICE, specs)
    assert (ran.code, ran.err, calls) == (Exit.DONE, "", [])
    rows = ran.out.splitlines()
    assert rows[0] == f"service/{SERVICE}"
    switch = next(row for row in rows if "switch :80" in row)
    assert switch.split()[:2] == ["+2h1m", "shifting"]
    assert "because" in switch
    assert next(row for row in rows if "remove blue" in row).startswith("+3h6m")


def test_json_is_one_document_with_the_same_rows(specs: Path) -> None:
    """For scripts: seconds, phases, words, and how it ends."""
    text, ran = run("simulate", SERVICE, specs), run("simulate", SERVICE, specs, "-o", "json")
    found = json.loads(ran.out)
    assert (found["format_version"], found["service"], found["ends_in"]) == (1, SERVICE, "idle")
    assert len(found["rows"]) == len(text.out.splitlines()) - 3, "the service, and the forecast below"
    assert found["forecast"]["production_seconds"] == 2 * 3600 + 47
    assert [row["after_seconds"] for row in found["rows"]] == sorted(row["after_seconds"] for row in found["rows"])


def test_the_only_service_need_not_be_named(specs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor the folder, where it is the usual one."""
    monkeypatch.chdir(specs.parent)
    assert run("simulate").out == run("simulate", SERVICE, specs).out


@pytest.mark.parametrize("phase", ["scaling_up", "testing", "awaiting-promotion", "shifting", "VERIFYING", "baking"])
def test_a_failure_in_each_phase_ends_badly(specs: Path, phase: str) -> None:
    """Written in either way; what follows is shown, and the command itself has not failed."""
    ran = run("simulate", SERVICE, specs, "--fail-at", phase, "-o", "json")
    assert ran.code == Exit.DONE
    assert json.loads(ran.out)["ends_in"] in ("failed", "rolled_back")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["my-app-frontent"], "Did you mean 'my-app-frontend'?"),
        (["--fail-at", "teardown"], "cannot fail in phase teardown; choose one of: scaling_up, testing"),
        (["--fail-at", "initial_deployment"], "cannot fail in phase initial_deployment"),
        (["--initial", "--fail-at", "verifying"], "choose one of: initial_deployment"),
        (["--fail-at", "verifing"], "Did you mean 'verifying'?"),
    ],
)
def test_what_cannot_be_is_a_usage_error_that_says_what_can(
    specs: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    """64, on stderr, with what was probably meant or may be said."""
    monkeypatch.chdir(specs.parent)
    ran = run("simulate", *arguments)
    assert (ran.code, ran.out) == (Exit.USAGE, "")
    assert words in ran.err


def test_a_service_without_a_strategy_is_ecs_own_deployment(specs: Path) -> None:
    """One request, and ECS does the rest; it can fail while the tasks come up."""
    file = specs / "services" / "frontend.yaml"
    text = file.read_text(encoding="utf-8").replace("deployment: careful\n", "")
    text = text.replace("[my-app-frontend-tg-1, my-app-frontend-tg-2]", "[my-app-frontend-tg-1]")
    file.write_text(text, encoding="utf-8")
    plain = RolloutSpec(Address("service", SERVICE), Address("task-definition", SERVICE), Strategy(engine="rolling"))
    assert "ECS replaces 1 task" in run("simulate", SERVICE, specs).out
    assert failing_phases(plain, 1, first=False) == (Phase.SCALING_UP,)
    ran = run("simulate", SERVICE, specs, "--fail-at", "scaling_up", "-o", "json")
    assert json.loads(ran.out)["ends_in"] == "rolled_back"


def test_phases_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell offers the phases that something can fail in."""
    from click.shell_completion import ShellComplete

    from reconciler.cli.main import cli

    offered = ShellComplete(cli, {}, "reconciler", "_X").get_completions(["simulate", "--fail-at"], "")
    assert [one.value for one in offered] == [str(phase) for phase in FAILS_AT]


def test_piped_output_has_no_escape_byte(specs: Path) -> None:
    """Colour is for terminals, or for who asks."""
    assert "\x1b" not in run("simulate", SERVICE, specs).out
    assert "\x1b" in run("simulate", SERVICE, specs, "--color", "always").out
