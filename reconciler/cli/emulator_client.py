"""Client of the local AWS emulator, for what AWS has no calls for: its clock, and the URLs of its listeners.

Any endpoint on this machine is asked once. One that does not answer like the emulator is another implementation of
AWS, and has the machine's own clock.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import orjson

from reconciler.aws.loopback import is_loopback
from reconciler.clock import Clock, SystemClock
from reconciler.http_guard import CLIENT_HEADER

if TYPE_CHECKING:
    import urllib.request

EMULATOR: Final = "http://127.0.0.1:4566"
TIMEOUT_SECONDS = 5.0
CLIENT_HEADERS = {CLIENT_HEADER: "cli"}


def default_endpoint() -> str:
    """What `--local` stands for: the emulator that AWS_ENDPOINT_URL names, if it is on this machine."""
    named = os.environ.get("AWS_ENDPOINT_URL")
    return named if named and is_loopback(named) else EMULATOR


def clock_of(endpoint: str | None) -> Clock:
    """The emulator's clock, if it runs faster than the machine's: a deadline means the same to both."""
    health = _ask(endpoint, "health")
    if not isinstance(health, dict) or health.get("speed", 1.0) == 1.0:
        return SystemClock()
    return SystemClock(health["speed"], now=datetime.fromisoformat(health["now"]))


def regions_of(endpoint: str | None) -> tuple[str, ...]:
    """Regions in which anything has been called; empty if the endpoint is not the emulator."""
    health = _ask(endpoint, "health")
    return tuple(health["regions"]) if isinstance(health, dict) else ()


def is_emulator(endpoint: str | None) -> bool:
    """Whether the endpoint is the emulator, as its own answer says."""
    return isinstance(_ask(endpoint, "health"), dict)


def urls_of(endpoint: str | None) -> Mapping[str, str]:
    """Listener ARN → URL; empty for AWS itself."""
    urls = _ask(endpoint, "urls")
    return urls if isinstance(urls, dict) else {}


def containers_of(endpoint: str | None, task: str) -> Mapping[str, Any] | None:
    """The containers of a task whose processes run on this machine, by name; None if the endpoint is not the emulator.

    Whether it is, its own answer says.
    """
    answer = _ask(endpoint, f"task?id={quote(task, safe='')}")
    containers = answer.get("containers") if isinstance(answer, dict) else None
    return containers if isinstance(containers, dict) else None


def opened(request: str | urllib.request.Request, seconds: float) -> Any:
    """As `urlopen`, without the proxies of the environment: none of them reaches this machine."""
    import urllib.request

    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=seconds)


def _ask(endpoint: str | None, name: str) -> Any:
    """Ask the emulator directly, without proxies; None if the endpoint is not the emulator."""
    if not is_loopback(endpoint):
        return None
    from http.client import HTTPConnection, HTTPException

    url = urlsplit(endpoint)
    if url.scheme != "http" or url.hostname is None:
        return None
    try:
        with closing(HTTPConnection(url.hostname, url.port, timeout=TIMEOUT_SECONDS)) as connection:
            connection.request("GET", f"/_reconciler/{name}", headers=CLIENT_HEADERS)
            answer = connection.getresponse()
            return orjson.loads(answer.read()) if answer.status == HTTPStatus.OK else None
    except (OSError, ValueError, HTTPException):
        return None
