"""Hidden characters in spec files, as they stand there or as escapes in quoted text such as `"\\u202e"`."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from reconciler import printable
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.node import Position

BIDIRECTIONAL: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_ALLOWED: Final = frozenset("\n\t\u200c\u200d")
"""Line breaks and tabs, where a field takes them; the joiners belong to the spelling of some scripts and of emoji."""
_STYLES: Final = frozenset("\ufe0e\ufe0f")
"""Variation selectors that choose between an emoji and its symbol; after anything else they are invisible."""
_SUSPECT: Final = re.compile(r"[^\x20-\x7e]")


def first(text: str) -> str:
    """The first hidden character of a value; empty if there is none."""
    for found in _SUSPECT.finditer(text):
        character, before = found[0], text[max(0, found.start() - 1) : found.start()]
        styles = character in _STYLES and before and unicodedata.category(before) == "So"
        if character not in _ALLOWED and not styles and printable.hidden(character):
            return character
    return ""


def finding(character: str, position: Position) -> Diagnostic:
    code = f"U+{ord(character):04X}"
    if re.match(f"[{BIDIRECTIONAL}]", character):
        message = f"{code} changes the direction of text, so the file reads differently than it is parsed"
        return Diagnostic("E1003", message, position)
    kind = "control" if unicodedata.category(character) == "Cc" else "invisible"
    return Diagnostic("E1002", f"{kind} character {code}", position)
