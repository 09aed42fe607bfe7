"""Stale reads on demand: an answer as it was up to `depth` writes ago.

While a stale fault is active, every distinct read that has been asked is remembered, and asked again, silently, before
each write: so it is known what each of them would have said at every moment since. A read that has never been asked
before has no past; it is answered as it is.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.local.wire import Call, Response

READS_REMEMBERED = 64
WRITES_REMEMBERED = 16


@dataclass(slots=True)
class _Past:
    call: Call
    answers: deque[tuple[int, Response]] = field(default_factory=lambda: deque(maxlen=WRITES_REMEMBERED))


@dataclass(slots=True)
class StaleReads:
    writes: int = 0
    _pasts: OrderedDict[tuple[str, str, str, bytes], _Past] = field(default_factory=OrderedDict)

    def before_write(self, ask: Callable[[Call], Response]) -> None:
        """Call before a write is carried out, while somebody watches."""
        for past in self._pasts.values():
            if not past.answers or past.answers[-1][0] != self.writes:
                past.answers.append((self.writes, ask(past.call)))
        self.writes += 1

    def answered(self, call: Call, response: Response) -> None:
        past = self._pasts.setdefault(_key(call), _Past(call))
        self._pasts.move_to_end(_key(call))
        if past.answers and past.answers[-1][0] == self.writes:
            past.answers.pop()
        past.answers.append((self.writes, response))
        while len(self._pasts) > READS_REMEMBERED:
            self._pasts.popitem(last=False)

    def older(self, call: Call, depth: int) -> Response | None:
        """The oldest answer to the same read that is at most `depth` writes old; None without one older than now."""
        past = self._pasts.get(_key(call))
        for writes, response in past.answers if past else ():
            if self.writes - depth <= writes < self.writes:
                return response
        return None

    def clear(self) -> None:
        self._pasts.clear()


def _key(call: Call) -> tuple[str, str, str, bytes]:
    return call.service, call.region, call.operation, call.request.body or call.request.url.encode()
