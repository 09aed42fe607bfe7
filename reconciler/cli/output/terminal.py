"""Color and symbols, by what the stream can show, and the one place at which commands print.

Piped output has no escape bytes. Everything that is printed may hold text from outside, so all control characters are
escaped here but those of our own styles. A random mark tells the two apart.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

import click

from reconciler.printable import escaped

_STYLE = f"\x1b{os.urandom(8).hex()}"
"""Begins our own sequences in text that was not printed yet, in place of the escape byte."""
CLEAR = f"{_STYLE}[H{_STYLE}[2J"
_SEQUENCE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")
UNICODE = {
    "arrow": "→",
    "dot": "·",
    "roll": "↷",
    "warn": "▲",
    "wait": "‖",
    "ok": "✔",
    "bad": "✖",
    "more": "…",
    "about": "≈",
}
ASCII = {
    "arrow": "->",
    "dot": "-",
    "roll": ">>",
    "warn": "!",
    "wait": "||",
    "ok": "ok",
    "bad": "x",
    "more": "...",
    "about": "about",
}


@dataclass(frozen=True, slots=True)
class Look:
    """Style of one output stream. `columns` is the width of a terminal; other output is not wrapped."""

    color: bool = False
    unicode: bool = True
    columns: int | None = None

    def sign(self, name: str) -> str:
        return (UNICODE if self.unicode else ASCII)[name]

    def paint(self, text: str, style: str) -> str:
        """`text` in a color, "bold", "dim" or "bold COLOR"; for `echo` and `say` only, which know it as ours."""
        if not self.color or not text:
            return text
        words = style.split()
        color = next((word for word in words if word not in ("bold", "dim")), None)
        sample = click.style("|", fg=color, bold="bold" in words or None, dim="dim" in words or None)
        before, after = sample.replace("\x1b", _STYLE).split("|")
        return f"{before}{text}{after}"

    def flow(self, parts: Iterable[tuple[str, str]], *, between: str = "   ", indent: str = "  ") -> str:
        """Parts of text, each with its style or "", on as few lines as the columns allow; further lines are indented.

        A part that is longer than a line is broken between its words.
        """
        lines, width = [""], 0
        most = (self.columns or sys.maxsize) - len(indent)
        for text, style in parts:
            gap = between if width else ""
            if width and width + len(gap) + len(text) > most:
                lines.append(indent)
                gap, width = "", 0
            first, *rest = broken(text, most - width) if len(text) > most - width else [text]
            lines[-1] += gap + self.paint(first, style)
            width += len(gap) + len(first)
            for more in rest:
                lines.append(indent + self.paint(more, style))
                width = len(more)
        return "\n".join(lines)


def look_of(stream: TextIO, color: str = "auto") -> Look:
    """`color` is the value of --color; with auto, NO_COLOR, FORCE_COLOR and then the stream decide."""
    terminal = stream.isatty()
    if color == "auto":
        wanted = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        wanted = wanted or bool(os.environ.get("FORCE_COLOR"))
    else:
        wanted = color == "always"
    encoding = (getattr(stream, "encoding", None) or "ascii").lower()
    columns = shutil.get_terminal_size().columns if terminal else None
    return Look(wanted, encoding.replace("-", "").startswith("utf"), columns)


def broken(text: str, most: int) -> list[str]:
    """Lines of at most so many columns, between words."""
    import textwrap

    return textwrap.wrap(text, max(most, 20), break_long_words=False, break_on_hyphens=False)


def printed(text: str, *, commands: bool = False) -> str:
    """What is written for `text`: our own styles, and everything else escaped."""
    return "\x1b".join(escaped(part, commands=commands) for part in text.split(_STYLE))


def echo(text: object = "", *, err: bool = False, nl: bool = True, commands: bool = False) -> None:
    """Print text without color. `commands`: it consists of commands for GitHub Actions."""
    click.echo(printed(str(text), commands=commands), err=err, nl=nl)


def say(text: str, look: Look, *, err: bool = False, nl: bool = True, whole: bool = False) -> None:
    """Print painted text; by itself, click strips color from everything that is not a terminal.

    On a terminal, lines end between words, unless they are `whole`: those of logs and files.
    """
    shown = printed(text)
    if look.columns is not None and not whole:
        shown = "\n".join(_folded(line, look.columns) for line in shown.split("\n"))
    click.echo(shown, err=err, nl=nl, color=look.color)


def _folded(line: str, columns: int) -> str:
    """`line` on several lines, the further ones below its last column that begins on the left.

    What is longer than a line and has no spaces is left to the terminal, so that it can be copied.
    """
    plain = _SEQUENCE.sub("", line)
    if len(plain) <= columns:
        return line
    margin = len(plain) - len(plain.lstrip())
    indent = max((gap.end() for gap in _GAP.finditer(plain) if gap.end() <= columns // 2), default=margin + 2)
    done, gap, at = "", "", 0
    for word in re.split("( +)", line):
        width = len(_SEQUENCE.sub("", word))
        end = at + len(gap) + width
        if word.isspace():
            gap = word
        elif at > indent and end > columns >= indent + width:
            done, gap, at = f"{done}\n{' ' * indent}{word}", "", indent + width
        else:
            done, gap, at = done + gap + word, "", end if end <= columns else end % columns
    return done


def interactive() -> bool:
    """Whether a person can be prompted."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")
