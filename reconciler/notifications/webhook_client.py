"""Webhook client: one request to a configured https URL, bounded in time, and never to a metadata service.

The URL of a webhook contains a secret, so it appears in no message, log or `repr`. The name is resolved once, every
address is checked, and the connection goes to the checked address. Redirects are not followed. Of the response to a
webhook nothing is kept but its status and Retry-After; an API, whose secret is in a header, is read up to a limit.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from reconciler import __version__, errors
from reconciler.exchange import Bounded, Exceeded, Exchange, resolved

SECONDS: Final = 5.0
"""Time limit once the name is resolved: connect, TLS, send, and the head of the response."""
LARGEST_HEAD: Final = 8 * 1024
LARGEST_BODY: Final = 1024 * 1024
"""Limit for the whole response of an API."""
_PART: Final = 4096
LONGEST_PAUSE: Final = 60.0
"""Upper limit for Retry-After."""

IP: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_TARGET: Final = re.compile(r"[\x21-\x7e]*")
_HOST: Final = re.compile(r"[A-Za-z0-9._:-]{1,253}")
_EC2: Final = ipaddress.ip_network("fd00:ec2::/32")  # instance metadata, pod identities, DNS and time
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_MACHINE: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Place:
    """Address of the target. `host` may be shown."""

    host: str
    port: int
    secure: bool
    target: str = field(repr=False)

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answered:
    """`pause`: the seconds of Retry-After, if given."""

    status: int
    pause: float | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """Response of an API; the names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Unreachable(Exception):
    """No response; the message says why, but not from where."""


def place_of(url: str) -> Place:
    """Raises `errors.SpecInvalid`, without the URL."""
    try:
        parts = urlsplit(url)
        host, port, scheme = parts.hostname or "", parts.port, parts.scheme
    except ValueError as error:
        raise errors.SpecInvalid("the notification URL is not valid") from error
    if scheme not in ("https", "http") or not _HOST.fullmatch(host):
        raise errors.SpecInvalid("the notification URL is not https://host/…")
    if scheme == "http" and host not in _MACHINE:
        raise errors.SpecInvalid(
            f"the notification URL on {host} must use https; http is allowed for this machine only"
        )
    if parts.username is not None or parts.password is not None:
        raise errors.SpecInvalid(
            f"the notification URL on {host} contains a user name; use RECONCILER_WEBHOOK_SECRET instead"
        )
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _TARGET.fullmatch(target):
        raise errors.SpecInvalid(f"the notification URL on {host} contains spaces or characters that are not ASCII")
    fault = forbidden(literal) if (literal := _literal(host)) is not None else ""
    if fault:
        raise errors.SpecInvalid(f"notifications to {host} are not allowed: it is {fault}")
    return Place(host, port or (443 if scheme == "https" else 80), scheme == "https", target)


def forbidden(address: IP) -> str:
    """Why nothing may be sent to `address`, or ""."""
    if address in _EC2:
        return "a metadata service"
    inner = _inside(address)
    if inner is not None:
        return forbidden(inner)
    for wrong, what in (
        (address.is_link_local, "a link-local address"),
        (address.is_unspecified, "an unspecified address"),
        (address.is_multicast, "a multicast or broadcast address"),
    ):
        if wrong:
            return what
    return "" if str(address) != "255.255.255.255" else "a multicast or broadcast address"


def post(place: Place, body: bytes, headers: Mapping[str, str]) -> Answered:
    """One attempt. Raises `Unreachable`."""
    with _exchange(place, LARGEST_HEAD + _PART) as connection:
        connection.request("POST", place.target, body, _fields(place, headers))
        return _answer(connection.sock)


def ask(method: str, place: Place, body: bytes | None, headers: Mapping[str, str]) -> Response:
    """One request to an API. Raises `Unreachable`."""
    with _exchange(place, LARGEST_HEAD + LARGEST_BODY) as connection:
        connection.request(method, place.target, body, _fields(place, headers))
        response = connection.getresponse()
        named = {name.lower(): text for name, text in response.headers.items()}
        return Response(response.status, named, response.data)


def _fields(place: Place, headers: Mapping[str, str]) -> dict[str, str]:
    return {
        "Host": place.authority,
        "User-Agent": f"reconciler/{__version__}",
        "Content-Type": "application/json",
        "Connection": "close",
        **headers,
    }


@contextmanager
def _exchange(place: Place, most: int) -> Iterator[HTTPConnection]:
    """A connection for one request and its response of at most so many bytes. Raises `Unreachable`."""
    try:
        with (
            Exchange(SECONDS, most) as exchange,
            closing(_connected(place, _addresses(place), exchange)) as connection,
        ):
            yield connection
    except Exceeded as error:
        raise Unreachable(str(error)) from None
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(f"the certificate is not trusted: {error.verify_message}") from None
    except (HTTPError, OSError, ValueError) as error:
        raise Unreachable(type(error.__cause__ or error).__name__) from None


class _Http(Bounded, HTTPConnection):
    pass


class _Https(Bounded, HTTPSConnection):
    pass


def _addresses(place: Place) -> tuple[IP, ...]:
    """All addresses of the host, each one checked."""
    try:
        found = resolved(place.host, place.port)
    except Exceeded:
        raise
    except (OSError, UnicodeError):
        raise Unreachable("the host name cannot be resolved") from None
    addresses = tuple(dict.fromkeys(ipaddress.ip_address(one.partition("%")[0]) for one in found))
    for address in addresses:
        fault = forbidden(address)
        if fault:
            raise Unreachable(f"the host name resolves to {address}, which is {fault}")
        if not place.secure and not address.is_loopback:
            raise Unreachable(f"the host name resolves to {address}, which is not this machine, and the URL uses http")
    return addresses


def _connected(place: Place, addresses: tuple[IP, ...], exchange: Exchange) -> HTTPConnection:
    """A connection to the first address that accepts one. The certificate is checked against the host name."""
    made: Callable[..., HTTPConnection] = _Http
    if place.secure:
        made = partial(_Https, server_hostname=place.host, ssl_context=_trust())
    last: Exception = OSError("an unspecified address")
    for address in addresses[:4]:
        # urllib3 applies the timeout twice: to the TCP connection, and again to the TLS handshake
        connection = made(str(address), place.port, timeout=exchange.left() / 2)
        try:
            connection.connect()
        except HTTPError as error:  # the address does not answer; a failed handshake raises OSError
            last = error
        else:
            return connection
    raise last


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def _answer(sock: Any) -> Answered:
    """Status and Retry-After. urllib3 does not read the head: it accepts heads of several megabytes, and it logs the
    URL when a header of the answer is malformed."""
    text = b""
    while b"\r\n\r\n" not in text and len(text) < LARGEST_HEAD:
        more = sock.recv(_PART)
        if not more:
            break
        text += more
    first, *lines = text.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not re.fullmatch(r"[1-5]\d\d", words[1]):
        raise ValueError("not an HTTP response")
    asked = next((line.partition(":")[2].strip() for line in lines if line.lower().startswith("retry-after:")), "")
    return Answered(int(words[1]), min(LONGEST_PAUSE, float(asked)) if re.fullmatch(r"\d{1,6}", asked) else None)


def _literal(host: str) -> IP | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _inside(address: IP) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address embeds."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or None
