"""Event feed: the intervals by what is trusted."""

from __future__ import annotations

from typing import Any

from reconciler import events
from reconciler.clock import ManualClock
from reconciler.controller.event_feed import EventFeed, NoEvents
from reconciler.controller.events import EventRecorder
from reconciler.controller.schedule import PassTimer
from reconciler.model.event import Event
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource_type import Depth
from reconciler.model.type_registry import discover

NO_ROLLOUTS: Any = None


class Source(NoEvents):
    """A queue that is received, and in which there is nothing."""

    wanted, unswept = True, ""


def test_where_the_event_history_is_not_read_all_details_are_read_every_half_hour() -> None:
    """At once, and then in each medium pass. It is reported once, until the history is read again."""
    clock, told, source = ManualClock(), list[Event](), Source()
    timer = PassTimer(clock)
    feed = EventFeed(discover(), timer, EventRecorder(clock, (told.append,)), source)

    def passed() -> Depth:
        feed.hear(NO_ROLLOUTS, ObservedState())
        now = clock.monotonic()
        depth = timer.depth(now)
        timer.looked(depth, now)
        timer.planned()
        timer.requeue()
        return depth

    def slices() -> int | None:
        feed.hear(NO_ROLLOUTS, ObservedState())
        part = timer.part(timer.depth(clock.monotonic()), clock.monotonic())
        return None if part is None else part.of

    assert passed() is Depth.FULL  # whatever was before
    clock.advance(1800)
    assert (slices(), passed()) == (48, Depth.MEDIUM)
    source.unswept = "denied"
    clock.advance(60)
    assert passed() is Depth.FULL
    assert passed() is Depth.NARROW
    clock.advance(1800)
    assert (slices(), passed()) == (1, Depth.MEDIUM)
    assert [one.name for one in told] == [events.EVENT_SWEEP]
    source.unswept = ""
    clock.advance(1800)
    assert (slices(), passed()) == (48, Depth.MEDIUM)
