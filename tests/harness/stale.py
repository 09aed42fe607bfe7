"""StaleView: reads from copies of the account that lag behind.

Before each write the account is remembered as it is, by a fork that does nothing but answer reads from then on. A read
is then answered from the account as it was some writes ago, which makes every read stale that AWS could make stale, and
not only those that were asked before.
"""

from __future__ import annotations

import os
import pickle
import random
import signal
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reconciler import errors
from reconciler.aws.client import Transport
from reconciler.aws.retry import is_read
from reconciler.model.resource import Call

Age = Callable[[Call, int], int]
"""How many writes ago a read is answered from, given how many are remembered."""


@dataclass(frozen=True, slots=True)
class Copy:
    """The account as it was, in a process of its own."""

    process: int
    ask: int
    hear: int


class StaleView:
    """A transport over an account whose reads may be `lag` writes old. To be used as a context: it ends its forks."""

    def __init__(self, inner: Transport, *, lag: int, seed: int = 0, age: Age | None = None) -> None:
        self.inner, self.lag, self.seed = inner, lag, seed
        self.stale = 0
        self._dice = random.Random(seed)
        self._age = age or (lambda _, known: self._dice.randint(0, known))
        self._past: deque[Copy] = deque()

    def perform(self, call: Call) -> dict[str, Any]:
        if not is_read(call):
            self.remember()
            return self.inner.perform(call)
        age = min(self._age(call, len(self._past)), len(self._past))
        if age == 0:
            return self.inner.perform(call)
        self.stale += 1
        return _ask(self._past[-age], call)

    def remember(self) -> None:
        """The account as it is now is what a read may see once this write, and up to `lag` in all, have happened."""
        if self.lag == 0:
            return
        ask_there, ask_here = os.pipe()
        hear_here, hear_there = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(ask_here)
            os.close(hear_here)
            _answer(self.inner, ask_there, hear_there)
        os.close(ask_there)
        os.close(hear_there)
        self._past.append(Copy(process, ask_here, hear_here))
        if len(self._past) > self.lag:
            _end(self._past.popleft())

    def settle(self) -> None:
        """From now on every read is of what is."""
        while self._past:
            _end(self._past.popleft())

    def __enter__(self) -> StaleView:
        return self

    def __exit__(self, *_: object) -> None:
        self.settle()


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


def _ask(copy: Copy, call: Call) -> dict[str, Any]:
    _send(copy.ask, call)
    fine, said = _receive(copy.hear)
    if fine:
        return said  # type: ignore[no-any-return]  # what `_answer` sent
    kind, message, name, code = said
    raise kind(message, call=name, code=code)


def _end(copy: Copy) -> None:
    os.kill(copy.process, signal.SIGKILL)
    os.waitpid(copy.process, 0)
    os.close(copy.ask)
    os.close(copy.hear)


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
