"""Event sweep: API calls whose events were lost, found in CloudTrail's event history.

All calls that write are asked for at once, every quarter of an hour, in the stack's region and in the one that has the
events of services in no region. CloudTrail shows a call within a quarter of an hour, so that what somebody changes is
read within half an hour, whether its event arrives or not. Each sweep asks for the last half hour; what was received or
swept before is a duplicate.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from reconciler import errors
from reconciler.aws.cloudtrail import HOME_REGIONS, INDEXED
from reconciler.aws.session import Identity
from reconciler.clock import Clock
from reconciler.model import aws_event
from reconciler.model.aws_event import AwsEvent
from reconciler.reconcile.event_lookups import Client, Lookup, records

SWEEP_EVERY: Final = timedelta(minutes=15)
LATE: Final = timedelta(minutes=15)
"""Time after a call within which CloudTrail shows it, as a rule."""
MOST_PAGES: Final = 60
"""Pages of one sweep in one region: 3000 calls that write in half an hour. Reading them takes half a minute, in which
no event is received."""


class EventSweep:
    """`because`: why the last sweep has not seen everything; empty if it has, and before the first one."""

    def __init__(self, clock: Clock, client: Client, identity: Identity) -> None:
        self._clock, self._client = clock, client
        home = HOME_REGIONS.get(identity.partition, identity.region)
        self._places = (False,) if home == identity.region else (False, True)
        self.because = ""
        self._since: datetime | None = None
        self._next: datetime | None = None

    def begin(self) -> None:
        """What was called before is found by the full pass that comes now."""
        self._since, self._next = self._clock.now(), self._clock.now()

    def missed(self) -> Iterator[AwsEvent]:
        """If a sweep is due, the calls that write since the one before it, also those whose events were received."""
        now = self._clock.now()
        if self._next is None or self._since is None or now < self._next:
            return
        self._next = now + SWEEP_EVERY
        start, because = max(self._since, now - SWEEP_EVERY - LATE), ""
        for everywhere in self._places:
            what = Lookup("ReadOnly", "false", everywhere)
            try:
                found, whole = self._client(everywhere).run(records(what, start, now, pages=MOST_PAGES))
            except errors.Denied:
                because = "cloudtrail:LookupEvents is not allowed; `reconciler iam-policy` prints the permissions"
                continue
            except errors.ReconcilerError as error:
                because = f"CloudTrail did not answer: {error}"
                continue
            if not whole:
                because = f"there were more than {len(found)} API calls that write in half an hour"
            for record in found:
                event = aws_event.of_record(record, record.get(INDEXED) or ())
                if event is not None:
                    yield event
        self.because = because
