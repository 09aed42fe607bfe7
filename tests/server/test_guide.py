"""The guide to the loop says what can be typed, copied and relied on."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from reconciler.cli.main import cli
from reconciler.reconcile.drift import DriftMode
from reconciler.server.health import PATIENCE_SECONDS
from reconciler.spec.documents.stack import DriftRule

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "guides" / "gitops.md").read_text(encoding="utf-8")
BLOCKS = [(form, text) for form, text in re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)]
LINES = [line for form, text in BLOCKS if form == "sh" for line in text.splitlines()]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


def _yaml(first: str) -> Any:
    (found,) = [yaml.safe_load(text) for form, text in BLOCKS if form == "yaml" and text.startswith(first)]
    return found


@pytest.mark.parametrize("line", LINES)
def test_what_is_to_be_typed_can_be(line: str) -> None:
    """Every command is one, and has the options that are given."""
    program, verb, *arguments = shlex.split(line, comments=True)
    assert program == "reconciler"
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    command.make_context(verb, list(arguments)).close()


def test_the_drift_rules_are_taken_by_the_stack_document() -> None:
    """The example is valid, and the table of modes is whole."""
    rules = [DriftRule.model_validate(one) for one in _yaml("kind: Stack")["drift"]]
    assert {one.mode for one in rules} == {"warn", "ignore"}
    assert set(re.findall(r"^\| `(enforce|warn|ignore)` \|", TEXT, re.MULTILINE)) == {str(one) for one in DriftMode}


def test_the_workflow_gives_the_action_what_it_takes() -> None:
    """Its inputs are known, it may write the comment and nothing else, and it never runs with a fork's secrets."""
    workflow = _yaml("name: specs")
    steps = workflow["jobs"]["plan"]["steps"]
    (ours,) = [step for step in steps if step["uses"].startswith("OWNER/reconciler@")]
    assert set(ours["with"]) <= set(ACTION["inputs"])
    assert workflow["permissions"] == {"contents": "read", "id-token": "write", "pull-requests": "write"}
    assert set(workflow[True]) == {"pull_request"}  # YAML 1.1 reads `on` so


def test_the_table_of_inputs_is_the_action_s() -> None:
    """Names in their order, and defaults."""
    rows = re.findall(r"^\| `(\w+)` \| (?:`(\w+)`)?[^|]*\|", TEXT.partition("| input |")[2].partition("\n\n")[0], re.M)
    assert [name for name, _ in rows] == list(ACTION["inputs"])
    for name, default in rows:
        if name != "token":
            assert ACTION["inputs"][name]["default"] == default


def test_the_hook_is_the_one_that_is_there() -> None:
    """Its id is known to pre-commit, and its command exists."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    (repository,) = _yaml("repos:")["repos"]
    assert [one["id"] for one in repository["hooks"]] == [hook["id"]]
    assert shlex.split(hook["entry"]) == ["reconciler", "validate"]


def test_alerts_ask_for_metrics_that_are_in_the_table() -> None:
    """A renamed metric would never fire."""
    named = set(re.findall(r"^\| `(reconciler_\w+)`", TEXT, re.MULTILINE))
    asked = {
        name for rule in _yaml("groups:")["groups"][0]["rules"] for name in re.findall(r"reconciler_\w+", rule["expr"])
    }
    assert asked
    assert asked <= named


def test_the_patience_of_health_is_as_it_says() -> None:
    """Fifteen minutes."""
    assert PATIENCE_SECONDS == 15 * 60
