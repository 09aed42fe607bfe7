"""The guides that show how the code is extended: what they show is done in a copy of the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar, get_origin, get_type_hints

import pytest

from reconciler.rollout import engine
from reconciler.rollout.engine import Engine
from tests.promises.conftest import mostly_slow

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"
COPIED = ("reconciler", "tests", "docs", "specs", "app", "benchmarks", "pyproject.toml", "Makefile")
BLOCK = re.compile(r"^```(python|yaml|sh)(?: (\S+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "guide",
    mostly_slow(["add-a-rule", "add-a-check", "add-a-command", "add-an-engine"], "add-an-engine"),
)
def test_what_a_guide_shows_works(guide: str, tmp_path: Path) -> None:
    """A block that names a file is put there, or added to what is there; then the commands run, one after the other."""
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    commands = []
    for form, place, text in BLOCK.findall((GUIDES / f"{guide}.md").read_text(encoding="utf-8")):
        if form == "sh":
            commands += text.splitlines()
            continue
        assert place, f"a block of {guide} names no file"
        assert form == "yaml" or not (tmp_path / place).exists(), place
        with (tmp_path / place).open("a", encoding="utf-8") as file:
            file.write(text)
    assert commands
    for command in commands:
        ran = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"


def test_the_guide_names_everything_of_an_engine() -> None:
    """Each method and each attribute that the interface has."""
    text = (GUIDES / "add-an-engine.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    hints = get_type_hints(Engine, vars(engine))
    attributes = {name for name, hint in hints.items() if get_origin(hint) is ClassVar}
    assert Engine.__abstractmethods__ | attributes == named
