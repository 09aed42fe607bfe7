"""Log: structlog, loaded when the first event is logged.

Most commands log nothing, and loading structlog takes as long as half a dozen AWS calls. What
is below the threshold costs a comparison.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

_threshold = logging.NOTSET
_prepare: Callable[[], None] | None = None
_lock = threading.Lock()


def configure(threshold: int, prepare: Callable[[], None] | None = None) -> None:
    """Say what is at least as grave as `threshold`, one of logging's levels; `prepare` configures structlog before."""
    global _threshold, _prepare
    _threshold, _prepare = threshold, prepare


class Log:
    """structlog's logger, as far as it is used here: an event's name, and what belongs to it."""

    __slots__ = ()

    def debug(self, event: str, **fields: Any) -> None:
        _say(logging.DEBUG, "debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        _say(logging.INFO, "info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        _say(logging.WARNING, "warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        _say(logging.ERROR, "error", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """An error, with the exception that is being handled."""
        _say(logging.ERROR, "exception", event, fields)


log = Log()


def _say(level: int, how: str, event: str, fields: dict[str, Any]) -> None:
    if level < _threshold:
        return
    import structlog

    global _prepare
    with _lock:
        if _prepare is not None:
            _prepare()
            _prepare = None
    getattr(structlog.get_logger(), how)(event, **fields)
