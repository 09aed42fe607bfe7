"""CrashGate: a process dies at a call, or its answer is lost; and a run that is crashed at every one of its calls.

    before   the process is dead before the call leaves it
    lost     the call is executed, its answer is not received, and the process lives on
    after    the call is executed and answered, and then the process is dead

A dead process says nothing further. What comes after it knows nothing of it: a fresh engine over the same account.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

from botocore.exceptions import ConnectionClosedError

from reconciler import errors
from reconciler.aws.client import Transport
from reconciler.aws.errors import translate
from reconciler.model.resource import Call
from tests.harness.forked_runs import collect, leave


class How(StrEnum):
    BEFORE = "before"
    LOST = "lost"
    AFTER = "after"


class Crash(BaseException):
    """The process is dead. Not an `Exception`: a dead process catches nothing."""


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """Where a run is crashed: at its `call`-th call, counted from 0."""

    call: int
    how: How

    def __str__(self) -> str:
        return f"{self.call}-{self.how}"


def lost(call: Call) -> errors.AwsError:
    """What the product sees of an answer that never came."""
    return translate(call, ConnectionClosedError(endpoint_url=f"https://{call.service}"))


class CrashGate:
    """A transport that crashes at one point."""

    def __init__(self, inner: Transport, point: Point | None = None) -> None:
        self.inner, self.point = inner, point
        self.calls = 0
        self.dead = False
        self.at: Call | None = None

    def perform(self, call: Call) -> dict[str, Any]:
        if self.dead:
            raise Crash
        number, self.calls = self.calls, self.calls + 1
        if self.point is None or number != self.point.call:
            return self.inner.perform(call)
        self.at = call
        return meet(self, call, self.point.how)


def meet(gate: CrashGate, call: Call, how: How) -> NoReturn:
    if how is not How.BEFORE:
        with suppress(errors.AwsError):  # a refusal does not arrive either
            gate.inner.perform(call)
    if how is How.LOST:
        raise lost(call)
    gate.dead = True
    raise Crash


class Everywhere(CrashGate):
    """A transport whose run goes on to its end, and on the way is forked, and crashed in the fork, at each point.

    `aftermath` is what a fork does once its run is over, by crash or not: it returns what to say of that world.
    """

    def __init__(self, inner: Transport, points: Collection[Point], aftermath: Callable[[Point, Call], Any]) -> None:
        super().__init__(inner)
        self.points, self.aftermath = frozenset(points), aftermath
        self.said: list[tuple[Point, str, Any]] = []
        self._out: int | None = None

    def perform(self, call: Call) -> dict[str, Any]:
        if self._out is not None:
            return super().perform(call)
        number = self.calls
        for how in How:
            point = Point(number, how)
            if point in self.points:
                read, write = os.pipe()
                child = os.fork()
                if child == 0:
                    os.close(read)
                    self.point, self.at, self._out = point, call, write
                    self.calls += 1
                    meet(self, call, how)
                os.close(write)
                self.said.append((point, str(call), collect(child, read)))
        return super().perform(call)

    def over(self, process: Callable[[Transport], Any]) -> list[tuple[Point, str, Any]]:
        """Let `process` run over this gate to its end, in the forks too; what was said of each point."""
        failure: BaseException | None = None
        try:
            process(self)
        except Crash:
            pass
        except BaseException as error:
            if self._out is None:
                raise
            failure = error
        if self._out is not None:
            leave(self._out, lambda: self._end(failure))
        return self.said

    def _end(self, failure: BaseException | None) -> Any:
        if failure is not None and not isinstance(failure, errors.ReconcilerError):
            raise failure
        assert self.point is not None
        assert self.at is not None
        return self.aftermath(self.point, self.at)


def every_point(calls: int) -> Iterator[Point]:
    for number in range(calls):
        for how in How:
            yield Point(number, how)
