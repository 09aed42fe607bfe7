"""Long polls of queues: ReceiveMessage waits for a message outside the emulator's lock.

The waiting is the clock's. On a manual clock it is what lets time pass, from one due moment to the next, so that a
receive of twenty seconds in a test takes no time and sees whatever happens in these seconds.
"""

from __future__ import annotations

import threading
from datetime import datetime
from types import TracebackType
from typing import Final

from reconciler.local import wire
from reconciler.local.refusal import Refusal
from reconciler.local.sqs import messages
from reconciler.local.sqs.state import Queue
from reconciler.local.wire import Call
from reconciler.local.world import World

SHORTEST: Final = 0.001
"""Seconds. A manual clock moves by microseconds, and would not by the rest of a sum of floats."""


def may_wait(call: Call) -> bool:
    return call.service == "sqs" and call.operation == "ReceiveMessage"


class LongPoll:
    """One receive, while it waits. `arrived` is set when its queue changes."""

    def __init__(self, call: Call) -> None:
        self.arrived = threading.Event()
        self._call = call
        self._queue: Queue | None = None
        self._ends_at: float | None = None

    def __enter__(self) -> LongPoll:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._queue is not None:
            self._queue.waiting.remove(self.arrived)

    def remaining(self, world: World, next_at: datetime | None) -> float:
        """Seconds to wait until the queue has to be looked at again; 0 when the receive is to be carried out.

        To be called under the lock. `next_at` is when something is due on a manual clock, which waiting moves.
        """
        at = world.now.timestamp()
        if self._ends_at is None:
            try:
                params = wire.parameters(self._call)
                queue = world.sqs.queues.get(str(params.get("QueueUrl", "")).rpartition("/")[2])
                if queue is None:
                    return 0.0
                self._ends_at = at + messages.wait_seconds(queue, params)
            except Refusal:
                return 0.0  # the operation itself refuses it, in the same words
            self._queue = queue
            queue.waiting.append(self.arrived)
        assert self._queue is not None
        self.arrived.clear()
        visible = messages.visible_in(self._queue, at)
        if visible == 0 or at >= self._ends_at or world.sqs.queues.get(self._queue.name) is not self._queue:
            return 0.0
        due = None if next_at is None else next_at.timestamp() - at
        return max(SHORTEST, min(one for one in (self._ends_at - at, visible, due) if one is not None))
