"""What CloudWatch knows: metrics as one distribution of values for each minute, and alarms.

Minutes are counted from 1970, by the emulator's clock. They are kept for some hours, not for fifteen days.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from reconciler.local.ports import Traffic

Params = dict[str, Any]
"""Parameters or an answer, spelt as AWS spells them."""

MINUTE = 60
KEPT = 3 * 60
"""Minutes for which metrics are kept."""
HISTORY = 100
"""State changes of an alarm that are kept."""


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """`dimensions` are sorted: two orders of the same dimensions are one metric."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()


def metric(namespace: str, name: str, dimensions: dict[str, str]) -> Metric:
    return Metric(namespace, name, tuple(sorted(dimensions.items())))


def minute_of(moment: datetime) -> int:
    return int(moment.timestamp() // MINUTE)


def moment_of(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * MINUTE, UTC)


@dataclass(slots=True)
class Distribution:
    """Values with how often each was seen. `values` is incomplete where statistics were put instead of values.

    One that has been put is shared, and not changed any more.
    """

    samples: float = 0.0
    total: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")
    values: dict[float, float] = field(default_factory=dict)

    @classmethod
    def of(cls, values: dict[float, float]) -> Distribution:
        made = cls()
        for value, times in values.items():
            made.add(value, times)
        return made

    def add(self, value: float, times: float = 1.0) -> None:
        self.values[value] = self.values.get(value, 0.0) + times
        self.add_statistics(times, value * times, value, value)

    def add_statistics(self, samples: float, total: float, low: float, high: float) -> None:
        self.samples += samples
        self.total += total
        self.low, self.high = min(self.low, low), max(self.high, high)

    def merge(self, other: Distribution) -> None:
        for value, times in other.values.items():
            self.values[value] = self.values.get(value, 0.0) + times
        self.add_statistics(other.samples, other.total, other.low, other.high)

    def __or__(self, other: Distribution) -> Distribution:
        """Both together."""
        both = Distribution()
        both.merge(self)
        both.merge(other)
        return both

    def percentile(self, percent: float) -> float | None:
        """The value that so many percent do not exceed; None where only statistics are known."""
        if sum(self.values.values()) < self.samples:
            return self.low if self.low == self.high else None
        wanted, seen = self.samples * percent / 100, 0.0
        for value in sorted(self.values):
            seen += self.values[value]
            if seen >= wanted:
                return value
        return None


@lru_cache(maxsize=1024)
def single(value: float) -> Distribution:
    """One value, seen once. Most metrics of most minutes are such, and equal: they share one object."""
    return Distribution.of({value: 1.0})


@dataclass(slots=True)
class Series:
    unit: str = "None"
    minutes: dict[int, Distribution] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Alarm:
    """A metric alarm, or a composite one. `settings` are what PutMetricAlarm or PutCompositeAlarm was given."""

    name: str
    arn: str
    settings: Params
    configured_at: datetime
    updated_at: datetime
    transitioned_at: datetime
    state: str = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    reason_data: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    history: deque[Params] = field(default_factory=lambda: deque(maxlen=HISTORY))

    @property
    def composite(self) -> bool:
        return "AlarmRule" in self.settings


@dataclass(slots=True)
class CloudWatchState:
    """`awake` while evaluating the alarms again may change one of them: without data their states do not move."""

    series: dict[Metric, Series] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    awake: bool = False
    armed: bool = False  # a timer is set for the end of the minute
    awaited: set[str] = field(default_factory=set)  # reports that the present measurement still lacks
    early: list[Traffic] = field(default_factory=list)  # what was counted for another region's measurement
    since: int | None = None  # the first minute that has not been measured yet
    until: int = 0  # the end of the minutes that the present measurement is for

    def put(self, key: Metric, minute: int, values: Distribution, unit: str = "None") -> None:
        series = self.series.get(key)
        if series is None:
            series = self.series[key] = Series(unit)
        series.unit = unit
        known = series.minutes.get(minute)
        series.minutes[minute] = values if known is None else known | values
        self.awake = True

    def forget_before(self, minute: int) -> None:
        for key, series in list(self.series.items()):
            for old in [one for one in series.minutes if one < minute]:
                del series.minutes[old]
            if not series.minutes:
                del self.series[key]

    def between(self, key: Metric, start: int, end: int, unit: str | None = None) -> Distribution | None:
        """All that was seen in the minutes from `start` to before `end`; None for nothing."""
        series = self.series.get(key)
        if series is None or (unit is not None and unit != series.unit):
            return None
        found = [series.minutes[minute] for minute in _within(series, start, end)]
        if len(found) < 2:
            return found[0] if found else None
        merged = Distribution()
        for one in found:
            merged.merge(one)
        return merged


def _within(series: Series, start: int, end: int) -> Iterator[int]:
    """Whichever is shorter is gone through."""
    if end - start <= len(series.minutes):
        return (minute for minute in range(start, end) if minute in series.minutes)
    return (minute for minute in sorted(series.minutes) if start <= minute < end)
