"""Access to the console: who a viewer is, and what they may do.

    token           this machine only: a one-time token in the URL that the process prints, then a session cookie
    load balancer   the signed header of an Application Load Balancer that signs people in (load_balancer.py)
    proxy           a header of a reverse proxy, from the addresses that are named only

Every request needs one of them, and a server that other machines can reach accepts no tokens.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from reconciler import printable
from reconciler.clock import Clock, SystemClock

SESSION_SECONDS: Final = 12 * 3600.0
MOST_SESSIONS: Final = 32
SIGN_IN: Final = "sign-in"
"""The limit that all attempts to sign in share: a token is not guessed."""


class Role(StrEnum):
    VIEWER = "viewer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Viewer:
    """`key` identifies the viewer to limits and form tokens, `name` to people."""

    name: str
    role: Role
    key: str

    @property
    def may_act(self) -> bool:
        return self.role is Role.OPERATOR


@dataclass(frozen=True, slots=True)
class Asking:
    """What a request says about who sends it: headers by lower-case name, cookies, and the address it came from."""

    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    address: str = ""


class NotSignedIn(Exception):
    """Why nobody is signed in, for people. It says nothing that helps to guess."""

    def __init__(self, because: str, status: HTTPStatus = HTTPStatus.UNAUTHORIZED) -> None:
        super().__init__(because)
        self.because, self.status = because, status


class Access(ABC):
    """How viewers are recognised. Raises `NotSignedIn`; may block, and is asked in a thread."""

    loopback_only: bool = False
    """It is for a server that listens on this machine only."""

    @abstractmethod
    def viewer(self, asking: Asking) -> Viewer: ...


def named_text(text: str) -> str:
    """A name from outside, as it may be shown and stored. Raises `NotSignedIn` for one that hides characters."""
    name = text.strip()
    if not name or len(name) > 254 or any(printable.hidden(character) for character in name):
        raise NotSignedIn("the name of the signed-in person cannot be used", HTTPStatus.FORBIDDEN)
    return name


@dataclass(slots=True)
class TokenAccess(Access):
    """Sessions on this machine. Every URL signs in one browser; then `renewed` is given the token of the next one.

    `cookie` names the session's cookie: cookies of one host are sent to all of its ports, so it contains the port.
    """

    person: str
    renewed: Callable[[str], None] = lambda _: None
    clock: Clock = field(default_factory=SystemClock)
    cookie: str = "reconciler-console"
    token: str = field(init=False, default_factory=lambda: secrets.token_urlsafe(32))
    _sessions: OrderedDict[str, float] = field(init=False, default_factory=OrderedDict)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    loopback_only: bool = field(init=False, default=True)

    def sign_in(self, token: str) -> str:
        """The value of a new session's cookie. Raises `NotSignedIn` unless the token is the one that was printed."""
        with self._lock:
            if not hmac.compare_digest(token.encode(), self.token.encode()):
                raise NotSignedIn("this link has been used already, or is not the newest one")
            self.token, session = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
            self._sessions[_digest(session)] = self.clock.monotonic() + SESSION_SECONDS
            while len(self._sessions) > MOST_SESSIONS:
                self._sessions.popitem(last=False)
            token = self.token
        self.renewed(token)
        return session

    def viewer(self, asking: Asking) -> Viewer:
        session = _digest(asking.cookies.get(self.cookie, ""))
        with self._lock:
            end = self._sessions.get(session)
        if end is None or end <= self.clock.monotonic():
            raise NotSignedIn("open the link that `reconciler` has printed; each one signs in one browser")
        return Viewer(self.person, Role.OPERATOR, session)


@dataclass(frozen=True, slots=True)
class Operators:
    """Who may act: people by name, and values of claims such as `groups=on-call`. Everybody else may only look."""

    names: frozenset[str] = frozenset()
    claims: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, entries: tuple[str, ...]) -> Operators:
        pairs = frozenset((name, value) for name, equals, value in (one.partition("=") for one in entries) if equals)
        return cls(frozenset(one.lower() for one in entries if "=" not in one), pairs)

    def role(self, name: str, claims: Mapping[str, object]) -> Role:
        if name and name.lower() in self.names:
            return Role.OPERATOR
        held = {(claim, str(one)) for claim, value in claims.items() for one in _several(value)}
        return Role.OPERATOR if held & self.claims else Role.VIEWER


NOBODY: Final = Operators()


def _several(value: object) -> tuple[object, ...]:
    """The values of a claim: a list, or one text, which Cognito and others fill with a list's elements and commas."""
    if isinstance(value, list | tuple):
        return tuple(value)
    return (value, *(part.strip() for part in value.strip("[]").split(","))) if isinstance(value, str) else ()


@dataclass(frozen=True, slots=True)
class ProxyAccess(Access):
    """The header of a reverse proxy that signs people in. What comes from any other address is not believed."""

    header: str
    proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    operators: Operators = NOBODY

    def viewer(self, asking: Asking) -> Viewer:
        address = ipaddress.ip_address(asking.address.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if not any(address in network for network in self.proxies):
            raise NotSignedIn("the console is reached through its proxy only", HTTPStatus.FORBIDDEN)
        text = asking.headers.get(self.header.lower(), "")
        if not text:
            raise NotSignedIn("the proxy names no person")
        name = named_text(text)
        return Viewer(name, self.operators.role(name, {}), f"proxy {name}")


class FormTokens:
    """Tokens of forms against cross-site requests: of this process, and for one viewer. They end with the process."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def token(self, viewer: Viewer) -> str:
        return hmac.new(self._secret, viewer.key.encode(), hashlib.sha256).hexdigest()

    def valid(self, token: str, viewer: Viewer) -> bool:
        return hmac.compare_digest(token.encode(), self.token(viewer).encode())


class Limiter:
    """Token buckets: `most` at once, and as many again in `seconds`, for each key."""

    KEYS: Final = 1000

    def __init__(self, most: int, seconds: float, clock: Clock | None = None) -> None:
        self._most, self._rate, self._clock = most, most / seconds, clock or SystemClock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def allows(self, key: str) -> bool:
        with self._lock:
            now = self._clock.monotonic()
            left, at = self._left.pop(key, (float(self._most), now))
            left = min(float(self._most), left + (now - at) * self._rate)
            allowed = left >= 1
            self._left[key] = (left - 1 if allowed else left, now)
            while len(self._left) > self.KEYS:
                self._left.popitem(last=False)
            return allowed


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
