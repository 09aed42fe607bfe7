"""Logging to stderr: text on a terminal, else JSON."""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import Any

from reconciler import log
from reconciler.printable import escaped

LEVELS = {0: logging.WARNING, 1: logging.INFO}


def configure(verbose: int = 0, **bound: Any) -> None:
    """`verbose`: 0 warnings, 1 also every write, 2 every call. `bound` is added to every line of all threads."""
    level = LEVELS.get(verbose, logging.DEBUG)
    log.configure(level, partial(_prepare, level, bound))


def _printable(_: Any, __: str, line: Any) -> str:
    return escaped(str(line))


def _prepare(level: int, bound: dict[str, Any]) -> None:
    import structlog

    def bind(_: Any, __: str, line: Any) -> Any:
        return {**bound, **line}

    terminal = sys.stderr.isatty()
    # local variables may hold secrets
    tracebacks = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    )
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
        if terminal
        else structlog.processors.JSONRenderer()
    )
    chain: list[Any] = [
        bind,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if not terminal:
        chain.append(tracebacks)
    structlog.configure(
        processors=[*chain, renderer, _printable],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
