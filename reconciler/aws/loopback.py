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


def check_url(what: str, url: str | None) -> None:
    """Raises `ValueError` with what is wrong with a URL that is configured; botocore would only fail to parse it later.

    A proxy may be given without a scheme. What stands before the host is not repeated, because it may be a password.
    """
    if not url:
        return
    scheme, mark, rest = url.rpartition("://")
    host = rest.rpartition("@")[2].partition("/")[0]
    shown = f"{scheme}{mark}{host}"
    if mark and scheme.lower() not in ("http", "https"):
        raise ValueError(f"the {what} {shown} is neither http nor https")
    try:
        parts = urlsplit(f"http://{host}")
    except ValueError as error:
        raise ValueError(f"the {what} {shown} is no URL: {error}") from error
    try:
        parts.port  # noqa: B018  # parsed here
    except ValueError as error:
        raise ValueError(f"the port of the {what} {shown} is not a number from 0 to 65535") from error
