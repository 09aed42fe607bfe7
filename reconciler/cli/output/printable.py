"""Sanitizing of external text for the terminal: it cannot move the cursor or change colors and titles."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_SEQUENCES: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b.?"
)
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
TAB: Final = 4


def lines(text: str) -> Iterator[str]:
    """The lines of `text` as they are, indentation included, without control characters. Always at least one."""
    bare = _SEQUENCES.sub("", text)
    for line in bare.splitlines() or [""]:
        yield "".join(char for char in line.expandtabs(TAB) if unicodedata.category(char) not in _UNSEEN).rstrip()


def cleaned(text: str) -> str:
    return "\n".join(lines(text))
