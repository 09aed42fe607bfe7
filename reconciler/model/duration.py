"""Durations as text, read and written the same way everywhere: `90s`, `15m`, `1h30m`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_PATTERN: Final = re.compile(r"(?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s)?", re.ASCII)
_MINUTE: Final = timedelta(minutes=1)


def parse(text: str) -> timedelta:
    """Raises `ValueError` for text that is not a duration."""
    match = _PATTERN.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"{text!r} is not a duration such as 90s, 15m or 1h30m")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def format(value: timedelta) -> str:
    """In whole seconds, as `parse` reads it."""
    rest = int(value.total_seconds())
    parts = []
    for unit, size in (("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def approximate(value: timedelta) -> str:
    """To the minute, and below a minute to the second."""
    return format(value if value < _MINUTE else round(value / _MINUTE) * _MINUTE)
