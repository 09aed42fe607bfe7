"""StaleView: reads from copies of the account that lag behind.

Before each write a copy is kept of the account as it is, and a read is then answered by the copy from some writes ago.
So every read is stale that AWS could make stale, and not only those that were asked before. A copy of moto is a fork
that does nothing but answer reads; of the toy world it is a copy.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from reconciler import errors
from reconciler.aws.client import Transport
from reconciler.aws.retry import is_read
from reconciler.clock import Clock
from reconciler.model.resource import Call

Age = Callable[[Call, int], int]
"""How many writes ago a read is answered from, given how many are remembered."""


class Copy(Protocol):
    """The account as it was."""

    def perform(self, call: Call) -> dict[str, Any]: ...

    def end(self) -> None: ...


class StaleView:
    """A transport over an account whose reads may be `lag` writes old. A context: at its end the copies go.

    Without `age` each read is as old as a seeded die says. With a `clock`, no copy lags for longer than `seconds`.
    """

    def __init__(
        self,
        inner: Transport,
        *,
        lag: int,
        seed: int = 0,
        age: Age | None = None,
        copy: Callable[[Transport], Copy] | None = None,
        clock: Clock | None = None,
        seconds: float = 45.0,
    ) -> None:
        self.inner, self.lag, self.seed = inner, lag, seed
        self.stale = 0
        self._dice = random.Random(seed)
        self.age: Age = age or (lambda _, known: self._dice.randint(0, known))
        self._copy = copy or Fork
        self._clock, self._seconds = clock, seconds
        self._past: deque[tuple[float, Copy]] = deque()

    def perform(self, call: Call) -> dict[str, Any]:
        if not is_read(call):
            self._remember()
            return self.inner.perform(call)
        while self._past and self._now() - self._past[0][0] > self._seconds:
            self._forget()
        age = min(self.age(call, len(self._past)), len(self._past))
        if age == 0:
            return self.inner.perform(call)
        self.stale += 1
        return self._past[-age][1].perform(call)

    def _remember(self) -> None:
        if self.lag:
            self._past.append((self._now(), self._copy(self.inner)))
        if len(self._past) > self.lag:
            self._forget()

    def _now(self) -> float:
        return 0.0 if self._clock is None else self._clock.monotonic()

    def _forget(self) -> None:
        _, oldest = self._past.popleft()
        oldest.end()

    def settle(self) -> None:
        """From now on, and until the next write, every read is of what is."""
        while self._past:
            self._forget()

    def __enter__(self) -> StaleView:
        return self

    def __exit__(self, *_: object) -> None:
        self.settle()


class Fork:
    """An account in a process of its own, which answers reads through a pipe until it is killed."""

    def __init__(self, inner: Transport) -> None:
        ask_there, self._ask = os.pipe()
        self._hear, hear_there = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            os.close(self._ask)
            os.close(self._hear)
            _answer(inner, ask_there, hear_there)
        os.close(ask_there)
        os.close(hear_there)

    def perform(self, call: Call) -> dict[str, Any]:
        _send(self._ask, call)
        fine, said = _receive(self._hear)
        if fine:
            return said  # type: ignore[no-any-return]  # what `_answer` sent
        kind, message, name, code = said
        raise kind(message, call=name, code=code)

    def end(self) -> None:
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._ask)
        os.close(self._hear)


def _answer(inner: Transport, ask: int, hear: int) -> None:
    """The life of a copy."""
    try:
        while True:
            call = _receive(ask)
            said: Any
            try:
                said = (True, inner.perform(call))
            except errors.AwsError as error:
                said = (False, (type(error), error.message, error.call, error.code))
            _send(hear, said)
    finally:
        os._exit(0)


def _send(pipe: int, value: Any) -> None:
    text = pickle.dumps(value)
    text = struct.pack("!I", len(text)) + text
    while text:
        text = text[os.write(pipe, text) :]


def _receive(pipe: int) -> Any:
    (size,) = struct.unpack("!I", _read(pipe, 4))
    return pickle.loads(_read(pipe, size))


def _read(pipe: int, size: int) -> bytes:
    text = b""
    while len(text) < size:
        more = os.read(pipe, size - len(text))
        if not more:
            raise EOFError("the other side of a stale read is gone")
        text += more
    return text
