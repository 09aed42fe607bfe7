"""Values of a Compose file: variables, durations, sizes, ports and commands.

Source: the Compose specification, interpolation, `ports` short syntax, and "Specifying durations" and "byte values".
"""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import dataclass
from typing import Final

_VARIABLE: Final = re.compile(
    r"\$(?:(?P<escaped>\$)|\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<sign>:?[-?+])(?P<word>[^{}]*))?\}"
    r"|(?P<plain>[A-Za-z_][A-Za-z0-9_]*))"
)
_DURATION: Final = re.compile(
    r"(?:(\d{1,4})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,8}(?:\.\d{1,9})?)s)?(?:(\d{1,9})ms)?", re.ASCII
)
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([bkmg]?)b?", re.IGNORECASE | re.ASCII)
_UNITS: Final = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_PORT: Final = re.compile(
    r"(?:(?P<address>\[[0-9a-fA-F:]+\]|\d{1,3}(?:\.\d{1,3}){3}):)?(?:(?P<host>\d{1,5}(?:-\d{1,5})?)?:)?"
    r"(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?(?:/(?P<protocol>tcp|udp))?",
    re.ASCII,
)
_REQUEST: Final = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::\d+)?(/[A-Za-z0-9_./~%-]*)?")
MOST_PORTS: Final = 50
"""Of one range."""


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """`host` is empty where the port is not published, `local` says that this machine alone reaches it."""

    port: int
    protocol: str
    host: str = ""
    local: bool = False


def interpolated(text: str) -> str | None:
    """`text` with the defaults of its variables; None if one has no default, so that the shell has its value."""
    missing = False

    def value(found: re.Match[str]) -> str:
        nonlocal missing
        if found["escaped"]:
            return "$"
        if found["sign"] in ("-", ":-"):
            return found["word"]
        missing = missing or found["sign"] not in ("+", ":+")
        return ""

    known = _VARIABLE.sub(value, text)
    return None if missing else known


def seconds(text: str) -> int | None:
    """A duration, rounded up; None for text that is none."""
    found = _DURATION.fullmatch(text)
    if found is None or not text:
        return None
    hours, minutes, secs, milliseconds = (float(part or 0) for part in found.groups())
    return math.ceil(hours * 3600 + minutes * 60 + secs + milliseconds / 1000)


def mebibytes(text: str) -> int | None:
    """A size in bytes, rounded up to MiB; None for text that is none."""
    found = _SIZE.fullmatch(text.strip())
    return None if found is None else math.ceil(float(found[1]) * _UNITS[found[2].lower()] / 1024**2)


def ports(text: str) -> list[PublishedPort] | None:
    """The container's ports of the short syntax, such as 127.0.0.1:8080:80; None for text that is none."""
    found = _PORT.fullmatch(text)
    if found is None:
        return None
    first, last = int(found["first"]), int(found["last"] or found["first"])
    if not 1 <= first <= last <= 65535 or last - first >= MOST_PORTS:
        return None
    address = found["address"] or ""
    local = address.startswith("127.") or address == "[::1]"
    host, protocol = found["host"] or "", found["protocol"] or "tcp"
    return [
        PublishedPort(port, protocol, host if first == last else str(port), local) for port in range(first, last + 1)
    ]


def words(text: str) -> tuple[str, ...] | None:
    """A command line as its words, as Compose splits it; None where a quote is not closed."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return None


def requested_path(command: tuple[str, ...]) -> str:
    """The path on this machine that the command of a health check requests; empty if there is none."""
    found = _REQUEST.search(" ".join(command))
    return (found[1] or "/") if found is not None else ""
