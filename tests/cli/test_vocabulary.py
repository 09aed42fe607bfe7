"""The words of the command line: those of Terraform, kubectl and Flux, and no private ones."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CLI = Path(__file__).parents[2] / "reconciler" / "cli"
PRIVATE = (
    r"poke\w*|anew|heard|said|told|laptop\w*|obituary|the loop|reigns?|a word|the word|a person's word|"
    r"(?:put|goes|gone|going) back|put (?:back|right|in order)|set right|at rest|let (?:in|go|out)|under way|"
    r"nobody's|what runs is what is wanted|as the specs have (?:it|them)"
)
WORDS = re.compile(rf"\b(?:{PRIVATE})\b", re.IGNORECASE)


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """Every text of a module, docstrings included: those of commands are their help."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


@pytest.mark.parametrize("file", sorted(CLI.rglob("*.py")), ids=lambda file: str(file.relative_to(CLI)))
def test_no_private_word_is_in_a_text(file: Path) -> None:
    """Somebody who knows the field reads help, messages and views without learning a word."""
    found = [(line, match[0]) for line, text in texts(file) for match in WORDS.finditer(text)]
    assert found == []
