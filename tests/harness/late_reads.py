"""Late reads: what AWS answers a read with was true some seconds ago, and the next read may be older than the last.

    late = LateReads(stack.watched, clock, seconds=20.0, dice=random.Random(7), operations=frozenset({"DescribeRules"}))
    stack.restart(late)
    ...                                          # `late.remember()` at each step of the simulated time

Unlike `StaleView` (tests/harness/stale.py) it counts seconds and not writes, so that also what changes by itself is
seen late: tasks that start, targets that fall ill. A read that nobody has asked before has no past.
"""

from __future__ import annotations

import pickle
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from reconciler import errors
from reconciler.aws.client import Transport
from reconciler.aws.retry import is_read
from reconciler.clock import Clock
from reconciler.model.resource import Call

READS_REMEMBERED = 64
TIMES = frozenset({"createTimeRange"})
"""Parameters by which the same question is another one each time."""
FRESH: Callable[[], float] = lambda: 0.0  # noqa: E731 - a default that reads as what it is


@dataclass(slots=True)
class LateReads:
    """`age` says how old the next answer is, in seconds, at most `seconds`."""

    inner: Transport
    clock: Clock
    operations: frozenset[str]
    seconds: float
    dice: random.Random
    age: Callable[[], float] | None = None
    late: int = 0
    _pasts: OrderedDict[str, tuple[Call, deque[tuple[float, bytes]]]] = field(default_factory=OrderedDict)

    def perform(self, call: Call) -> dict[str, Any]:
        if not is_read(call):
            self.remember()
            return self.inner.perform(call)
        if call.operation not in self.operations:
            return self.inner.perform(call)
        key = f"{call} {sorted(item for item in call.params.items() if item[0] not in TIMES)}"
        _, past = self._pasts.setdefault(key, (call, deque()))
        self._pasts.move_to_end(key)
        self._note(call, past)
        while len(self._pasts) > READS_REMEMBERED:
            self._pasts.popitem(last=False)
        shown_at = self.clock.monotonic() - (self.dice.uniform(0, self.seconds) if self.age is None else self.age())
        text = next((said for at, said in reversed(past) if at <= shown_at), past[0][1])
        self.late += text != past[-1][1]
        fine, said = pickle.loads(text)
        if fine:
            answer: dict[str, Any] = said
            return answer
        kind, message, name, code = said
        raise kind(message, call=name, code=code)

    def remember(self) -> None:
        """Note what each read would answer now; call before anything changes."""
        for call, past in self._pasts.values():
            self._note(call, past)

    def _note(self, call: Call, past: deque[tuple[float, bytes]]) -> None:
        try:
            said: tuple[bool, Any] = (True, self.inner.perform(call))
        except errors.AwsError as error:
            said = (False, (type(error), error.message, error.call, error.code))
        now, text = self.clock.monotonic(), pickle.dumps(said)
        if past and past[-1][0] == now:
            past.pop()
        if not past or past[-1][1] != text:
            past.append((now, text))
        while len(past) > 1 and past[1][0] <= now - self.seconds:
            past.popleft()
