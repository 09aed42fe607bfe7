"""Event listener: receives the stack's queue in a thread of its own, so that the controller never waits for SQS.

A message is deleted once the resources that it names are handed over, or once it turns out to name none of the stack's.
One that cannot be read is left alone: SQS shows it again after a minute, and moves it to the queue of dead letters
after the third time. What became of each message is counted:

    woke        something of the stack is to be read
    own         the controller itself made the call, by the id of its request, or by its session and its user agent
    duplicate   an event of this id was received before
    unrelated   it is about nothing that the stack has, or about nothing that is read of it
    unreadable  it is no event of EventBridge
    missed      no message: a sweep of CloudTrail's event history has found the call, and something is to be read

Events are hints: only the names in them are used, so neither their order nor their age matters. What is lost is found
by the sweeps (event_sweep.py) and by the ordinary passes. These are as frequent as without a queue while the queue is
not to be trusted: it does not answer, its rule is missing or disabled, or no trail logs API calls.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final

from reconciler import errors, events
from reconciler.aws.client import AwsClient
from reconciler.aws.session import Identity
from reconciler.controller.event_feed import Wake
from reconciler.controller.event_index import EventIndex, Named, Writers, merged
from reconciler.controller.event_sweep import EventSweep
from reconciler.log import log
from reconciler.model import aws_event, ownership
from reconciler.model.aws_event import AwsEvent
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Calls, Observed, ServiceApi
from reconciler.model.type_registry import ResourceTypes
from reconciler.reconcile import event_delivery
from reconciler.reconcile.event_lookups import Client
from reconciler.spec.compile.events import QUEUE

sqs = ServiceApi("sqs")

POLL_SECONDS: Final = 15
"""Longest time that SQS waits for a message: below the 20 s after which an answer counts as lost."""
AT_ONCE: Final = 10
"""Messages that ReceiveMessage gives and DeleteMessageBatch takes."""
CHECK_SECONDS: Final = 600.0
"""Interval between two checks of the rule and of the trail."""
RECHECK_SECONDS: Final = 120.0
"""The same while one of them failed."""
RETRY_SECONDS: Final = 30.0
"""Time until a queue that could not be received is tried again."""
REMEMBERED: Final = 10_000
"""Ids of events by which a duplicate is recognized. SQS and EventBridge deliver one again within minutes."""
MOST_EVENTS: Final = 1000
"""Events that are kept for whoever attributes changes, while the controller is busy."""
AGENT: Final = "reconciler/"
CLOSING_SECONDS: Final = 1.0

NOT_YET: Final = "the queue does not exist yet"


class EventListener:
    """`with EventListener(…): …`. `wake` is called when something is to be read. `mine` says whether a request id is
    one of the controller's own writes."""

    def __init__(
        self,
        aws: AwsClient,
        kinds: ResourceTypes,
        identity: Identity,
        stack: str,
        *,
        mine: Callable[[str], bool],
        wake: Callable[[], None],
        history: Client | None = None,
    ) -> None:
        self._aws, self._kinds, self._identity, self._stack = aws, kinds, identity, stack
        self._mine, self._wake = mine, wake
        self.counts: Counter[str] = Counter()
        self.wanted = False
        self._distrusted = NOT_YET
        self._queue: Observed[Any] | None = None
        self._index: EventIndex | None = None
        self._world: ObservedState | None = None
        self._checked_at = float("-inf")
        self._received: dict[str, None] = {}
        self._named: Named = {}
        self._events: deque[AwsEvent] = deque(maxlen=MOST_EVENTS)
        self._lock = threading.Lock()
        self._sweep = EventSweep(aws.clock, history or (lambda _: aws), identity)
        self._stop, self._news = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    # -- called by the controller

    @property
    def distrusted(self) -> str:
        return NOT_YET if self._queue is None else self._distrusted

    @property
    def unswept(self) -> str:
        return self._sweep.because

    @property
    def calls(self) -> Counter[str]:
        return self._aws.counts

    def take(self) -> Wake:
        with self._lock:
            wake = Wake(self._named, tuple(self._events))
            self._named, self._events = {}, deque(maxlen=MOST_EVENTS)
        return wake

    def update(self, world: ObservedState, *, wanted: bool) -> None:
        self.wanted, self._world = wanted, world
        found = (one for one in world.found.get(QUEUE.kind, ()) if one.address == QUEUE)
        queue = next((one for one in found if ownership.owner(one.tags) == self._stack), None) if wanted else None
        if queue is not None and (self._queue is None or queue.id != self._queue.id):
            self._aws.mine.add(queue.id)
            self._distrusted, self._checked_at = "the queue has not been received yet", float("-inf")
            self._sweep.begin()
        self._queue = queue
        self._news.set()

    def __enter__(self) -> EventListener:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._news.set()
        self._aws.close()
        self._thread.join(CLOSING_SECONDS)  # SQS may hold it; what it has received is shown to the next one

    # -- the thread

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._queue is None:
                self._news.clear()
                self._news.wait()
                continue
            if not self.turn():
                self._aws.clock.wait(self._stop, RETRY_SECONDS)

    def turn(self) -> bool:
        """Receive messages once, for at most `POLL_SECONDS`, and check the delivery if that is due.

        Returns whether the queue has answered.
        """
        queue = self._queue
        if queue is None:
            return False
        try:
            fault = self._aws.run(self._check(queue)) if self._due() else self._distrusted
            messages = self._aws.run(_receive(queue.id, POLL_SECONDS))
            if messages:
                self._aws.run(_delete(queue.id, [one for one in messages if self._handled(one)]))
        except errors.ReconcilerError as error:
            self._trust(str(error))
            return False
        self._trust(fault)
        for event in self._sweep.missed():
            if self._result(event) == "woke":
                self.counts["missed"] += 1
        return True

    def _due(self) -> bool:
        now = self._aws.clock.monotonic()
        if now - self._checked_at < (RECHECK_SECONDS if self._distrusted else CHECK_SECONDS):
            return False
        self._checked_at = now
        return True

    def _check(self, queue: Observed[Any]) -> Calls[str]:
        undelivered = yield from event_delivery.undelivered(queue.spec.name, queue.facts["arn"])
        return undelivered or (yield from event_delivery.untrailed(self._identity.region))

    def _trust(self, because: str) -> None:
        changed, self._distrusted = because != self._distrusted, because
        if changed and not self._stop.is_set():
            log.info(events.EVENT_QUEUE, because=because or "events are received")
            self._wake()

    def _handled(self, message: Mapping[str, Any]) -> bool:
        """Whether a message is done with. One that cannot be read is left to SQS."""
        try:
            event = aws_event.parse(message.get("Body", ""))
        except ValueError as error:
            self.counts["unreadable"] += 1
            log.warning(events.EVENT_UNREADABLE, message=message.get("MessageId", ""), because=str(error))
            return False
        self.counts[self._result(event)] += 1
        return True

    def _result(self, event: AwsEvent) -> str:
        caller = event.caller
        ids = {event.id} if caller is None else {event.id, caller.event_id}
        if not ids.isdisjoint(self._received.keys()):
            return "duplicate"
        self._received |= dict.fromkeys(ids)
        while len(self._received) > REMEMBERED:
            del self._received[next(iter(self._received))]
        if self._is_own(event):
            return "own"
        named = self._concerned(event)
        if not named:
            return "unrelated"
        with self._lock:
            self._named = merged(self._named, named)
            self._events.append(event)
        log.debug(events.EVENT_RECEIVED, id=event.id, source=event.source, type=event.detail_type, kinds=sorted(named))
        self._wake()
        return "woke"

    def _is_own(self, event: AwsEvent) -> bool:
        caller = event.caller
        if caller is None:
            return False
        return self._mine(event.request_id) or (caller.arn == self._identity.arn and AGENT in caller.agent)

    def _concerned(self, event: AwsEvent) -> Named:
        if event.account != self._identity.account:
            return {}
        if self._index is None:
            self._index = EventIndex(self._kinds, Writers.of(self._kinds))
        world, self._world = self._world, None
        if world is not None:
            self._index = self._index.updated(world)
        return self._index.concerned(event)


def _receive(url: str, seconds: int) -> Calls[list[dict[str, Any]]]:
    answer = yield sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=AT_ONCE, WaitTimeSeconds=seconds)
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


def _delete(url: str, messages: list[dict[str, Any]]) -> Calls[None]:
    """What is not deleted comes again, as a duplicate."""
    if messages:
        entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
        yield sqs.delete_message_batch(QueueUrl=url, Entries=entries)
