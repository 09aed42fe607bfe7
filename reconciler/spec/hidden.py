"""Hidden characters in spec files, as they stand there or as escapes in quoted text such as `"\\u202e"`."""

from __future__ import annotations

import re
from typing import Final

from reconciler import printable
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.node import Position

BIDIRECTIONAL: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_ALLOWED: Final = frozenset("\n\t\u200c\u200d")
"""Line breaks and tabs, where a field takes them; the joiners belong to the spelling of some scripts and of emoji."""
_SUSPECT: Final = re.compile(r"[^\x20-\x7e]")


def first(text: str) -> str:
    """The first hidden character of a value; empty if there is none."""
    found = (one[0] for one in _SUSPECT.finditer(text))
    return next((one for one in found if one not in _ALLOWED and printable.hidden(one)), "")


def finding(character: str, position: Position) -> Diagnostic:
    code = f"U+{ord(character):04X}"
    if re.match(f"[{BIDIRECTIONAL}]", character):
        message = f"{code} changes the direction of text, so the file reads differently than it is parsed"
        return Diagnostic("E1003", message, position)
    return Diagnostic("E1002", f"control character {code}", position)
