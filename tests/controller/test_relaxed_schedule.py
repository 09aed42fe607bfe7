"""Schedule of passes while events of AWS say what changes."""

from __future__ import annotations

import pytest

from reconciler.clock import ManualClock
from reconciler.controller import schedule
from reconciler.controller.schedule import Intervals, PassTimer, Relaxed
from reconciler.model.resource_type import Depth

SG = {"security-group": frozenset({"sg-1"})}


@pytest.fixture
def timer(monkeypatch: pytest.MonkeyPatch) -> PassTimer:
    """After its first pass, with a clock that moves only when told."""
    monkeypatch.setattr(schedule, "JITTER", 0.0)
    found = PassTimer(ManualClock(), Intervals(), relaxed=Relaxed())
    passed(found)
    found.planned()
    return found


def passed(timer: PassTimer) -> tuple[Depth, dict[str, frozenset[str]]]:
    """One pass that changes nothing: its depth, and what it reads beyond it."""
    now = timer.clock.monotonic()
    depth, named = timer.depth(now), timer.named(now)
    timer.looked(depth, now)
    timer.requeue()
    return depth, dict(named)


def until(timer: PassTimer, seconds: float) -> list[Depth]:
    """The depths of all passes in so many seconds."""
    clock, found = timer.clock, []
    assert isinstance(clock, ManualClock)
    end = clock.monotonic() + seconds
    while clock.monotonic() + timer.rest <= end:
        clock.advance(timer.rest)
        found.append(passed(timer)[0])
    clock.advance(end - clock.monotonic())
    return found


def test_ordinary_passes_are_rarer(timer: PassTimer) -> None:
    """A day: a medium one every half hour, a fast one every five minutes, and a narrow one in between; none is full."""
    depths = until(timer, 86_400)
    counts = {depth: depths.count(depth) for depth in Depth}
    assert counts[Depth.FULL] == 0
    assert 47 <= counts[Depth.MEDIUM] <= 48
    assert 270 <= counts[Depth.MEDIUM] + counts[Depth.FAST] <= 290
    assert len(depths) == pytest.approx(86_400 / 15, abs=5)


def test_all_details_are_read_within_a_day(timer: PassTimer) -> None:
    """Each medium pass takes the next slice, whatever else was read in between."""
    numbers = []
    for _ in range(49):
        until(timer, 1800)
        timer.requeue_now()
        now = timer.clock.monotonic()
        part = timer.part(timer.depth(now), now)
        numbers += [] if part is None else [part.number]
        passed(timer)
    assert timer._slice >= 48
    assert numbers == sorted(set(numbers))


def test_what_an_event_names_is_read_at_once_and_once_more(timer: PassTimer) -> None:
    """AWS may have answered late, so a change by a person is read again after a minute."""
    until(timer, 6)
    timer.notified(SG, again=True)
    assert timer.rest == 0
    assert passed(timer) == (Depth.NARROW, SG)
    assert timer.rest == pytest.approx(9)  # the ordinary pass is not put off
    named = []
    clock = timer.clock
    assert isinstance(clock, ManualClock)
    while clock.monotonic() < 80:
        clock.advance(timer.rest)
        at, (_, found) = clock.monotonic(), passed(timer)
        named += [at] if found else []
    assert named == [pytest.approx(70)]


def test_a_storm_of_events_is_read_together(timer: PassTimer) -> None:
    """A hundred events in ten seconds make a pass every two."""
    clock, passes = timer.clock, 0
    assert isinstance(clock, ManualClock)
    until(timer, 3)
    for number in range(100):
        timer.notified({"service": frozenset({str(number)})}, again=False)
        if timer.rest <= 0:
            passes += 1
            passed(timer)
        clock.advance(0.1)
    assert passes == pytest.approx(5, abs=1)


def test_events_do_not_shorten_the_pause_after_a_failure(timer: PassTimer) -> None:
    """A pass that AWS refuses is not repeated with every event."""
    for _ in range(4):
        timer.backoff()
    rest = timer.rest
    timer.notified(SG, again=False)
    assert timer.rest == rest > 30
    timer.clock.advance(rest)  # type: ignore[attr-defined]
    assert passed(timer) == (Depth.MEDIUM, SG)


def test_what_started_or_stopped_makes_a_fast_pass(timer: PassTimer) -> None:
    """The next ordinary pass reads all that moves by itself."""
    assert until(timer, 30) == [Depth.NARROW, Depth.NARROW]
    timer.moved = True
    assert until(timer, 30) == [Depth.FAST, Depth.NARROW]


def test_without_trust_everything_is_as_without_a_queue(timer: PassTimer) -> None:
    """The intervals are those of today, and events still name what to read."""
    timer.relaxed = None
    depths = until(timer, 3600)
    assert depths.count(Depth.FULL) in (1, 2)
    assert 10 <= depths.count(Depth.MEDIUM) <= 13
    assert Depth.NARROW not in depths
    until(timer, 6)
    timer.notified(SG, again=False)
    assert passed(timer) == (Depth.NARROW, SG)


def test_after_trust_is_lost_the_next_full_pass_is_due_at_once(timer: PassTimer) -> None:
    """What the events may have missed is not missed for longer than without them."""
    until(timer, 7200)
    timer.relaxed = None
    assert until(timer, 15) == [Depth.FULL]
