"""Watch of a source: checks it at an interval, and wakes the controller when there may be a new revision."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final

from reconciler import errors, events
from reconciler.clock import Clock
from reconciler.log import log
from reconciler.source.base import Source

JITTER: Final = 0.1
"""Random part of an interval, so that many reconcilers do not poll a host at the same time."""

CLOSING_SECONDS: Final = 1.0


class Watch:
    """`with Watch(source, clock, last=…, wake=…): …`

    `last` returns the revision that was handled last, and `wake` is called while there is another.
    """

    def __init__(
        self, source: Source, clock: Clock, *, last: Callable[[], str | None], wake: Callable[[], None]
    ) -> None:
        self._source = source
        self._clock = clock
        self._last = last
        self._wake = wake
        self._stop = threading.Event()
        self._unreachable = ""
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(CLOSING_SECONDS)  # a host may hold it

    def _run(self) -> None:
        while not self._clock.wait(self._stop, self._source.interval * random.uniform(1 - JITTER, 1 + JITTER)):
            try:
                changed = self._source.changed(self._last())
            except errors.SourceUnreachable as error:
                self._say(str(error))
                continue
            self._say("")
            if changed:
                self._wake()

    def _say(self, unreachable: str) -> None:
        """One log line at the start and one at the end of an outage."""
        if unreachable and not self._unreachable:
            log.warning(events.SOURCE_UNREACHABLE, source=self._source.name, reason=unreachable)
        elif self._unreachable and not unreachable:
            log.info(events.SOURCE_REACHABLE, source=self._source.name)
        self._unreachable = unreachable
