"""An AWS error, on its way to the caller.

Every operation of the local AWS emulator says no by raising one; `wire` gives it the shape of the caller's protocol.
"""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """`code` is what boto3 shows as `Error.Code`; `extra` holds the error's further modelled members."""

    def __init__(self, code: str, message: str, *, status: int = 400, extra: dict[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.extra = extra or {}


class LostAnswer(Exception):
    """The request may have been carried out; the connection ends without an answer."""
