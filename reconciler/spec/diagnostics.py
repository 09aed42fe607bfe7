"""Diagnostics: problems in the specs with position and hint."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from reconciler.model.secrecy import masked
from reconciler.spec.node import Position

SURE = 0.8
"""How alike two names must be for one to be suggested in place of the other."""
_LONGEST_LINE = 160
_AROUND = 200
"""Characters beside an excerpt that are looked at for the beginning or end of a secret in it."""
_MOST_NAMES = 100
"""Among more names of one length none is surely meant, and comparing takes long."""


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Note:
    """Another place that belongs to the finding."""

    text: str
    position: Position


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `rule` is an id of the catalogue (rules.py); `hint` says what to write.

    `excerpt` holds the source lines round the position as (number, text), `caret` the columns that are marked, counted
    within the excerpt; both are filled in by `excerpted`, with everything that looks like a secret masked.
    """

    rule: str
    message: str
    position: Position
    hint: str = ""
    notes: tuple[Note, ...] = ()
    excerpt: tuple[tuple[int, str], ...] = ()
    caret: tuple[int, int] = (1, 2)

    @property
    def severity(self) -> Severity:
        return Severity.WARNING if self.rule.startswith("W") else Severity.ERROR

    def __str__(self) -> str:
        return f"{self.position}: {self.severity.value}[{self.rule}]: {self.message}"


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """By file, line and column; the same finding once."""
    unique = {(found.position, found.rule, found.message): found for found in diagnostics}
    return tuple(unique[key] for key in sorted(unique))


def nearest(wrong: str, names: Iterable[str]) -> str:
    """The one name that was surely meant; empty where nothing is sure."""
    if not 2 < len(wrong) <= 64:
        return ""
    alike = [name for name in names if abs(len(name) - len(wrong)) <= 2]
    if len(alike) > _MOST_NAMES:
        return ""
    swapped = [name for name in alike if sorted(name) == sorted(wrong)]
    if len(swapped) == 1:
        return swapped[0]
    close = difflib.get_close_matches(wrong, sorted(alike), n=2, cutoff=SURE)
    if len(close) == 2 and _likeness(wrong, close[0]) == _likeness(wrong, close[1]):
        return ""
    return close[0] if close else ""


def did_you_mean(wrong: str, names: Iterable[str]) -> str:
    found = nearest(wrong, names)
    return f"did you mean '{found}'?" if found else ""


def excerpted(found: Diagnostic, lines: list[str]) -> Diagnostic:
    """The finding with its source line; shape errors also get the line before, since structure is their sense."""
    number, column = found.position.line, found.position.column
    if not 1 <= number <= len(lines):
        return found
    line = lines[number - 1]
    start = max(0, column - 1 - _LONGEST_LINE // 2) if len(line) > _LONGEST_LINE else 0
    end = min(found.position.end_column, len(line) + 1, start + _LONGEST_LINE + 1)
    excerpt = [(number, _shown(line, start))]
    before = lines[number - 2] if number > 1 else ""
    if found.rule.startswith("E1") and before.strip() and len(before) <= _LONGEST_LINE:
        excerpt.insert(0, (number - 1, _shown(before, 0)))
    first = column - start
    return replace(found, excerpt=tuple(excerpt), caret=(first, max(end - start, first + 1)))


def _shown(line: str, start: int) -> str:
    """A window of a line, without secrets; every character keeps its column."""
    left = max(0, start - _AROUND)
    known = masked(line[left : start + _LONGEST_LINE + _AROUND])
    window = known[start - left : start - left + _LONGEST_LINE]
    return "".join(c if c.isprintable() else " " if c == "\t" else "·" for c in window).rstrip()


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, one).ratio()
