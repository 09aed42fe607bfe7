"""A chart is a few lines in a box."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.console.charts import HEIGHT, MARGIN, WIDTH, Series, chart
from reconciler.queries.load_metrics import ERRORS, load_metrics
from tests.console.fixtures import NOW

BEGIN = NOW - timedelta(minutes=30)


def test_lines_are_scaled_to_the_largest_value() -> None:
    """From the oldest at the left to the newest at the right; the largest of all lines touches the upper edge."""
    later = BEGIN + timedelta(minutes=1)
    green = Series("web:42", "green", ((BEGIN, 0.0), (later, 50.0), (later + timedelta(minutes=1), 100.0)))
    blue = Series("web:41", "blue", ((BEGIN, 25.0),))
    found = chart("Requests", "", [green, blue], BEGIN, NOW)
    low, high = float(HEIGHT - MARGIN), float(MARGIN)
    assert found.lines[0].path == f"M0.0,{low} h0 L20.0,{HEIGHT / 2} L40.0,{high}"
    assert found.lines[1].path == "M0.0,88.0 h0"
    assert (found.most, found.latest) == ("100", "web:42 100, web:41 25")


def test_a_line_has_a_gap_where_nothing_was_measured() -> None:
    """Two spikes are no plateau."""
    spikes = Series("web:42", "green", ((BEGIN, 1.0), (NOW, 1.0)))
    assert chart("5xx", "", [spikes], BEGIN, NOW).lines[0].path == f"M0.0,4.0 h0 M{float(WIDTH)},4.0 h0"


def test_nothing_measured_says_so() -> None:
    """And only zeros are a line at the lower edge."""
    assert chart("5xx", "", [Series("a", "blue", ())], BEGIN, NOW).words == "5xx: nothing was measured"
    zeros = chart("5xx", "ms", [Series("a", "blue", ((NOW, 0.0),))], BEGIN, NOW)
    assert (zeros.lines[0].path, zeros.most) == (f"M{float(WIDTH)},{float(HEIGHT - MARGIN)} h0", "0 ms")


def test_a_minute_with_requests_and_without_errors_has_none() -> None:
    """CloudWatch has no value of it."""
    group = "arn:aws:elasticloadbalancing:us-west-2:1:targetgroup/web/1"
    asked = load_metrics("arn:aws:elasticloadbalancing:us-west-2:1:listener/app/lb/1/2", (group,), NOW)
    queries = next(asked).params["MetricDataQueries"]
    ids = {one["MetricStat"]["Metric"]["MetricName"]: one["Id"] for one in queries}
    at = [NOW - timedelta(minutes=2), NOW - timedelta(minutes=1)]
    results = [
        {"Id": ids["RequestCount"], "Timestamps": at, "Values": [5.0, 6.0]},
        {"Id": ids["HTTPCode_Target_5XX_Count"], "Timestamps": at[:1], "Values": [2.0]},
    ]
    with pytest.raises(StopIteration) as ended:
        asked.send({"MetricDataResults": results})
    assert ended.value.value[group, ERRORS] == ((at[0], 2.0), (at[1], 0.0))
