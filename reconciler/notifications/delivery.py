"""Delivery of one notification: how an attempt fails."""

from __future__ import annotations


class Undelivered(Exception):
    """`again`: another attempt may succeed, after `pause` seconds if given. The message contains no URL."""

    def __init__(self, because: str, *, again: bool, pause: float | None = None) -> None:
        super().__init__(because)
        self.again = again
        self.pause = pause
