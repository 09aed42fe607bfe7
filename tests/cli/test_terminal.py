"""Lines that are printed on a terminal end between words, and continue below where their text begins."""

from __future__ import annotations

import re

import pytest

from reconciler.cli.output.terminal import Look, say

PROGRESS = "  ↷ service/shop-web   baking (instant rollback available): blue keeps running (until 01:38:55 UTC)"
BANNER = "shop · us-west-2 · account 123456789012 · user/moto · LOCAL http://127.0.0.1:4822"
FIELD = "+   ingress  [{protocol: tcp, from_port: 80, to_port: 80, source: 0.0.0.0/0}, {protocol: tcp, to_port: 90}]"
LONG = f"~   role  arn:aws:iam::123456789012:role/{'x' * 90} → kept as it was declared"


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("text", [PROGRESS, BANNER, FIELD])
def test_lines_fit_the_terminal(text: str, columns: int, capsys: pytest.CaptureFixture[str]) -> None:
    """No word is broken or lost."""
    say(text, Look(columns=columns))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "below"),
    [(PROGRESS, PROGRESS.index("baking")), (FIELD, FIELD.index("[")), (BANNER, 2), (f"    then: {BANNER}", 6)],
)
def test_what_follows_stands_below_the_text(text: str, below: int, capsys: pytest.CaptureFixture[str]) -> None:
    say(text, Look(columns=80))
    first, *more = capsys.readouterr().out.splitlines()
    assert text.startswith(first + " ")
    assert more
    assert {len(line) - len(line.lstrip()) for line in more} == {below}


def test_colors_take_no_room(capsys: pytest.CaptureFixture[str]) -> None:
    look = Look(color=True, columns=80)
    say(" ".join(look.paint("word", "red") for _ in range(16)) + f"\n{look.paint(BANNER, 'bold')}", look)
    shown = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in capsys.readouterr().out.splitlines()]
    assert shown == [" ".join(["word"] * 16), BANNER.removesuffix(" http://127.0.0.1:4822"), "  http://127.0.0.1:4822"]


def test_words_longer_than_a_line_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """The terminal breaks them, so that they can be copied. What follows is counted from there."""
    say(LONG, Look(columns=80))
    assert capsys.readouterr().out == LONG + "\n"


def test_other_output_has_its_own_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """A file has each text on one line, and a line of a log or a source is not changed."""
    say(PROGRESS, Look())
    say(PROGRESS, Look(columns=80), whole=True)
    assert capsys.readouterr().out.splitlines() == [PROGRESS] * 2
