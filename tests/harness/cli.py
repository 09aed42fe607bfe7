"""Runs a command of the product in this process, as a shell would see it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

from reconciler.aws.session import Boto
from reconciler.cli.main import main
from reconciler.model.resource import Call


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str


def run(*arguments: object) -> Ran:
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    return Ran(code, _text(out), _text(err))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """Every call that leaves the product meanwhile."""
    calls: list[Call] = []
    perform = Boto.perform

    def spy(self: Boto, call: Call) -> dict[str, object]:
        calls.append(call)
        return perform(self, call)

    Boto.perform = spy  # type: ignore[method-assign]  # put back below
    try:
        yield calls
    finally:
        Boto.perform = perform  # type: ignore[method-assign]
