"""Deployment windows: times of the week in which rollouts may start and shift traffic. Rollbacks are always allowed.

Deny takes precedence over allow. If there is an `allow` window, rollouts are allowed only inside one; otherwise they
are allowed outside every `deny` window. A window belongs to the day on which it begins, in its own time zone: `fri
22:00–02:00` ends on Saturday. What counts is what a clock on the wall in that time zone shows: a window in the hour
that is repeated when summer time ends is open twice, and a part of one in the hour that is skipped does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
AHEAD: Final = timedelta(days=8)
"""Every window recurs within a week."""


@dataclass(frozen=True, slots=True)
class Window:
    """If `end` is not after `start`, it is on the next day."""

    start: time
    end: time
    allow: bool = True
    days: tuple[str, ...] = DAYS
    time_zone: str = "UTC"

    def covers(self, now: datetime) -> bool:
        local = now.astimezone(ZoneInfo(self.time_zone))
        time_of_day, today = local.time(), DAYS[local.weekday()] in self.days
        if self.end > self.start:
            return today and self.start <= time_of_day < self.end
        return (today and time_of_day >= self.start) or (
            DAYS[local.weekday() - 1] in self.days and time_of_day < self.end
        )

    def edges(self, now: datetime) -> Iterator[datetime]:
        """The moments around `now` at which it may open or close, in UTC."""
        zone = ZoneInfo(self.time_zone)
        today = now.astimezone(zone).date()
        for offset in range(-1, AHEAD.days + 1):
            for edge in (time.min, self.start, self.end):
                yield from _moments(datetime.combine(today + timedelta(days=offset), edge, zone))


def _moments(local: datetime) -> Iterator[datetime]:
    """When a clock on the wall shows `local`: twice in the repeated hour, and at once after the skipped one."""
    first, second = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if second >= first:
        yield from {first, second}
        return
    while first - second > timedelta(seconds=1):  # skipped: the change lies between the two
        middle = second + (first - second) / 2
        if middle.astimezone(local.tzinfo).replace(tzinfo=None) < local.replace(tzinfo=None):
            second = middle
        else:
            first = middle
    yield first.replace(microsecond=0)


def open_at(windows: tuple[Window, ...], now: datetime) -> bool:
    if not windows:
        return True
    if any(window.covers(now) for window in windows if not window.allow):
        return False
    allowing = [window for window in windows if window.allow]
    return not allowing or any(window.covers(now) for window in allowing)


def opens_at(windows: tuple[Window, ...], now: datetime) -> datetime | None:
    """The first moment after `now` at which rollouts are allowed, or None if there is none within eight days."""
    edges = {edge for window in windows for edge in window.edges(now) if edge > now}
    return next((edge for edge in sorted(edges) if open_at(windows, edge)), None)
