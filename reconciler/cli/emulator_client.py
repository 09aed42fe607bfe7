"""What the laptop AWS tells beyond AWS's own calls: what time it is there, and where its listeners really answer.

Any endpoint on this machine is asked once; what does not answer as the laptop AWS does is another AWS on this machine,
with the machine's own time and addresses of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from reconciler.aws.loopback import is_loopback
from reconciler.clock import Clock, SystemClock
from reconciler.http_guard import CLIENT_HEADER

if TYPE_CHECKING:
    import urllib.request

TIMEOUT_SECONDS = 5.0
CLIENT_HEADERS = {CLIENT_HEADER: "cli"}


def clock_of(endpoint: str | None) -> Clock:
    """The laptop's clock, where it goes faster than the machine's: a deadline means the same to both."""
    told = _ask(endpoint, "health")
    if not isinstance(told, dict) or told.get("speed", 1.0) == 1.0:
        return SystemClock()
    return SystemClock(told["speed"], now=datetime.fromisoformat(told["now"]))


def urls_of(endpoint: str | None) -> Mapping[str, str]:
    """Listener ARN → URL; nothing for a real AWS."""
    told = _ask(endpoint, "urls")
    return told if isinstance(told, dict) else {}


def opened(request: str | urllib.request.Request, seconds: float) -> Any:
    """What `urlopen` returns and raises, but past the proxies of the environment: none of them reaches this machine."""
    import urllib.request

    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=seconds)


def _ask(endpoint: str | None, name: str) -> Any:
    """Straight to this machine, whatever proxy its environment names."""
    if not is_loopback(endpoint):
        return None
    from http.client import HTTPConnection, HTTPException

    place = urlsplit(endpoint)
    if place.scheme != "http" or place.hostname is None:
        return None
    try:
        with closing(HTTPConnection(place.hostname, place.port, timeout=TIMEOUT_SECONDS)) as connection:
            connection.request("GET", f"/_reconciler/{name}", headers=CLIENT_HEADERS)
            answer = connection.getresponse()
            return orjson.loads(answer.read()) if answer.status == HTTPStatus.OK else None
    except (OSError, ValueError, HTTPException):
        return None
