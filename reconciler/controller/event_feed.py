"""Event feed: what events of AWS mean for the controller, which never waits for them.

    listener (a thread) ──► EventFeed.hear ──► PassTimer: narrow passes, rarer ordinary ones
                                          └──► RolloutQueue: services whose next step is due now

Events are trusted to say what changes only while the queue answers and a trail logs API calls; otherwise passes are as
frequent as without a queue. Once they are trusted again, a full pass reads what they may have missed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from reconciler import events
from reconciler.controller.event_index import Named
from reconciler.controller.events import EventRecorder
from reconciler.controller.rollout_queue import RolloutQueue
from reconciler.controller.schedule import PassTimer, Relaxed
from reconciler.model.aws_event import AwsEvent
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address, Observed
from reconciler.model.resource_type import Depth
from reconciler.model.type_registry import ResourceTypes
from reconciler.spec.compile.events import QUEUE

SERVICE: Final = "service"
RELAXED: Final = Relaxed()
UNSWEPT: Final = Relaxed(slices=1)
"""Where nothing else finds API calls whose events were lost: each medium pass reads all details."""
GRACE_SECONDS: Final = 60.0
"""Time until a queue that is not received yet after a start is reported."""


@dataclass(frozen=True, slots=True)
class Wake:
    """What the events since the last wake are about. `named` are ids by type, and `events` say who changed what."""

    named: Named = field(default_factory=dict)
    events: tuple[AwsEvent, ...] = ()


class EventSource(Protocol):
    """A queue of events, received by a thread of its own."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Messages by what became of them."""

    @property
    def calls(self) -> Counter[str]:
        """Calls that were sent to receive them."""

    @property
    def distrusted(self) -> str:
        """Why it may miss changes; empty while it may not."""

    @property
    def unswept(self) -> str:
        """Why CloudTrail's event history does not show the API calls whose events were lost; empty if it does."""

    def take(self) -> Wake:
        """What has come since the last call. Never waits."""

    @property
    def wanted(self) -> bool:
        """Whether the specs have a queue."""

    def update(self, world: ObservedState, *, wanted: bool) -> None:
        """`world` is what there is: events of anything else are of no concern."""


class NoEvents:
    """Without a queue, all changes are found by reading."""

    counts, calls = Counter[str](), Counter[str]()
    distrusted, unswept, wanted = "", "", False

    def take(self) -> Wake:
        return Wake()

    def update(self, world: ObservedState, *, wanted: bool) -> None:
        pass


@dataclass(slots=True)
class EventFeed:
    kinds: ResourceTypes
    timer: PassTimer
    recorder: EventRecorder
    source: EventSource = field(default_factory=NoEvents)
    _distrusted_at: float | None = field(init=False, default=None)

    def hear(self, queue: RolloutQueue, world: ObservedState | None) -> Sequence[Mapping[str, Any]]:
        """Take over what has come, and set the intervals by whether it is all. Returns the CloudTrail records of API
        calls, which say who changed what."""
        if not self.source.wanted or world is None:
            self.timer.relaxed = None
            self.recorder.clear("events")
            return ()
        self._trust(self.source.distrusted)
        self._sweep(self.source.unswept)
        wake = self.source.take()
        if not wake.events:
            return ()
        records = [event.detail for event in wake.events if event.operation is not None]
        self.timer.notified(wake.named, again=bool(records))
        ids = wake.named.get(SERVICE, frozenset())
        queue.hurry({one.address for one in world.found.get(SERVICE, ()) if one.id in ids})
        if any(kind != SERVICE and self.kinds[kind].event_types for kind in wake.named):
            queue.hurry(queue.moving)  # an alarm or a deployment that a rollout waits for
        return records

    def _trust(self, because: str) -> None:
        now, trusted = self.timer.clock.monotonic(), self.timer.relaxed is not None
        if because:
            self.timer.relaxed = None
            self._distrusted_at = now if self._distrusted_at is None else self._distrusted_at
            if trusted or now - self._distrusted_at >= GRACE_SECONDS:
                why = f"changes are found by reading, as without events: {because}"
                self.recorder.emit_once("events", events.EVENTS_DISTRUSTED, why)
        elif not trusted:
            self.timer.relaxed, self._distrusted_at = RELAXED, None
            self.recorder.resolve("events", events.EVENTS_TRUSTED, "changes are found by events again")
            self.timer.reset()

    def _sweep(self, because: str) -> None:
        """Once lost events are not found any more, everything is read now, and then in each medium pass."""
        if self.timer.relaxed is None:
            return
        was, self.timer.relaxed = self.timer.relaxed, UNSWEPT if because else RELAXED
        if not because:
            self.recorder.clear("sweep")
            return
        text = f"changes whose events are lost are found by reading everything every half hour: {because}"
        self.recorder.emit_once("sweep", events.EVENT_SWEEP, text)
        if was is RELAXED:
            self.timer.reset()

    def end(self) -> None:
        """This leadership term is over: events are for the next one."""
        self.source.update(ObservedState(), wanted=False)
        self.timer.relaxed = None

    def named(self, depth: Depth, now: float, world: ObservedState | None, requests: Observed[Any] | None) -> Named:
        """What a pass reads beyond its depth. A narrow one also reads whether anything has started or stopped, and the
        service that carries the requests of the stack, so that no write is made while it is suspended."""
        named = dict(self.timer.named(now))
        if depth is not Depth.NARROW or world is None:
            return named
        for name, kind in self.kinds.items():
            ids = {one.id for one in world.found.get(name, ()) if kind.activity(one) is not None}
            if ids:
                named[name] = named.get(name, frozenset()) | ids
        if requests is not None:
            named[SERVICE] = named.get(SERVICE, frozenset()) | {requests.id}
        return named

    def observed(
        self, before: ObservedState | None, world: ObservedState, queue: RolloutQueue, *, wanted: Container[Address]
    ) -> None:
        """After each observation: rollouts under way, and anything that started or stopped, make the next pass a fast
        one; services whose description has changed are due."""
        self.source.update(world, wanted=QUEUE in wanted)
        self.timer.moved = self.timer.moved or bool(queue.moving)
        if not world.narrowed or before is None:
            return
        was = {one.id: one for one in before}
        changed: set[Address] = set()
        for name, ids in world.narrowed.items():
            for one in world.found.get(name, ()):
                if one.id in ids and one.id in was:
                    old, kind = was[one.id], self.kinds[name]
                    self.timer.moved = self.timer.moved or kind.activity(one) != kind.activity(old)
                    if name == SERVICE and (one.tags, one.facts.get("item")) != (old.tags, old.facts.get("item")):
                        changed.add(one.address)
        queue.hurry(changed)
