"""Standard streams that may be closed, full, or of an encoding that lacks characters.

What cannot be printed is an error with one line, not a traceback, and never lands in another file.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Final

from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo

_OUTPUT: Final = frozenset({errno.EBADF, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Errors without a file's name that are those of a stream."""

LAST_SECONDS: Final = 0.2
"""Time for an error that is printed last, where output is queued."""


def prepare() -> None:
    """Have all three streams there, and able to show any text.

    A descriptor that was closed when the process started would be that of the next file that is opened: the store, for
    example. In the place of stdout something is opened that refuses to be written, as stdout would.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            while os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY) < number:
                pass
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - as long as it runs
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def said(error: OSError) -> str:
    """What is wrong, for a person."""
    reason = error.strerror or type(error).__name__
    if error.filename is None and error.errno in _OUTPUT:
        return f"the output cannot be written: {reason}"
    if isinstance(error.filename, str | bytes):
        return f"{os.fsdecode(error.filename)}: {reason}"
    try:
        os.getcwd()
    except OSError:
        return f"the current folder cannot be read: {reason}"
    return reason


def complain(show: Callable[[], object]) -> None:
    """Print an error; where stderr cannot be written, the exit code has to say it."""
    with contextlib.suppress(OSError):
        show()


def finish(code: int) -> int:
    """The exit code, once everything was written that can be."""
    for stream in (sys.stdout, sys.stderr):
        finish_queue = getattr(stream, "drain", None)  # the queue of a process that runs for long
        if finish_queue is not None:
            finish_queue(LAST_SECONDS)
        try:
            stream.flush()
        except BrokenPipeError:
            code = code or Exit.FAILED
            _discard(stream.fileno())
        except OSError as error:
            if code == Exit.DONE:
                complain(partial(echo, f"error: {said(error)}", err=True))
            code = code or Exit.FAILED
            _discard(stream.fileno())
    return code


def _discard(descriptor: int) -> None:
    """Python flushes its streams when it exits, and would report the same error once more."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
