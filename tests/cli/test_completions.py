"""What a shell offers, from the files as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from reconciler.cli.main import cli
from tests.harness.seed import SEED


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(SEED, "specs")


def offered(*typed: str) -> list[str]:
    *before, incomplete = typed
    return [item.value for item in ShellComplete(cli, {}, "reconciler", "_X").get_completions(before, incomplete)]


@pytest.mark.parametrize(
    ("typed", "then"),
    [
        (("promote", ""), ["my-app-frontend"]),
        (("promote", "x"), []),
        (("status", "my-app-"), ["my-app-frontend", "my-app-hello"]),
        (("exec", ""), ["my-app-frontend"]),
        (("simulate", ""), ["my-app-frontend"]),
        (("set-image", "my-app-f"), ["my-app-frontend="]),
        (("diff", "-e", ""), ["staging"]),
        (("explain", "E110"), [f"E110{number}" for number in range(1, 10)]),
        (("explain", "Ser"), ["Service"]),
    ],
)
def test_names_are_offered(typed: tuple[str, ...], then: list[str]) -> None:
    assert offered(*typed) == then


def test_the_folder_is_the_one_that_is_named() -> None:
    Path("specs").rename("other")
    assert offered("promote", "") == []
    assert offered("promote", "--specs", "other", "") == ["my-app-frontend"]
    assert offered("promote", "--specs", "nowhere", "") == []


def test_what_cannot_be_read_offers_nothing() -> None:
    """Half a file is what there is while somebody edits it."""
    Path("specs/broken.yaml").write_text("kind: Service\nname: {half\n", encoding="utf-8")
    Path("specs/bytes.yaml").write_bytes(b"kind: Service\nname: \xff\n")
    Path("specs/list.yaml").write_text("[1]\n---\nkind: Service\nname: [2]\n", encoding="utf-8")
    assert offered("promote", "") == ["my-app-frontend"]
