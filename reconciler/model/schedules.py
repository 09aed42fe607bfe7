"""Schedule expressions of EventBridge Scheduler and Application Auto Scaling: when the next moment is.

Source: Application Auto Scaling guide, "Cron expressions"; EventBridge Scheduler guide, "Schedule types". The moments
of `rate(…)` depend on when the schedule was created, and `L`, `W` and `#` are not evaluated: both are not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

AHEAD: Final = timedelta(days=400)
DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def next_time(schedule: str, zone: str, now: datetime) -> datetime | None:
    """The next moment after `now`, in UTC; None if there is none, or if it is not known here."""
    kind, _, inside = schedule.partition("(")
    inside = inside.removesuffix(")")
    if kind == "at":
        moment = datetime.fromisoformat(inside).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        return moment if moment > now else None
    fields = inside.split()
    if kind != "cron" or len(fields) != 6 or re.search(r"[LW#]", " ".join(fields[2:5]).replace("JUL", "7")):
        return None
    minutes, hours, days, months, weekdays, years = fields
    local = now.astimezone(ZoneInfo(zone))
    for offset in range(AHEAD.days):
        day = (local + timedelta(days=offset)).date()
        if not (
            _holds(days, day.day, 1, 31)
            and _holds(_numbered(months, MONTHS, 1), day.month, 1, 12)
            and _holds(_numbered(weekdays, DAYS, 1), day.isoweekday() % 7 + 1, 1, 7)
            and _holds(years, day.year, 1970, 2199)
        ):
            continue
        for hour in _values(hours, 0, 23):
            for minute in _values(minutes, 0, 59):
                moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone)).astimezone(UTC)
                if moment > now:
                    return moment
    return None


def _numbered(field: str, names: tuple[str, ...], first: int) -> str:
    for number, name in enumerate(names, first):
        field = field.replace(name, str(number))
    return field


def _holds(field: str, value: int, low: int, high: int) -> bool:
    return value in _values(field, low, high)


def _values(field: str, low: int, high: int) -> Iterator[int]:
    """The numbers that a field names, in order: `*`, `?`, lists, ranges and steps."""
    found = set[int]()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        start = low if first in "*?" else int(first)
        end = high if first in "*?" or (step and not dash) else int(last) if dash else start
        found |= set(range(start, end + 1, int(step or 1)))
    return iter(sorted(number for number in found if low <= number <= high))
