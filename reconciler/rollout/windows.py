"""Deployment windows: times of the week in which rollouts may start and shift traffic. Rollbacks are always allowed.

Deny takes precedence over allow. If there is an `allow` window, rollouts are allowed only inside one; otherwise they
are allowed outside every `deny` window. A window belongs to the day on which it begins, in its own time zone: `fri
22:00–02:00` ends on Saturday. Daylight saving time does not move a window.
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

    def spans(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Start and end of each occurrence around `now`, in UTC."""
        zone = ZoneInfo(self.time_zone)
        today = now.astimezone(zone).date()
        for offset in range(-1, AHEAD.days + 1):
            day = today + timedelta(days=offset)
            if DAYS[day.weekday()] not in self.days:
                continue
            last = day if self.end > self.start else day + timedelta(days=1)
            begins, ends = datetime.combine(day, self.start, zone), datetime.combine(last, self.end, zone)
            yield begins.astimezone(UTC), ends.astimezone(UTC)

    def covers(self, now: datetime) -> bool:
        return any(begins <= now < ends for begins, ends in self.spans(now))


def open_at(windows: tuple[Window, ...], now: datetime) -> bool:
    if not windows:
        return True
    if any(window.covers(now) for window in windows if not window.allow):
        return False
    allowing = [window for window in windows if window.allow]
    return not allowing or any(window.covers(now) for window in allowing)


def opens_at(windows: tuple[Window, ...], now: datetime) -> datetime | None:
    """The first moment after `now` at which rollouts are allowed, or None if there is none within eight days."""
    edges = {edge for window in windows for span in window.spans(now) for edge in span if edge > now}
    return next((edge for edge in sorted(edges) if open_at(windows, edge)), None)
