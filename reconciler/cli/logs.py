"""Logging: to stderr, as lines for people on a terminal and as JSON everywhere else."""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import Any

from reconciler import log

LEVELS = {0: logging.WARNING, 1: logging.INFO}


def configure(verbose: int = 0, **bound: Any) -> None:
    """`verbose`: 0 only warnings, 1 a line for each write, 2 every call. `bound` goes into every line of any thread."""
    level = LEVELS.get(verbose, logging.DEBUG)
    log.configure(level, partial(_prepare, level, bound))


def _prepare(level: int, bound: dict[str, Any]) -> None:
    import structlog

    def stand_by(_: Any, __: str, line: Any) -> Any:
        return {**bound, **line}

    terminal = sys.stderr.isatty()
    # locals would show secrets
    tracebacks = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    )
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
        if terminal
        else structlog.processors.JSONRenderer()
    )
    chain: list[Any] = [
        stand_by,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if not terminal:
        chain.append(tracebacks)
    structlog.configure(
        processors=[*chain, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
