"""The action's own scripts, run as GitHub runs them, with a GitHub and an AWS of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: dict[str, dict[str, Any]] = {step["id"]: step for step in ACTION["runs"]["steps"]}

GH = """\
#!{python} -I
import json, pathlib, re, sys
box = pathlib.Path({box!r})
arguments = sys.argv[1:]
with (box / "gh.jsonl").open("a") as file:
    file.write(json.dumps(arguments) + "\\n")
if "--jq" in arguments:
    wanted = arguments[arguments.index("--jq") + 1]
    marker = re.search(r'startswith\\("(.*)"\\)', wanted)[1]
    for one in json.loads((box / "comments.json").read_text()):
        if ('.user.type == "Bot"' not in wanted or one["user"]["type"] == "Bot") and one["body"].startswith(marker):
            print(one["id"])
"""

FAKE = """\
#!{python} -I
import pathlib, sys
box = pathlib.Path({box!r})
(box / "argv").write_text("\\n".join(sys.argv[1:]))
print((box / "plan").read_text(), end="")
sys.exit(int((box / "code").read_text()))
"""


@dataclass
class Runner:
    """A runner's folders. `comments` are on the pull request; `plan` and `code` are what `diff` answers."""

    box: Path
    comments: list[dict[str, Any]] = field(default_factory=list)

    def program(self, name: str, text: str) -> str:
        path = self.box / name
        path.write_text(text.format(python=sys.executable, box=str(self.box)), encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    def step(self, name: str, **env: str) -> subprocess.CompletedProcess[str]:
        (self.box / "comments.json").write_text(json.dumps(self.comments), encoding="utf-8")
        self.program("gh", GH)
        given = {
            "PATH": f"{self.box}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(self.box),
            "GITHUB_OUTPUT": str(self.box / "output"),
            "GITHUB_STEP_SUMMARY": str(self.box / "summary"),
            "GITHUB_REPOSITORY": "ana/shop",
            "GITHUB_ACTION_PATH": str(ROOT),
            "FOLDER": "specs",
            "ENVIRONMENT": "",
            "REGION": "",
            "BASE": "",
            "DIFF": "auto",
        }
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]],
            env=given | env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def diff(self, plan: str, code: int, **env: str) -> subprocess.CompletedProcess[str]:
        (self.box / "plan").write_text(plan, encoding="utf-8")
        (self.box / "code").write_text(str(code), encoding="utf-8")
        return self.step("diff", PYTHON=self.program("python", FAKE), **env)

    def comment(self, plan: str, **env: str) -> list[list[str]]:
        path = self.box / "plan.md"
        path.write_text(plan, encoding="utf-8")
        ran = self.step("comment", GH_TOKEN="t", NUMBER="7", PLAN=str(path), **env)
        assert ran.returncode == 0, ran.stderr
        return [json.loads(line) for line in (self.box / "gh.jsonl").read_text(encoding="utf-8").splitlines()]

    def said(self, name: str) -> str:
        path = self.box / name
        return path.read_text(encoding="utf-8") if path.exists() else ""


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


KEYS = {"AWS_ACCESS_KEY_ID": "testing"}


def test_nothing_of_a_pull_request_is_put_into_a_script() -> None:
    """Expressions stand in `env` and `if` alone: what GitHub pastes into a script could be anybody's code."""
    for step in STEPS.values():
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"


def test_python_never_imports_from_the_checked_out_specs() -> None:
    """Every call of Python that runs in the pull request's folder is isolated."""
    for step in STEPS.values():
        for line in step["run"].splitlines():
            for python in ('"$PYTHON" ', '"$venv/bin/python" ', "python3 -I -m", "python3 -m"):
                if python in line and "[ !" not in line:
                    assert " -I " in line, line


def test_validate_is_the_real_one(runner: Runner, tmp_path: Path) -> None:
    """Annotations for what is wrong, exit 1; silence for what is right."""
    assert runner.step("validate", PYTHON=sys.executable).returncode == 0
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.yaml").write_text("kind: Clutser\n", encoding="utf-8")
    ran = runner.step("validate", PYTHON=sys.executable, FOLDER=str(tmp_path / "bad"))
    assert ran.returncode == 1
    assert "::error file=" in ran.stdout


def test_a_folder_named_like_an_option_is_a_folder(runner: Runner) -> None:
    """Inputs are arguments, however they are spelt."""
    runner.diff("", 0, FOLDER="--profile=evil; rm -rf $HOME", ENVIRONMENT="a b", **KEYS)
    assert runner.said("argv").splitlines()[-3:] == ["--environment=a b", "--", "--profile=evil; rm -rf $HOME"]


@pytest.mark.parametrize(("code", "result"), [(0, "nothing"), (2, "changes"), (5, "blocked")])
def test_what_merging_would_do_is_told(runner: Runner, code: int, result: str) -> None:
    """As an output, and as the summary of the run."""
    assert runner.diff("the plan\n", code, **KEYS).returncode == 0
    assert f"result={result}\n" in runner.said("output")
    assert runner.said("summary") == "the plan\n"


def test_a_diff_that_fails_fails_the_job(runner: Runner) -> None:
    """With its own code, and without a plan."""
    assert runner.diff("", 1, **KEYS).returncode == 1
    assert "plan=" not in runner.said("output")


def test_without_credentials_aws_is_not_asked(runner: Runner) -> None:
    """Unless one insists."""
    assert runner.diff("the plan", 2).returncode == 0
    assert runner.said("argv") == ""
    runner.diff("the plan", 2, DIFF="true")
    assert runner.said("argv") != ""
    runner.box.joinpath("argv").unlink()
    runner.diff("the plan", 2, DIFF="false", **KEYS)
    assert runner.said("argv") == ""


def test_there_is_one_comment_and_it_is_kept_current(runner: Runner) -> None:
    """The first time it is made, the next time changed; another folder has one of its own."""
    *_, last = runner.comment("the plan")
    assert last[:5] == ["api", "--silent", "--method", "POST", "repos/ana/shop/issues/7/comments"]
    body = runner.said("reconciler-comment.md")
    assert body.endswith("the plan")
    runner.comments = [{"id": 41, "user": {"type": "Bot"}, "body": body}]
    *_, last = runner.comment("another plan")
    assert last[2:5] == ["--method", "PATCH", "repos/ana/shop/issues/comments/41"]
    *_, last = runner.comment("another plan", FOLDER="others")
    assert last[3] == "POST"


def test_a_marker_that_a_person_wrote_is_not_ours(runner: Runner) -> None:
    """Their comment stays as it is."""
    runner.comment("the plan")
    body = runner.said("reconciler-comment.md")
    runner.comments = [{"id": 41, "user": {"type": "User"}, "body": body}]
    *_, last = runner.comment("the plan")
    assert last[3] == "POST"


def test_a_plan_that_is_too_long_is_cut_and_says_so(runner: Runner) -> None:
    """GitHub takes 65,536 characters."""
    runner.comment("é" * 100_000)
    body = (runner.box / "reconciler-comment.md").read_bytes().decode("utf-8", "replace")
    assert len(body.encode()) < 65_536
    assert "summary of the run" in body


def test_a_blocked_plan_fails_the_job(runner: Runner) -> None:
    """After the comment, so that everybody can read why."""
    assert list(STEPS)[-2:] == ["comment", "verdict"]
    assert runner.step("verdict").returncode == 1
