"""Rules of tags: whatever text comes in, AWS accepts what is written."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given

from docs.tag import Tag
from docs.tags import GROUPS
from reconciler.model.tagging import escaped, tag_value, unescaped
from reconciler.reconcile import request_tags
from tests.model.accepted_tags import TEXTS, assert_accepted


@given(TEXTS)
def test_any_text_becomes_a_value_that_every_service_accepts(text: str) -> None:
    """Line ends of an error, tabs, separators of Unicode, emoji, half a surrogate pair, a prefix of AWS's own."""
    assert_accepted(tag_value(text))
    assert_accepted(tag_value(f"aws:{text}"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("the image\n\tis broken\u2028again ", "the image is broken again"),
        ("it's {broken}", "it_s _broken_"),
        ("für Größe 漢字", "für Größe 漢字"),
        ("AWS: again", "AWS_ again"),
        ("x" * 255 + " y", "x" * 255),
    ],
)
def test_a_value_keeps_what_a_tag_can_say(text: str, value: str) -> None:
    """Words and letters of any language stay as they are."""
    assert tag_value(text) == value


@given(TEXTS)
def test_escaped_text_is_accepted_and_comes_back(text: str) -> None:
    """All but half of a surrogate pair, which is no text, and however white space was written."""
    whole = text.encode("utf-8", "ignore").decode().replace("\0", " ")[:80]
    assert unescaped(escaped(whole, longest=10_000)) == " ".join(whole.split())
    assert_accepted(escaped(text))
    assert_accepted(escaped(f"aws:{text}"))
    assert ":" not in escaped(text, also=":")
    assert unescaped(escaped(whole, also=":", longest=10_000)) == " ".join(whole.split())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('it\'s {broken}, "again"', "it=27s =7Bbroken=7D=2C =22again=22"),
        ("limit=20, a=b", "limit=3D20=2C a=b"),
        ("für Größe 漢字", "für Größe 漢字"),
        ("AWS: again", "AWS=3A again"),
        ("🚀", "=F0=9F=9A=80"),
    ],
)
def test_what_a_tag_cannot_say_is_escaped(text: str, value: str) -> None:
    """Words stay readable in the console, and nothing is lost."""
    assert escaped(text) == value
    assert unescaped(value) == text


@pytest.mark.parametrize("value", ["it_s broken", "a=b", "limit=20", "=FF", "x=", "50=2", "=3d"])
def test_a_value_that_was_not_escaped_is_read_as_it_is(value: str) -> None:
    """Values of earlier releases have `_` in these places."""
    assert unescaped(value) == value


@given(TEXTS)
def test_text_is_cut_between_two_characters(text: str) -> None:
    """Half an escape would be read as text."""
    for longest in range(12):
        whole = text.encode("utf-8", "ignore").decode().replace("\0", " ")
        assert " ".join(whole.split()).startswith(unescaped(escaped(whole, longest=longest)))


@given(TEXTS, TEXTS)
def test_the_tags_of_a_stack_are_accepted(first: str, second: str) -> None:
    """Whatever a person's name, a reason, a revision or a commit's subject is."""
    assert_accepted(request_tags.suspended(first, second, datetime(2026, 1, 1, tzinfo=UTC)))
    assert_accepted(request_tags.handled(first, second))
    assert_accepted(request_tags.in_place(first, second))
    assert_accepted(request_tags.restored(first, second))


@pytest.mark.parametrize("tag", [tag for group in GROUPS for tag in group.tags], ids=lambda tag: tag.key)
def test_every_key_of_ours_is_accepted(tag: Tag) -> None:
    """Every tag of the reference, which lists all that are written."""
    assert_accepted(tag.key, 128)
    assert re.fullmatch(r"reconciler:[a-z-]+", tag.key)
