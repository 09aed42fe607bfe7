"""`version`: the version, and the commit that it was built from."""

from __future__ import annotations

import json
import subprocess
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler import __version__
from reconciler.cli import build
from tests.harness.cli import run

COMMIT = "4f1c2ab" + "0" * 33


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an image nor a checkout, and installed from an index."""
    monkeypatch.delenv("RECONCILER_REVISION", raising=False)
    monkeypatch.setattr(build, "CHECKOUT", tmp_path)
    installed(monkeypatch, None)


def installed(monkeypatch: pytest.MonkeyPatch, record: dict[str, Any] | None) -> None:
    class Found:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return None if record is None else json.dumps(record)

    found = SimpleNamespace(distribution=lambda name: Found(), PackageNotFoundError=metadata.PackageNotFoundError)
    monkeypatch.setattr(build, "metadata", found)


@pytest.mark.usefixtures("nowhere")
def test_without_a_record_the_version_is_all() -> None:
    ran = run("version")
    assert (ran.code, ran.out) == (0, f"reconciler {__version__}\n")
    assert json.loads(run("version", "-o", "json").out)["revision"] is None


@pytest.mark.usefixtures("nowhere")
def test_an_image_has_its_commit_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONCILER_REVISION", COMMIT)
    assert run("version").out == f"reconciler {__version__} (4f1c2ab00000)\n"
    assert json.loads(run("version", "-o", "json").out)["revision"] == COMMIT


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("record", "then"),
    [
        ({"url": "https://github.com/ana/reconciler", "vcs_info": {"vcs": "git", "commit_id": COMMIT}}, COMMIT),
        ({"dir_info": {"editable": True}}, None),
    ],
)
def test_an_installation_from_git_has_its_commit_in_its_metadata(
    record: dict[str, Any], then: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, record)
    assert build.revision() == then


@pytest.mark.usefixtures("nowhere")
def test_a_checkout_has_its_commit_once_there_is_one(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com")
        return subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init", "--quiet")
    assert build.revision() is None
    git("commit", "--quiet", "--allow-empty", "--message=Begin")
    assert build.revision() == git("rev-parse", "HEAD").strip()


def test_the_distribution_is_called_as_it_is_looked_up() -> None:
    project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nname = "{build.DISTRIBUTION}"\n' in project
