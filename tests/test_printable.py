"""Text from outside that is printed: nothing in it is invisible, and nothing in it steers a terminal or a CI run."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.printable import cleaned, escaped, unseen

INVISIBLE = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u2800\u3164\ufe00\ufe0f\uffa0\U000e0100"
HOSTILE = st.text(
    st.one_of(st.characters(), st.sampled_from("\x1b\x9b\x85\u202e\u2066\u200b\ufeff\r\n:#[a" + INVISIBLE)),
    max_size=60,
)
ORDINARY = st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"], exclude_characters=":#").filter(
    lambda one: not unseen(one) or unicodedata.category(one) == "Co"
)


def commands(text: str) -> list[str]:
    """What GitHub's runner takes for a command (actions/runner, ActionCommand.cs), of any name."""
    return [line for line in text.split("\n") if re.match(r"\s*::[A-Za-z]", line) or "##[" in line]


@given(HOSTILE)
def test_nothing_is_hidden(text: str) -> None:
    """Line breaks and tabs stay, everything else that is not seen is an escape."""
    shown = escaped(text)
    assert not set(shown) & set(INVISIBLE)
    assert not [
        one for one in shown if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") and one not in "\n\t"
    ]
    assert commands(shown) == []
    shown.encode()


@given(HOSTILE)
def test_json_says_the_same(text: str) -> None:
    """In every form in which it is written."""
    for document in (json.dumps([text], ensure_ascii=False), json.dumps([text], ensure_ascii=False, indent=2)):
        assert json.loads(escaped(document)) == [text]


@given(st.text(ORDINARY, max_size=60))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    """Whatever the script."""
    assert escaped(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x9b31m", r"\u009b31m"),
        ("\x1b]0;title\x07", r"\u001b]0;title\u0007"),
        ("a\rb", r"a\u000db"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\U000e0041", r"\udb40\udc41"),
        ("a\u3164b", r"a\u3164b"),
        ("::stop-commands::token", r"\u003a:stop-commands::token"),
        ("x\n  ::error file=a::b", "x\n  \\u003a:error file=a::b"),
        ("1 | ##[stop-commands]token", r"1 | ##\u005bstop-commands]token"),
        ("1 | ##vso[task.setvariable variable=x]y", r"1 | ##vso\u005btask.setvariable variable=x]y"),
        ("##teamcity[buildStop]", r"##teamcity\u005bbuildStop]"),
        ("::/0", "::/0"),
        ("a::b", "a::b"),
        ("arn:aws:iam::aws:policy/x", "arn:aws:iam::aws:policy/x"),
    ],
)
def test_what_is_escaped(text: str, shown: str) -> None:
    """And how it reads."""
    assert escaped(text) == shown


def test_commands_for_github_stay_commands() -> None:
    """Only what they say is escaped."""
    assert escaped("::error file=a::b\x9b\n", commands=True) == "::error file=a::b\\u009b\n"


def test_nothing_invisible_is_in_a_line_of_a_log() -> None:
    """It is left out there, so that what looks the same is."""
    assert cleaned(f"a{INVISIBLE}b\n\tc\u202e") == "ab\n    c"
    assert [one for one in INVISIBLE if not unseen(one)] == []
