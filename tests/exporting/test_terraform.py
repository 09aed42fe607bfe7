"""Terraform takes a stack over with what the guide says: everything is imported, nothing is added or destroyed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.local.server import Server
from tests.harness.cli import run
from tests.local.terraform.test_terraform import LOOKS, NOTHING_TO_CHANGE, server, terraform

__all__ = ["server"]

pytestmark = pytest.mark.slow
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "export.md"


@pytest.mark.parametrize("template", ["web", "job", "private"])
def test_terraform_takes_the_stack_over(
    template: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second plan has nothing to change."""
    monkeypatch.chdir(tmp_path)
    for name, value in (("AWS_ENDPOINT_URL", server.url), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert run("init", "--template", template, "--name", "shop", "--region", "us-west-2").code == Exit.DONE
    applied = run("apply", "-y")
    assert applied.code == Exit.DONE, applied.err
    made = terraform("one_service", tmp_path, server)
    made.environment.update(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    for file in made.folder.glob("*.tf"):
        file.unlink()
    exported = run("export", "terraform", "--out", made.folder)
    assert exported.code == Exit.DONE, exported.err
    written = made.run("plan", "-generate-config-out=generated.tf", *LOOKS)
    assert (made.folder / "generated.tf").exists(), written.stdout + written.stderr

    (tidy,) = re.findall(r"^```sed\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    subprocess.run(["sed", "-i", "-E", tidy, made.folder / "generated.tf"], check=True, timeout=10)
    ended = made.run("apply", "-auto-approve", *LOOKS)
    blocks = (made.folder / "imports.tf").read_text(encoding="utf-8").count("import {")
    assert f"{blocks} imported, 0 added" in ended.stdout, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert "0 destroyed" in ended.stdout
    code, plan = made.plan()
    assert code == NOTHING_TO_CHANGE, plan
