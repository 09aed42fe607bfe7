"""`set-image`: the tag in the file, and a commit of just that file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from reconciler.cli.output.exits import Exit
from tests.harness.cli import run
from tests.harness.seed import SEED

FILE = Path("specs/services/frontend.yaml")
IMAGE = "{registry: my-app-frontend, tag: %s}"


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed stack, committed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Ana")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "ana@example.com")
    shutil.copytree(SEED, "specs")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message=Begin")


def test_only_the_tag_changes_and_the_mode_stays() -> None:
    before = FILE.read_text(encoding="utf-8")
    FILE.chmod(0o640)
    ran = run("set-image", "my-app-frontend=v2")
    assert (ran.code, ran.err) == (Exit.DONE, "")
    assert ran.out == (
        "specs/services/frontend.yaml:10: service/my-app-frontend frontend: my-app-frontend:v1 → my-app-frontend:v2\n"
    )
    assert FILE.read_text(encoding="utf-8") == before.replace(IMAGE % "v1", IMAGE % "v2")
    assert FILE.stat().st_mode & 0o777 == 0o640
    assert git("status", "--porcelain") == f" M {FILE}\n"


def test_the_commit_has_that_file_and_nothing_else() -> None:
    Path("staged").touch()
    git("add", "staged")
    ran = run("set-image", "my-app-frontend=v2", "--commit", "-o", "json")
    assert ran.code == Exit.DONE
    shown = json.loads(ran.out)
    assert shown["commit"] == git("rev-parse", "HEAD").strip()
    assert [(one["address"], one["line"], one["before"], one["after"]) for one in shown["images"]] == [
        ("service/my-app-frontend", 10, "my-app-frontend:v1", "my-app-frontend:v2")
    ]
    assert git("show", "--name-only", "--format=%s") == f"Set the image of my-app-frontend to v2\n\n{FILE}\n"
    assert git("status", "--porcelain") == "A  staged\n"
    again = run("set-image", "my-app-frontend=v2", "--commit")
    assert (again.code, again.out.splitlines()[-1]) == (Exit.DONE, "Nothing to commit.")


def test_a_file_with_changes_is_not_committed_with_them() -> None:
    FILE.write_text(FILE.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    before = FILE.read_bytes()
    ran = run("set-image", "my-app-frontend=v2", "--commit")
    assert (ran.code, FILE.read_bytes()) == (Exit.FAILED, before)
    assert "specs/services/frontend.yaml has changes that are not committed" in ran.err


def test_a_commit_that_a_hook_refuses_leaves_the_files_as_they_were() -> None:
    hook = Path(".git/hooks/commit-msg")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'no ticket in the message' >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    before = FILE.read_bytes()
    ran = run("set-image", "my-app-frontend=v2", "--commit", "-m", "Deploy")
    assert (ran.code, FILE.read_bytes()) == (Exit.FAILED, before)
    assert "git commit: no ticket in the message" in ran.err
    assert git("status", "--porcelain") == ""


def test_without_git_or_a_repository_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = FILE.read_bytes()
    shutil.rmtree(".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    assert "not a git repository" in run("set-image", "my-app-frontend=v2", "--commit").err
    monkeypatch.setenv("PATH", "")
    assert "git is not installed" in run("set-image", "my-app-frontend=v2", "--commit").err
    assert FILE.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["my-app-frontend"], Exit.USAGE, "'my-app-frontend' is not NAME=IMAGE, such as api=v7"),
        (["my-app-frontend="], Exit.USAGE, "is not NAME=IMAGE"),
        (["my-app-frontend=v2", "my-app-frontend=v3"], Exit.USAGE, "my-app-frontend is named twice"),
        (["my-app-frontend=v2", "-m", "x"], Exit.USAGE, "--message is for --commit"),
        (["nobody=v2"], Exit.FAILED, "no service or task is named 'nobody'"),
        (["my-app-frontend=a/b:c"], Exit.FAILED, "set by a tag"),
    ],
)
def test_what_cannot_be_set_changes_nothing(arguments: list[str], code: Exit, why: str) -> None:
    ran = run("set-image", *arguments)
    assert ran.code == code
    assert why in ran.err
    assert git("status", "--porcelain") == ""


def test_specs_with_errors_are_left_alone() -> None:
    FILE.write_text(FILE.read_text(encoding="utf-8").replace("cpu: 256", "cpu: 257"), encoding="utf-8")
    before = FILE.read_bytes()
    ran = run("set-image", "my-app-frontend=v2")
    assert (ran.code, FILE.read_bytes()) == (Exit.FAILED, before)
    assert "specs/services/frontend.yaml:6:" in ran.err
