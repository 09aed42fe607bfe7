"""Sanitizing of text from outside: what is shown is what there is, and it steers neither a terminal nor a CI run.

Specs, AWS's answers, logs of tasks, tags and reasons of requests all hold text that somebody else has written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_SEQUENCES: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b.?"
)
_SUSPECT: Final = re.compile(r"[^\n\t\x20-\x7e]")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
_HIDDEN: Final = _UNSEEN - {"Co"}
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U00016fe4\U0001d159\U000e0000-\U000e0fff]"
)
"""What is shown as nothing or as a blank and is of another category: `Default_Ignorable_Code_Point` (Unicode Character
Database, DerivedCoreProperties), fillers of letters, the Braille blank and the null notehead.
"""
_COMMAND: Final = re.compile(r"^(\s*):(?=:[A-Za-z])|(?<=##)\[|(?<=##vso)\[|(?<=##teamcity)\[", re.MULTILINE)
"""CI systems read commands from the log of a run: GitHub Actions `::error::…` at the start of a line and `##[error]…`
anywhere, Azure Pipelines `##vso[…]` and TeamCity `##teamcity[…]`.
"""
TAB: Final = 4


def hidden(character: str) -> bool:
    """Whether it is a control or format character, a line separator, half of a surrogate pair, or otherwise unseen."""
    return unicodedata.category(character) in _HIDDEN or _BLANK.match(character) is not None


def unseen(character: str) -> bool:
    """Whether it is hidden, or for private use."""
    return unicodedata.category(character) in _UNSEEN or _BLANK.match(character) is not None


def escaped(text: str, *, commands: bool = False) -> str:
    r"""`text` with hidden characters as JSON escapes, such as `\u202e`; line breaks and tabs stay.

    JSON stays the same JSON. `commands`: the text consists of commands for GitHub Actions; otherwise there are none in
    it, for no CI system.
    """
    text = _SUSPECT.sub(lambda found: _escape(found[0]) if hidden(found[0]) else found[0], text)
    return text if commands else _COMMAND.sub(_harmless, text)


def lines(text: str) -> Iterator[str]:
    """The lines of `text` as they are, indentation included, without control characters. Always at least one."""
    bare = _SEQUENCES.sub("", text)
    for line in bare.splitlines() or [""]:
        shown = line.expandtabs(TAB)
        yield _SUSPECT.sub(lambda found: "" if unseen(found[0]) else found[0], shown).rstrip()


def cleaned(text: str) -> str:
    return "\n".join(lines(text))


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _harmless(found: re.Match[str]) -> str:
    return f"{found[1]}\\u003a" if found[0].endswith(":") else "\\u005b"
