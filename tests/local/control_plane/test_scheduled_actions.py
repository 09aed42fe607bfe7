"""When scheduled actions of Application Auto Scaling are due."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.model.schedules import next_time

NOW = datetime(2026, 3, 27, 18, 30, tzinfo=UTC)
"""A Friday; summer time begins in Europe on the Sunday."""


@pytest.mark.parametrize(
    ("schedule", "zone", "due"),
    [
        ("cron(0 20 * * ? *)", "UTC", "2026-03-27T20:00"),
        ("cron(0 18 * * ? *)", "UTC", "2026-03-28T18:00"),
        ("cron(30 18 * * ? *)", "UTC", "2026-03-28T18:30"),
        ("cron(0 7 ? * MON-FRI *)", "UTC", "2026-03-30T07:00"),
        ("cron(0 7 ? * MON-FRI *)", "Europe/Berlin", "2026-03-30T05:00"),
        ("cron(0 7 * * ? *)", "Europe/Berlin", "2026-03-28T06:00"),
        ("cron(0/15 9-17 ? * SAT,SUN *)", "UTC", "2026-03-28T09:00"),
        ("cron(5,10 18 ? * FRI *)", "UTC", "2026-04-03T18:05"),
        ("cron(0 0 1 JAN ? *)", "UTC", "2027-01-01T00:00"),
        ("at(2026-03-28T01:00:00)", "UTC", "2026-03-28T01:00"),
        ("at(2026-03-27T01:00:00)", "UTC", None),
        ("cron(0 0 1 1 ? 2025)", "UTC", None),
        ("cron(0 0 L * ? *)", "UTC", None),
        ("rate(5 minutes)", "UTC", None),
    ],
)
def test_the_next_time_is_what_a_clock_on_the_wall_shows(schedule: str, zone: str, due: str | None) -> None:
    """In the time zone of the action, across the change to summer time."""
    expected = None if due is None else datetime.fromisoformat(due).replace(tzinfo=UTC)
    assert next_time(schedule, zone, NOW) == expected
