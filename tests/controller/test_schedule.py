"""When the next pass is due, and how closely it looks, decided by a clock alone."""

from __future__ import annotations

import pytest

from reconciler.clock import ManualClock
from reconciler.controller.schedule import JITTER, Intervals, PassTimer
from reconciler.model.resource_type import Depth

RHYTHM = Intervals()


def due() -> tuple[PassTimer, ManualClock]:
    clock = ManualClock()
    return PassTimer(clock, RHYTHM), clock


def looked(due: PassTimer, depth: Depth = Depth.FULL) -> None:
    due.looked(depth, due.clock.monotonic())
    due.planned()


def test_the_first_look_is_at_once_and_at_everything() -> None:
    """And so is every look until one of them has ended in a plan."""
    first, clock = due()
    assert first.rest == 0
    first.looked(Depth.FULL, clock.monotonic())
    assert first.depth(clock.monotonic()) is Depth.FULL
    first.planned()
    assert first.depth(clock.monotonic()) is Depth.FAST


@pytest.mark.parametrize(
    ("seconds", "depth"),
    [(RHYTHM.medium - 1, Depth.FAST), (RHYTHM.medium, Depth.MEDIUM), (RHYTHM.full, Depth.FULL)],
)
def test_the_longer_ago_the_closer(seconds: float, depth: Depth) -> None:
    """What people change is looked at each five minutes, everything each half hour."""
    next_, clock = due()
    looked(next_)
    clock.advance(seconds)
    looked(next_, Depth.FAST)
    assert next_.depth(clock.monotonic()) is depth


def test_after_a_write_people_may_have_been_there_too() -> None:
    """What was touched is looked at more closely, once."""
    next_, clock = due()
    looked(next_)
    next_.requeue_soon(wrote=True)
    assert (next_.rest, next_.depth(clock.monotonic())) == (RHYTHM.after_write, Depth.MEDIUM)
    looked(next_, Depth.MEDIUM)
    assert next_.depth(clock.monotonic()) is Depth.FAST


def test_failures_in_a_row_make_the_pause_longer_up_to_a_limit() -> None:
    """From five seconds to five minutes; one that went well begins anew."""
    next_, clock = due()
    pauses = []
    for _ in range(9):
        next_.backoff()
        pauses.append(next_.rest)
        clock.advance(next_.rest)
    for number, pause in enumerate(pauses):
        meant = min(RHYTHM.first_pause * 2**number, RHYTHM.longest_pause)
        assert meant * (1 - JITTER) <= pause <= meant * (1 + JITTER)
    next_.requeue()
    next_.backoff()
    assert next_.rest <= RHYTHM.first_pause * (1 + JITTER)


def test_a_new_revision_does_not_wait() -> None:
    """Whatever has failed before; but while it fails it waits like anything else."""
    next_, clock = due()
    looked(next_)
    next_.backoff()
    next_.reset()
    assert (next_.rest, next_.depth(clock.monotonic())) == (0, Depth.FULL)
    next_.backoff()
    assert next_.rest > 0


def test_a_retry_is_never_later_than_asked() -> None:
    """A type that cannot be read keeps no pass from reading what people request."""
    next_, _ = due()
    for _ in range(9):
        next_.backoff(at_most=RHYTHM.fast)
        assert next_.rest <= RHYTHM.fast * (1 + JITTER)


def test_a_wait_of_days_ends_in_no_overflow() -> None:
    """Thousands of failures, or of looks at what never gets ready, in a row."""
    next_, _ = due()
    for _ in range(2500):
        next_.backoff()
        next_.requeue_soon(wrote=False)
    assert next_.rest == RHYTHM.longest_wait
    next_.backoff()
    assert next_.rest <= RHYTHM.longest_pause * (1 + JITTER)
