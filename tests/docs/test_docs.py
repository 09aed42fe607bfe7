"""The documentation says what the code does."""

from __future__ import annotations

import re
import shlex
from enum import StrEnum
from pathlib import Path

import pytest

from docs.generate import PAGES as GENERATED
from docs.generate import REFERENCE, page
from reconciler.cli.main import COMMANDS
from reconciler.model.plan import RefusalCode
from reconciler.rollout.requests import RequestRefusalCode

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "SECURITY.md", *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_the_reference_is_current(name: str) -> None:
    """A generated page is what `make docs` would write now."""
    assert (REFERENCE / name).read_text(encoding="utf-8") == page(name), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file or folder that is there."""
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_each_decision_has_a_number_of_its_own() -> None:
    """Pages refer to decisions by number, and the file and the title have the same one."""
    decisions = sorted(ROOT.glob("docs/decisions/*.md"))
    numbers = [page.name.partition("-")[0] for page in decisions]
    assert len(set(numbers)) == len(numbers) > 0
    for number, decision in zip(numbers, decisions, strict=True):
        assert decision.read_text(encoding="utf-8").startswith(f"# {number} "), decision.name


def test_the_readme_names_commands_that_exist() -> None:
    """Every `reconciler …` in the README is a command, with options that it has."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"`reconciler ([a-z][^`]*)`", text)
    assert named
    for line in named:
        words = shlex.split(line)
        assert words[0] in COMMANDS, line


@pytest.mark.parametrize(
    ("page", "codes"), [("concepts.md", RefusalCode), ("guides/rollouts.md", RequestRefusalCode)], ids=str
)
def test_every_code_of_a_refusal_is_explained(page: str, codes: type[StrEnum]) -> None:
    """A row each in the table of codes, and none for a code that there is not."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    table = text.partition("| code |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == [str(code) for code in codes]


def test_the_readme_has_two_set_up_commands() -> None:
    """`make demo` and `make test` do all the set-up there is."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in text
        assert re.search(rf"^{target}: \.venv/", makefile, re.MULTILINE)
