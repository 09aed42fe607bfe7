"""Canaries are heard wherever they stand, whole or in part, and nothing else is."""

from __future__ import annotations

import pytest

from tests.harness.canaries import CANARIES, heard


@pytest.mark.parametrize("name", CANARIES)
def test_each_is_heard_and_told_apart(name: str) -> None:
    """A finding names the canary, the sink, and what stands before it."""
    (song,) = heard("stderr", f"something\nsays {CANARIES[name]} here")
    assert (song.canary, song.sink) == (name, "stderr")
    assert "something says" in str(song)


def test_half_a_canary_is_heard() -> None:
    """A secret without its scheme or its host is one still."""
    assert [song.canary for song in heard("x", "canary-2-hunter2-shape")] == ["environment-by-shape"]


def test_silence_is_silence() -> None:
    """What is starred out is not heard."""
    assert heard("x", "DB_PASSWORD=************* canary- hunter2") == []
