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
_COMMAND: Final = re.compile(r"^(\s*):(?=:[A-Za-z])|(?<=##)\[|(?<=##vso)\[|(?<=##teamcity)\[", re.MULTILINE)
"""CI systems read commands from the log of a run: GitHub Actions `::error::…` at the start of a line and `##[error]…`
anywhere, Azure Pipelines `##vso[…]` and TeamCity `##teamcity[…]`.
"""
TAB: Final = 4


def hidden(character: str) -> bool:
    """Whether it is a control or format character, a line separator or half of a surrogate pair."""
    return unicodedata.category(character) in _HIDDEN


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
        yield "".join(char for char in line.expandtabs(TAB) if unicodedata.category(char) not in _UNSEEN).rstrip()


def cleaned(text: str) -> str:
    return "\n".join(lines(text))


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _harmless(found: re.Match[str]) -> str:
    return f"{found[1]}\\u003a" if found[0].endswith(":") else "\\u005b"
