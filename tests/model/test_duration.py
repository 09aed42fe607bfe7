"""Durations as text: read and written alike."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.model import duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("2h", 7200), ("1h30m", 5400), ("1d", 86400), ("0s", 0)]
)
def test_durations_are_read_and_written_alike(text: str, seconds: int) -> None:
    """What is written comes out again, or its equal."""
    assert duration.parse(text) == timedelta(seconds=seconds)
    assert duration.parse(duration.format(duration.parse(text))) == duration.parse(text)


@pytest.mark.parametrize("text", ["", "1", "s", "1h 30m", "30m1h", "-5m", "1.5h", "1h\n", "١h", "99999999999999d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Also what no clock could count: nothing overflows."""
    with pytest.raises(ValueError, match="not a duration"):
        duration.parse(text)


def test_a_duration_is_written_as_in_the_specs() -> None:
    """Whole units, the largest first; an estimate to the minute."""
    assert duration.format(timedelta(hours=1, minutes=30)) == "1h30m"
    assert duration.format(timedelta()) == "0s"
    rounded = [duration.approximate(timedelta(seconds=one)) for one in (50, 61, 3599, 11040)]
    assert rounded == ["50s", "1m", "1h", "3h4m"]
