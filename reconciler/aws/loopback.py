"""Whether an address is on this machine: then it is the local AWS emulator, or another that is tried out here."""

from __future__ import annotations

from urllib.parse import urlsplit

from reconciler.http_guard import is_loopback_address


def is_loopback(url: str | None) -> bool:
    """By its host: `localhost`, or an address of 127.0.0.0/8 or ::1. A name that merely begins like one is not."""
    if url is None:
        return False
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or is_loopback_address(host)
    except ValueError:
        return False
