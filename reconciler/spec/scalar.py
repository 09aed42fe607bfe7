"""Scalars of plain YAML by the YAML 1.2 core schema, with their original spelling.

YAML 1.1 parsers turn `on` into true, `22:22` into 1342, `012` into 10 and `1.10` into 1.1. Here everything is text but
what the core schema defines, and that keeps its spelling: a text field takes `1.10` as four characters, a number field
takes the number.
"""

from __future__ import annotations

import re

LONGEST_NUMBER = 18
"""Digits; more do not fit what AWS counts with, and parsing thousands of them takes quadratic time."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_UNBOUNDED = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+", re.ASCII)


class Written(str):
    """A plain scalar that YAML reads as a number or as true/false: its text, and in `value` what YAML reads.

    `value` is None for a number that nobody could mean: infinite, not a number, or of more digits than AWS counts with.
    """

    value: bool | int | float | None

    def __new__(cls, text: str, value: bool | int | float | None) -> Written:
        written = super().__new__(cls, text)
        written.value = value
        return written

    @property
    def ambiguous(self) -> bool:
        """`012` is 12 to YAML 1.2, 10 to YAML 1.1, and most likely meant as text."""
        return _LEADING_ZERO.fullmatch(self) is not None


def resolve(text: str) -> str | Written | None:
    """What a plain scalar stands for: None for null, `Written` for numbers and truth values, else its text."""
    if text in _NULL:
        return None
    if text in _TRUTH:
        return Written(text, _TRUTH[text])
    if text[0] not in "+-.0123456789":
        return text
    if _INTEGER.fullmatch(text):
        return Written(text, _integer(text) if len(text) <= LONGEST_NUMBER else None)
    if _FLOAT.fullmatch(text):
        return Written(text, float(text) if len(text) <= LONGEST_NUMBER else None)
    if _UNBOUNDED.fullmatch(text):
        return Written(text, None)
    return text


def _integer(text: str) -> int:
    if text.startswith("0o"):
        return int(text[2:], 8)
    if text.startswith("0x"):
        return int(text[2:], 16)
    return int(text)
