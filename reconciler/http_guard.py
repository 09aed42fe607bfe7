"""Guard against requests that a web page made: the Host, Origin and Sec-Fetch-Site of a request to a local server.

A browser sends requests to this machine for every page that asks it to. Such a request is told apart by three headers
that a page cannot set:

- `Host` holds the name in the URL that was asked for. A name that was made to resolve to 127.0.0.1 (DNS rebinding) is
  not this machine, whatever it resolves to: only loopback addresses and the name `localhost` are.
- `Origin` names the page behind a request; programs send none.
- `Sec-Fetch-Site` says how far the page is from what it asks for. `same-site` is another port of this machine.

Every server of this package asks here before it looks at anything else of a request. See the Fetch standard,
https://fetch.spec.whatwg.org/#http-origin, and https://www.w3.org/TR/fetch-metadata/.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

CLIENT_HEADER: Final = "X-Reconciler-Client"
"""Required by the emulator's own routes. A page on another origin cannot send it without a CORS preflight request,
which no server here answers."""

_HOST: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:/@\s]+))(?::\d{1,5})?")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TRUSTED_SITES: Final = frozenset({"", "none", "same-origin"})


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a request is not served, and the status that says so."""

    status: HTTPStatus
    reason: str


def check(
    *,
    host: str,
    origin: str | None,
    fetch_site: str | None,
    loopback_only: bool,
    scheme: str = "http",
    navigates: bool = False,
) -> Rejection | None:
    """None when the request may be served.

    `host`, `origin` and `fetch_site` are the values of the headers `Host` (empty where there is none), `Origin` and
    `Sec-Fetch-Site` (None where there is none). A header that was sent several times is passed joined with commas, as
    HTTP combines them, and is refused. `loopback_only` holds for a server that listens on a loopback address.
    `scheme` is that of its URLs in browsers, which is `https` behind a load balancer. `navigates`: a person follows a
    link to a page that only shows something, and may come from anywhere.

    421 Misdirected Request: the Host is not a loopback address or `localhost`.
    403 Forbidden: the request comes from a page on another origin.
    """
    if loopback_only and not is_loopback_host(host):
        return Rejection(
            HTTPStatus.MISDIRECTED_REQUEST,
            "this server answers to http://127.0.0.1, http://[::1] and http://localhost only",
        )
    if origin is not None and origin.lower() != f"{scheme}://{host}".lower():
        return Rejection(HTTPStatus.FORBIDDEN, "requests from web pages on other origins are not allowed")
    if not navigates and fetch_site is not None and fetch_site.strip().lower() not in _TRUSTED_SITES:
        return Rejection(HTTPStatus.FORBIDDEN, "cross-site requests are not allowed")
    return None


def is_header_name(name: str) -> bool:
    """Whether `name` is a token (RFC 9110, 5.6.2). `Origin ` is none, and would be read as another header."""
    return _TOKEN.fullmatch(name) is not None


def is_loopback_host(host: str) -> bool:
    """Whether a Host header, with or without a port, is a loopback address or the name `localhost`."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    if match["v6"] is not None:
        return is_loopback_address(match["v6"])
    return match["name"].lower() == "localhost" or is_loopback_address(match["name"])


def is_loopback_address(text: str) -> bool:
    """Whether `text` is an address in 127.0.0.0/8, mapped into IPv6 or not, or ::1; a name never is."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
