"""Statistics of a distribution by their names in the API: `Sum`, `Average`, `p99.9` …"""

from __future__ import annotations

import re

from reconciler.local.cloudwatch.state import Distribution
from reconciler.local.refusal import Refusal

STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?|100)")


def check(statistic: str) -> None:
    """Raises InvalidParameterValue for what is none, and for the ones that the emulator has not (trimmed means …)."""
    if statistic not in STATISTICS and not PERCENTILE.fullmatch(statistic):
        raise Refusal(
            "InvalidParameterValue",
            f"The local AWS emulator has the statistics {', '.join(STATISTICS)} and percentiles (p99), not {statistic}",
        )


def of(values: Distribution, statistic: str) -> float | None:
    match statistic:
        case "SampleCount":
            return values.samples
        case "Average":
            return values.total / values.samples
        case "Sum":
            return values.total
        case "Minimum":
            return values.low
        case "Maximum":
            return values.high
        case _:
            return values.percentile(float(statistic.removeprefix("p")))
