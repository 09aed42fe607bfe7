"""A chart is a few lines in a box."""

from __future__ import annotations

from datetime import timedelta

from reconciler.console.charts import HEIGHT, MARGIN, WIDTH, Series, chart
from tests.console.fixtures import NOW

BEGIN = NOW - timedelta(minutes=30)


def test_lines_are_scaled_to_the_largest_value() -> None:
    """From the oldest at the left to the newest at the right; the largest of all lines touches the upper edge."""
    green = Series("web:42", "green", ((BEGIN, 0.0), (NOW - timedelta(minutes=15), 50.0), (NOW, 100.0)))
    blue = Series("web:41", "blue", ((BEGIN, 25.0),))
    found = chart("Requests", "", [green, blue], BEGIN, NOW)
    low, high = float(HEIGHT - MARGIN), float(MARGIN)
    assert found.lines[0].points == f"0.0,{low} {WIDTH / 2},{HEIGHT / 2} {float(WIDTH)},{high}"
    assert found.lines[1].points == "0.0,88.0"
    assert (found.most, found.latest) == ("100", "web:42 100, web:41 25")


def test_nothing_measured_says_so() -> None:
    """And only zeros are a line at the lower edge."""
    assert chart("5xx", "", [Series("a", "blue", ())], BEGIN, NOW).words == "5xx: nothing was measured"
    zeros = chart("5xx", "ms", [Series("a", "blue", ((NOW, 0.0),))], BEGIN, NOW)
    assert (zeros.lines[0].points, zeros.most) == (f"{float(WIDTH)},{float(HEIGHT - MARGIN)}", "0 ms")
