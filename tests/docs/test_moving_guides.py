"""The guides to moving in and out: every command in them is run, on the emulator in this process, and every file of
another tool can be read."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli.output.exits import Exit
from tests.harness.cli import Ran, run
from tests.importing.account import REGION, Account, account

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
LEAVING = ("leave-terraform", "leave-cloudformation-and-copilot", "leave-ecspresso")
MOVING = (*LEAVING, "leave-app-runner", "export", "import")
BLOCK = re.compile(r"^( *)```(\w+)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def blocks(guide: str) -> Iterator[tuple[str, str]]:
    """Language and text of each."""
    for indent, language, text in BLOCK.findall((GUIDES / f"{guide}.md").read_text(encoding="utf-8")):
        yield language, re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)


def commands(guide: str) -> list[list[str]]:
    """Of `reconciler`, as they are typed, also those within a sentence that have arguments."""
    lines = [line for language, text in blocks(guide) if language == "sh" for line in text.splitlines()]
    prose = BLOCK.sub("", (GUIDES / f"{guide}.md").read_text(encoding="utf-8"))
    lines += re.findall(r"`(reconciler output [^`…]+)`", prose)
    lines += re.findall(r'"\$\((reconciler output [^)]+)\)"', prose)
    return [shlex.split(line)[1:] for line in lines if line.startswith("reconciler ")]


@pytest.fixture
def prod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """What the guides take for granted: a cluster `prod`, with a service `web` behind a load balancer."""
    with account(tmp_path) as found:
        found.network()
        found.cluster()
        _, (group,) = found.balancer("web", "web")
        target = {"targetGroupArn": group, "containerName": "app", "containerPort": 80}
        container = {"portMappings": [{"containerPort": 80}]}
        found.service("web", container=container, loadBalancers=[target], executionRoleArn=found.role("web-execution"))
        found.stage.laptop.advance(300)
        (tmp_path / "work").mkdir()
        monkeypatch.chdir(tmp_path / "work")
        monkeypatch.setenv("AWS_REGION", REGION)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        yield found


def typed(*arguments: str) -> Ran:
    """As a person types it, who answers yes."""
    ran = run(*arguments, *(["-y"] if arguments[0] in ("apply", "destroy") else []))
    assert ran.code in (Exit.DONE, Exit.PENDING if arguments[0] == "diff" else Exit.DONE), (
        f"reconciler {shlex.join(arguments)}\n{ran.out}{ran.err}"
    )
    return ran


@pytest.mark.parametrize(
    "guide", [one if one == "leave-ecspresso" else pytest.param(one, marks=pytest.mark.slow) for one in LEAVING]
)
def test_the_commands_of_a_guide_take_a_service_over(prod: Account, guide: str) -> None:
    """One after the other; then the specs change nothing, and can be handed over again as `export` says."""
    assert prod.subnets
    for arguments in commands(guide):
        typed(*arguments)
    assert json.loads(typed("diff", "specs", "-o", "json").out)["changes"] is False


def test_the_commands_of_export_write_what_others_need(prod: Account, tmp_path: Path) -> None:
    assert prod.subnets
    typed("import", "--cluster", "prod")
    typed("apply", "specs")
    for arguments in commands("export"):
        typed(*arguments)
    written = {path.name for path in (tmp_path / "work" / "export").iterdir()}
    assert written == {"imports.tf", "template.yaml", "resources-to-import.json"}


@pytest.mark.slow
def test_the_commands_of_app_runner_make_the_service_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with account(tmp_path) as made:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        (tmp_path / "shop").mkdir()
        monkeypatch.chdir(tmp_path / "shop")
        first, *others = commands("leave-app-runner")
        typed(*(REGION if word == "us-east-1" else word for word in first))
        assert made.stage is not None
        typed("apply")
        assert [words[1] for words in others] == ["load-balancer/shop.dns_name", "service/shop-web.url"]
        for arguments in others:
            assert typed(*arguments).out.strip()


@pytest.mark.parametrize("guide", MOVING)
def test_files_in_a_guide_can_be_read(guide: str) -> None:
    """YAML of CloudFormation, Copilot and our own; Terraform's own formatter reads its configuration."""
    for language, text in blocks(guide):
        if language == "yaml":
            found: Any = yaml.safe_load(text)
            assert isinstance(found, dict | list), text
        if language == "hcl":
            assert text.count("{") == text.count("}"), text


@pytest.mark.slow
@pytest.mark.parametrize("guide", ["leave-terraform"])
def test_terraform_reads_its_configuration_in_a_guide(guide: str) -> None:
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not on this machine")
    texts = [text for language, text in blocks(guide) if language == "hcl"]
    assert texts
    for text in texts:
        ended = subprocess.run(
            ["terraform", "fmt", "-check", "-"], input=text, capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
