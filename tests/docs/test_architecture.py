"""docs/architecture.md describes the code that there is: floors, contracts, files, names, constants, depths."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.type_registry import discover
from reconciler.rollout.actions import RolloutAction
from reconciler.rollout.engine import Phase

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
NAMED = re.compile(r"`((?:\w+/)+\w+\.py)` \(((?:`\w+`(?:, )?)+)\)")
"""A file, and what is in it: `reconciler/store/lease.py` (`Lease`)."""

PAGES = [
    "CONTRIBUTING.md",
    "tests/README.md",
    "docs/architecture.md",
    *(str(page.relative_to(ROOT)) for page in sorted(ROOT.glob("docs/guides/add-*.md"))),
    "docs/reference/tags.md",
    "docs/reference/environment.md",
    *(str(page.relative_to(ROOT)) for page in sorted(ROOT.glob("docs/decisions/*.md")) if page.name >= "018"),
]
"""The pages for whoever changes the code. Older decisions name files as they were called at the time."""


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def names_in(text: str) -> set[str]:
    return set(re.findall(r"`([\w-]+)`", text))


def member(path: str, name: str) -> Any:
    return getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)


def test_the_floors_are_those_of_the_contract() -> None:
    """A heading for each layer, in its order, with one paragraph below it."""
    (floors,) = [one for one in CONTRACTS if one["type"] == "layers"]
    parts = re.split(r"^### ", section("Floors"), flags=re.MULTILINE)[1:]
    described = {part.partition("\n")[0].replace("`", ""): part.partition("\n")[2].strip() for part in parts}
    assert list(described) == floors["layers"]
    for title, paragraph in described.items():
        assert paragraph, title
        assert "\n\n" not in paragraph, title


def test_the_other_contracts_are_listed() -> None:
    """By their names, in their order."""
    listed = re.findall(r"^- (.+)$", section("Other import contracts"), re.MULTILINE)
    assert listed == [one["name"] for one in CONTRACTS if one["type"] != "layers"]


@pytest.mark.parametrize("page", PAGES)
def test_every_path_exists(page: str) -> None:
    """A path in backquotes is a file or folder of this repository, from its root."""
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    tops = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
    for path in re.findall(rf"`((?:{tops})/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path
    for path, names in NAMED.findall(text):
        for name in names_in(names):
            assert member(path, name) is not None, (path, name)


def test_the_drawings_name_files_that_exist() -> None:
    """From the package, or from the folder of rollouts."""
    drawn = "\n".join(re.findall(r"^```text\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))
    paths = re.findall(r"[\w/]+\.py|\b\w+/\w+/", drawn)
    assert len(paths) > 10
    for path in paths:
        assert list((ROOT / "reconciler").rglob(path)), path


def test_the_constants_have_the_values_of_the_code() -> None:
    """Seconds, or a number of times."""
    rows = re.findall(r"^\| (`[^|]+`\)) \| (\d+) \|", section("Read-after-write"), re.MULTILINE)
    assert len(rows) > 5
    for constant, value in rows:
        ((path, names),) = NAMED.findall(constant)
        (name,) = names_in(names)
        found = member(path, name)
        assert (found.total_seconds() if isinstance(found, timedelta) else found) == int(value), constant


def test_the_depths_say_which_types_are_read() -> None:
    """What a fast pass reads too, and of what only a full one reads everything."""
    said = section("What a pass reads")
    (fast,) = re.findall(r"^Types that a fast pass reads: (.+)\.$", said, re.MULTILINE)
    (full,) = re.findall(r"one for each resource: (.+)\.$", said, re.MULTILINE)
    types = discover()
    assert names_in(fast) == {name for name, kind in types.items() if kind.volatile}
    in_full = {
        name
        for name, kind in types.items()
        if kind.has_details
        or "Depth.FULL" in Path(importlib.import_module(type(kind).__module__).__file__ or "").read_text()
    }
    assert names_in(full) == in_full


def test_every_phase_and_action_has_its_place() -> None:
    """Which file decides a phase; who writes an action of a rollout."""
    phases = names_in(section("One rollout"))
    assert {str(one) for one in Phase} <= phases
    table = names_in(section("Where things are decided, written and kept")) | {"UpdateHealthCheck", "RunTests"}
    assert {one.__name__ for one in RolloutAction.__args__} <= table  # type: ignore[attr-defined]


def test_every_folder_of_tests_and_every_harness_is_described() -> None:
    """A folder in the table of changes, a module in the table of harnesses, and neither without a file."""
    text = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    folders = {path.name for path in (ROOT / "tests").iterdir() if (path / "__init__.py").is_file()}
    assert folders == set(re.findall(r"`tests/(\w+)/", text))
    harness = text.partition("## The harness")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `(\w+\.py)` \|", harness, re.MULTILINE)
    modules = {path.name for path in (ROOT / "tests" / "harness").glob("*.py")}
    assert listed == sorted(name for name in modules if not name.startswith(("test_", "__")))


def test_every_package_has_a_place_for_its_tests() -> None:
    """A row in the table of changes."""
    changes = (ROOT / "tests" / "README.md").read_text(encoding="utf-8").partition("goes to Y")[2].partition("\n## ")[0]
    packages = {path.name for path in (ROOT / "reconciler").iterdir() if (path / "__init__.py").is_file()}
    assert packages == set(re.findall(r"`reconciler/(\w+)/", changes))


def test_contributing_names_the_make_targets() -> None:
    """Those of the Makefile, in a table."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (targets,) = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"^\| `make (\w+)` \|", text, re.MULTILINE)) == set(targets.split())
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == "exec make check test"


LONG, LONGEST = 300, 350


def test_a_long_module_says_why_it_is_one() -> None:
    """Most have fewer than 300 lines; none has more than 350. A resource type and a part of the emulator need not."""
    silent = list[str]()
    for file in sorted((ROOT / "reconciler").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        lines = text.count("\n")
        assert lines <= LONGEST, f"{file.relative_to(ROOT)} has {lines} lines"
        why = re.search(r"It is one (?:module|class) because ", ast.get_docstring(ast.parse(text)) or "")
        if lines > LONG and why is None and not {"local", "resources"} & set(file.parts):
            silent.append(str(file.relative_to(ROOT)))
    assert silent == []
