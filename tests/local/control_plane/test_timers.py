"""Time on the local AWS emulator: one step of three hours is three hours of waiting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as some

from reconciler.local.timers import Timers

START = datetime(2026, 1, 1, tzinfo=UTC)


def _run(steps: list[float]) -> list[tuple[float, str]]:
    timers, log = Timers(START), []

    def note(name: str) -> None:
        log.append(((timers.now - START).total_seconds(), name))
        if len(name) < 4:
            timers.after(2.5, lambda: note(name + "'"))

    for index, delay in enumerate((3.0, 1.0, 1.0)):
        timers.after(delay, lambda index=index: note(str(index)))  # type: ignore[misc]
    at = START
    for step in steps:
        at += timedelta(seconds=step)
        timers.run_until(at, lambda: False, lambda: None)
    return log


@given(some.lists(some.floats(min_value=0.1, max_value=7), min_size=1, max_size=20))
def test_the_size_of_the_steps_changes_nothing(steps: list[float]) -> None:
    """However time is stepped, the same things happen at the same moments in the same order."""
    whole = _run([60.0])
    stepped = _run([*steps, 200.0])
    assert stepped == whole


def test_what_is_due_at_the_same_moment_happens_in_the_order_asked_for() -> None:
    """Ties are kept in order, so that the same calls give the same world."""
    timers, log = Timers(START), []
    for name in ("a", "b", "c"):
        timers.after(1, lambda name=name: log.append(name))  # type: ignore[misc]
    timers.run_until(START + timedelta(seconds=1), lambda: False, lambda: None)
    assert log == ["a", "b", "c"]
