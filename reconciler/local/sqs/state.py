"""What the Simple Queue Service knows. Times are seconds since 1970, of the emulator's clock."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

Params = dict[str, Any]
"""Parameters or an answer, spelt as AWS spells them."""


@dataclass(slots=True, eq=False)
class Message:
    id: str
    body: str
    sent_at: float
    visible_at: float
    attributes: Params = field(default_factory=dict)
    system: dict[str, str] = field(default_factory=dict)  # what it has besides, such as AWSTraceHeader
    first_received_at: float | None = None
    received: int = 0
    receipts: int = 0  # receipt handles that have been given out, also before it was moved to another queue
    in_flight: bool = False  # received, and not yet visible again


@dataclass(slots=True, eq=False)
class Queue:
    name: str
    arn: str
    url: str
    created_at: float
    modified_at: float
    attributes: dict[str, str] = field(default_factory=dict)  # with the defaults filled in
    tags: dict[str, str] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)  # by id, oldest first
    gone: deque[str] = field(default_factory=lambda: deque(maxlen=1000))  # messages that were deleted
    waiting: list[threading.Event] = field(default_factory=list)  # of long polls
    purged_at: float | None = None

    def number(self, attribute: str) -> float:
        return float(self.attributes[attribute])


@dataclass(slots=True)
class SqsState:
    queues: dict[str, Queue] = field(default_factory=dict)  # by name
    deleted_at: dict[str, float] = field(default_factory=dict)  # queue name → when
