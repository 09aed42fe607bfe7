"""What CloudTrail knows: the calls of the account, and which trails log them.

A call is kept as it came, and read only when somebody asks for it: keeping it takes a microsecond.
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from reconciler.local.ids import Ids
from reconciler.local.wire import Call, Response

Params = dict[str, Any]
WRITES_KEPT: Final = 20_000
READS_KEPT: Final = 2_000
LARGEST: Final = 100 * 1024
"""Bytes of parameters or of an answer. Longer ones are left out, as CloudTrail does."""


@dataclass(slots=True, eq=False)
class Record:
    number: int
    at: datetime
    visible_at: datetime  # for LookupEvents
    region: str
    call: Call
    reads: bool
    response: Response
    identity: Params
    omitted: bool = False
    event_id: str = ""
    detail: Params | None = None  # once it has been asked for


@dataclass(frozen=True, slots=True)
class LoggingTrail:
    """A trail whose logging is on. `reads` and `writes` are the management events that its selectors choose."""

    region: str
    multi_region: bool
    global_events: bool
    reads: bool
    writes: bool


@dataclass(slots=True)
class History:
    """The calls of all regions, and the identity of each access key that has been used."""

    seed: int = 0
    trails: tuple[LoggingTrail, ...] = ()
    identities: dict[str, Params] = field(default_factory=dict)
    lookups: dict[str, list[datetime]] = field(default_factory=dict)  # region → the last calls of LookupEvents
    _writes: deque[Record] = field(default_factory=lambda: deque(maxlen=WRITES_KEPT))
    _reads: deque[Record] = field(default_factory=lambda: deque(maxlen=READS_KEPT))
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def add(
        self, call: Call, response: Response, identity: Params, region: str, at: datetime, *, reads: bool
    ) -> Record:
        omitted = len(call.request.body) > LARGEST
        if omitted:
            call = replace(call, request=replace(call.request, body=b""), form={})
        if (reads and response.status < 300) or len(response.body) > LARGEST:
            response = replace(response, body=b"")
        record = Record(next(self._numbers), at, at, region, call, reads, response, identity, omitted)
        (self._reads if reads else self._writes).append(record)
        return record

    def newest_first(self, region: str) -> Iterator[Record]:
        both = sorted((*self._writes, *self._reads), key=lambda record: record.number, reverse=True)
        return (record for record in both if record.region == region)

    def event_id(self, record: Record) -> str:
        """The same in the event and in the history, and in every run."""
        if not record.event_id:
            record.event_id = Ids(random.Random(f"{self.seed}/{record.number}")).uuid()
        return record.event_id
