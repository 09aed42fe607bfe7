"""Windows: when starting and switching are allowed."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from reconciler.rollout.engine import Phase, RolloutHealth
from reconciler.rollout.stored_state import DeadlineKind
from reconciler.rollout.windows import Window, open_at, opens_at
from tests.rollout.facts import BLUE, CAREFUL, GOOD_LOOKS, GREEN, MINUTE, due, kinds, marked, seen, step

OFFICE = Window(time(9), time(17), days=("mon", "tue", "wed", "thu", "fri"))
NIGHT = Window(time(22), time(2), days=("fri",))
LUNCH = Window(time(12), time(13), allow=False)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """January 2026, of which the 5th is a Monday."""
    return datetime(2026, 1, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("windows", "now", "open_"),
    [
        ((), at(5, 3), True),
        ((OFFICE,), at(5, 9), True),
        ((OFFICE,), at(5, 17), False),
        ((OFFICE,), at(10, 12), False),
        ((OFFICE, LUNCH), at(5, 12, 30), False),
        ((LUNCH,), at(5, 3), True),
        ((NIGHT,), at(9, 23), True),
        ((NIGHT,), at(10, 1), True),
        ((NIGHT,), at(10, 23), False),
        ((OFFICE, NIGHT), at(10, 1), True),
    ],
)
def test_deny_beats_allow_and_a_night_belongs_to_the_day_it_begins_on(
    windows: tuple[Window, ...], now: datetime, open_: bool
) -> None:
    """No window: always. Any that allows: only there."""
    assert open_at(windows, now) is open_


def test_the_next_opening_is_told() -> None:
    """Over the week's end, and past a window that denies."""
    assert opens_at((OFFICE,), at(9, 18)) == at(12, 9)
    assert opens_at((OFFICE, LUNCH), at(5, 12, 15)) == at(5, 13)
    assert opens_at((replace(OFFICE, allow=False), OFFICE), at(5, 3)) is None


def test_a_window_keeps_its_hours_when_summer_begins() -> None:
    """In its own zone: 9 o'clock in Berlin is 8 UTC in winter and 7 in summer."""
    berlin = Window(time(9), time(10), time_zone="Europe/Berlin")
    assert open_at((berlin,), datetime(2026, 1, 5, 8, 30, tzinfo=UTC))
    assert open_at((berlin,), datetime(2026, 7, 6, 7, 30, tzinfo=UTC))
    assert not open_at((berlin,), datetime(2026, 7, 6, 8, 30, tzinfo=UTC))


CLOSED = replace(CAREFUL, windows=(Window(time(20), time(21)),))


def test_starting_waits_for_a_window() -> None:
    """And says when it opens."""
    found = step(seen(BLUE), CLOSED)
    assert not found.decisions
    assert (found.phase, found.health) == (Phase.IDLE, RolloutHealth.SUSPENDED)
    assert found.wake_at == at(5, 20)
    assert "Mon 05 Jan 20:00 UTC" in found.because


def test_switching_waits_for_a_window_and_does_not_fail_of_it() -> None:
    """Its deadline may pass while it is closed; green is as well as ever when it opens."""
    facts = seen(BLUE, GREEN, marks=marked(due(DeadlineKind.TO, -MINUTE, weight=100)), looks=GOOD_LOOKS)
    assert not step(facts, CLOSED).decisions
    assert kinds(step(facts, CLOSED, now=at(5, 20, 30))) == ["SetWeights"]
    gate = seen(BLUE, GREEN, test=(0, 100), marks=marked(due(DeadlineKind.GATE, -MINUTE)), looks=1)
    assert not step(gate, CLOSED).decisions


def test_going_back_waits_for_no_window() -> None:
    """An alarm at night is an alarm."""
    facts = seen(BLUE, GREEN, production=(0, 100), marks=marked(due(DeadlineKind.VERIFY)), looks=1, alarms=("errors",))
    assert kinds(step(facts, CLOSED)) == ["SetWeights", "WriteState"]


def test_a_window_that_never_opens_is_said() -> None:
    """A policy that contradicts itself is for a person to mend."""
    never = replace(CAREFUL, windows=(replace(OFFICE, allow=False), OFFICE))
    found = step(seen(BLUE), never, now=at(5, 3))
    assert found.health is RolloutHealth.DEGRADED
    assert found.wake_at == at(5, 3) + timedelta(seconds=15)


SPRING, AUTUMN = datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)


def minutes(window: Window, day: datetime) -> tuple[str, ...]:
    """First and last minute of each time that `window` is open in the first hours of `day`, in UTC."""
    moments = [day + timedelta(minutes=minute) for minute in range(6 * 60)]
    open_ = [moment for moment in moments if window.covers(moment)]
    edges = [one for one in open_ if {one - timedelta(minutes=1), one + timedelta(minutes=1)} - set(open_)]
    return tuple(f"{one:%H:%M}" for one in edges)


@pytest.mark.parametrize(
    ("start", "end", "day", "open_"),
    [
        (time(1, 45), time(2, 15), SPRING, ("01:00", "01:14")),
        (time(0, 30), time(1, 30), SPRING, ("00:30", "00:59")),
        (time(1, 15), time(1, 45), SPRING, ()),
        (time(1, 30), time(1, 45), AUTUMN, ("00:30", "00:44", "01:30", "01:44")),
        (time(0, 30), time(1, 30), AUTUMN, ("00:00", "00:29", "01:00", "01:29")),
        (time(23), time(1, 30), AUTUMN, ("00:00", "00:29", "01:00", "01:29")),
    ],
)
def test_a_window_is_open_while_the_clock_on_the_wall_shows_its_hours(
    start: time, end: time, day: datetime, open_: tuple[str, ...]
) -> None:
    """In London, 01:00–02:00 is skipped in spring and repeated in autumn."""
    assert minutes(Window(start, end, time_zone="Europe/London"), day) == open_


@pytest.mark.parametrize("seed", range(12))
def test_the_next_opening_is_the_first_open_minute(seed: int) -> None:
    """Around the changes of the clock too, one of which is half an hour and one at midnight."""
    chance = random.Random(seed)
    zone = chance.choice(
        ["Europe/London", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Cairo"]
    )
    windows = tuple(
        Window(
            time(chance.randrange(24), chance.choice([0, 15, 45])),
            time(chance.randrange(24), chance.choice([0, 15, 45])),
            allow=chance.random() < 0.7,
            time_zone=zone,
        )
        for _ in range(2)
    )
    days = [(3, 7), (3, 28), (4, 4), (4, 23), (9, 5), (10, 24)]
    now = datetime(2026, *chance.choice(days), tzinfo=UTC) + timedelta(minutes=chance.randrange(2880))
    later = (now + timedelta(minutes=minute) for minute in range(1, 3 * 1440))
    assert opens_at(windows, now) == next(
        (one for one in later if open_at(windows, one) and not open_at(windows, one - timedelta(minutes=1))),
        None,
    ) or open_at(windows, now)
