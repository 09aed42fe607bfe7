"""Color and symbols, by what the stream can show. Piped output has no escape bytes."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TextIO

import click

UNICODE = {"arrow": "→", "dot": "·", "roll": "↷", "warn": "▲", "wait": "‖", "ok": "✔", "bad": "✖", "more": "…"}
ASCII = {"arrow": "->", "dot": "-", "roll": ">>", "warn": "!", "wait": "||", "ok": "ok", "bad": "x", "more": "..."}


@dataclass(frozen=True, slots=True)
class Look:
    """Style of one output stream."""

    color: bool = False
    unicode: bool = True

    def sign(self, name: str) -> str:
        return (UNICODE if self.unicode else ASCII)[name]

    def paint(self, text: str, style: str) -> str:
        if not self.color or not text:
            return text
        return (
            click.style(text, bold=True)
            if style == "bold"
            else click.style(text, dim=True)
            if style == "dim"
            else (click.style(text, fg=style))
        )


def look_of(stream: TextIO, color: str = "auto") -> Look:
    """`color` is the value of --color; with auto, NO_COLOR, FORCE_COLOR and then the stream decide."""
    terminal = stream.isatty()
    if color == "auto":
        wanted = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        wanted = wanted or bool(os.environ.get("FORCE_COLOR"))
    else:
        wanted = color == "always"
    encoding = (getattr(stream, "encoding", None) or "ascii").lower()
    return Look(wanted, encoding.replace("-", "").startswith("utf"))


def say(text: str, look: Look, *, err: bool = False) -> None:
    """Print painted text; by itself, click strips color from everything that is not a terminal."""
    click.echo(text, err=err, color=look.color)


def interactive() -> bool:
    """Whether a person can be prompted."""
    return sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")
