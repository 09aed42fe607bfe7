"""Shared answers: one read for all viewers who ask the same, and none for a while afterwards."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler import errors
from reconciler.clock import Clock, SystemClock
from reconciler.console.ports import Questions

FRESH_SECONDS: Final = {"logs": 2.0, "events": 5.0, "charts": 30.0}
OTHERWISE: Final = 10.0
MOST: Final = 64


@dataclass(slots=True)
class _Answer:
    lock: threading.Lock = field(default_factory=threading.Lock)
    until: float = -1.0
    rows: Any = ()
    error: errors.ReconcilerError | None = None


class SharedQuestions:
    """Blocks whoever asks until there is an answer. An error is shared as well: it costs a call, too."""

    def __init__(self, inner: Questions, clock: Clock | None = None) -> None:
        self._inner, self._clock = inner, clock or SystemClock()
        self._answers: OrderedDict[tuple[Any, ...], _Answer] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, kind: str, service: str, terms: Mapping[str, str]) -> Any:
        key = (kind, service, *sorted(terms.items()))
        with self._lock:
            answer = self._answers.setdefault(key, _Answer())
            self._answers.move_to_end(key)
            while len(self._answers) > MOST:
                self._answers.popitem(last=False)
        with answer.lock:
            if answer.until <= self._clock.monotonic():
                answer.rows, answer.error = (), None
                try:
                    answer.rows = self._inner.ask(kind, service, terms)
                except errors.ReconcilerError as error:
                    answer.error = error
                answer.until = self._clock.monotonic() + FRESH_SECONDS.get(kind, OTHERWISE)
            if answer.error is not None:
                raise answer.error
            return answer.rows
