"""The words of user-visible text: help, events, errors, views, rules and documentation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]

PRIVATE = re.compile(
    r"\b(?:anew|a word|person's word|pokes?|poked|puts? back|put in order|put right|let in|lets? .{1,30} in"
    r"|(?:blue|green) goes|said (?:promote|rollback|retry|abort)|(?:was|is) said|(?:was|is|are) told|the loop|hears"
    r"|heard|whose turn|nobody|somebody|laptop aws|at rest|comes? to rest|what runs|time has come|says nothing"
    r"|looks? at everything|for ever|quick way back)\b",
    re.IGNORECASE,
)
"""What text for people does not say: the project's former idiom. The field has a standard term for each of them."""

ALLOWED = {
    "reconciler/local/task_user.py": ["nobody"],  # the user of that name
    "docs/guides/local-emulator.md": ["nobody"],  # the same
    "docs/guides/add-an-engine.md": ["NOBODY"],  # a member of an enum
}
"""Where a word of the list is meant: file → words."""

PENDING: tuple[str, ...] = ()
"""Packages whose strings are not rewritten yet."""

PAGES = (
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    ROOT / "docs/concepts.md",
    ROOT / "action.yml",
    ROOT / "docs/reference/commands.md",  # every command's help
    *sorted(ROOT.glob("docs/guides/*.md")),
    *sorted(ROOT.glob("specs/*.yaml")),
)


def _sources() -> list[str]:
    names = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "reconciler").rglob("*.py"))
    return [name for name in names if not name.startswith(PENDING)]


def private(name: str, text: str) -> list[str]:
    return [match[0] for match in PRIVATE.finditer(text) if match[0] not in ALLOWED.get(name, ())]


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every string of more than one word that is neither a docstring nor a regular expression."""
    tree = ast.parse(source)
    skipped = {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        for statement in node.body
        if isinstance(statement, ast.Expr)
    }
    lines = source.splitlines()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in skipped:
            continue
        raw = lines[node.lineno - 1][node.col_offset :].startswith(("r'", 'r"', "rf"))
        if " " in node.value.strip() and not raw:
            yield node.lineno, node.value


@pytest.mark.parametrize("name", _sources())
def test_strings_use_the_terms_of_the_field(name: str) -> None:
    """No message, event, label or hint of the product holds a word of the list."""
    source = (ROOT / name).read_text(encoding="utf-8")
    found = [f"{name}:{line}: {words} in {text!r}" for line, text in texts(source) if (words := private(name, text))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", sorted(ROOT.glob("reconciler/spec/catalogue/*.yaml")), ids=lambda page: page.name)
def test_rules_use_the_terms_of_the_field(page: Path) -> None:
    """Titles and reasons of the rules, which `explain` shows."""
    for rule, entry in yaml.safe_load(page.read_text(encoding="utf-8")).items():
        for text in (entry["title"], entry["why"]):
            assert not PRIVATE.search(text), f"{rule}: {text}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_use_the_terms_of_the_field(page: Path) -> None:
    """README, concepts, guides, the action and the comments of the example specs."""
    name, lines = str(page.relative_to(ROOT)), page.read_text(encoding="utf-8").splitlines()
    found = [f"{name}:{number}: {line}" for number, line in enumerate(lines, 1) if private(name, line)]
    assert not found, "\n".join(found)


def test_a_private_word_is_found() -> None:
    """In a plain string and in an f-string, and not in a docstring or a regular expression."""
    assert [text for _, text in texts('x = f"{y} is put back"')] == [" is put back"]
    assert [text for _, text in texts('def f():\n    """The loop says so."""\n    return "the loop says so"')] == [
        "the loop says so"
    ]
    assert not list(texts('x = r"the loop"'))
    assert PRIVATE.search("drift is put back")
