"""The template and the import list of every stack of the examples, as far as they can be checked without an account."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto import settings

from reconciler.cli.output.exits import Exit
from tests.cli.cli_runner import onstage
from tests.examples.test_examples import EXAMPLES, STACKS, created
from tests.harness.emulated_stack import EmulatedStack, emulated_stack
from tests.harness.seed import SEED

TYPES: dict[str, dict[str, list[str]]] = yaml.safe_load(
    Path(__file__).with_name("cloudformation_types.yaml").read_text()
)
LINT = os.environ.get("CFN_LINT") or shutil.which("cfn-lint")
"""cfn-lint, if it is on this machine: it has the schemas of all types, and says where a template breaks them."""
MOST_IMPORTED = 200


def exported(stage: EmulatedStack, out: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    with onstage(stage) as typed:
        ran = typed("export", "cloudformation", "--out", out)
    assert ran.code == Exit.DONE, ran.err
    template = yaml.safe_load((out / "template.yaml").read_text(encoding="utf-8"))
    return template, json.loads((out / "resources-to-import.json").read_text(encoding="utf-8"))


def checked(template: dict[str, Any], listed: list[dict[str, Any]]) -> None:
    """Everything in the template is in the list, is retained, has what its type requires, and is identified by what
    CloudFormation identifies its type by."""
    resources = template["Resources"]
    assert [one["LogicalResourceId"] for one in listed] == list(resources)
    assert len(listed) <= MOST_IMPORTED
    for one in listed:
        declared, known = resources[one["LogicalResourceId"]], TYPES[one["ResourceType"]]
        assert (declared["Type"], declared["DeletionPolicy"]) == (one["ResourceType"], "Retain")
        assert declared["UpdateReplacePolicy"] == "Retain"
        assert sorted(one["ResourceIdentifier"]) == sorted(known["identifier"]), one
        assert set(known["required"]) <= set(declared.get("Properties", {})), one
    identifiers = [(one["ResourceType"], *sorted(one["ResourceIdentifier"].items())) for one in listed]
    assert len(set(map(str, identifiers))) == len(identifiers)


def linted(file: Path) -> None:
    """Without an error. Warnings are about style, and about values that are written out instead of referred to."""
    if LINT is None:
        pytest.skip("cfn-lint is not on this machine; the template was checked without it")
    ended = subprocess.run(
        [LINT, "--ignore-checks", "W", "I", "--", str(file)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", STACKS)
def test_cloudformation_could_import_a_stack_of_the_examples(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "ACM_VALIDATION_WAIT", -1)
    with emulated_stack(folder=EXAMPLES / name) as stage:
        STACKS[name].prepare(stage)
        created(stage, STACKS[name])
        checked(*exported(stage, tmp_path))
    linted(tmp_path / "template.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["task_sets", "ecs_native", "codedeploy"])
def test_cloudformation_could_import_the_seed_stack(engine: str, tmp_path: Path) -> None:
    texts = {"type: blue_green\n": f"type: blue_green\nengine: {engine}\n"}
    with emulated_stack(texts, folder=SEED) as stage:
        stage.serving()
        checked(*exported(stage, tmp_path))
    linted(tmp_path / "template.yaml")
