"""Sign-in by an Application Load Balancer: the signed header with the claims of the person whom it has signed in.

The load balancer puts a JSON web token into `x-amzn-oidc-data` and overwrites what a client sends there. A client that
reaches the console past the load balancer can send what it likes, so nothing of it is believed unverified: its
algorithm is ES256, its signer is our own load balancer and its key id looks like one before a key is fetched, and the
signature, the issuer, the client and the expiry are checked with that key. Source: Elastic Load Balancing, user guide
for Application Load Balancers, "Authenticate users using an Application Load Balancer".
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from reconciler import errors, events
from reconciler.clock import Clock, SystemClock
from reconciler.console.access import NOBODY, Access, Asking, Limiter, NotSignedIn, Operators, Viewer, named_text
from reconciler.log import log

HEADER: Final = "x-amzn-oidc-data"
ALGORITHM: Final = "ES256"
LONGEST: Final = 8 * 1024
KEY_SECONDS: Final = 3600.0
MOST_KEYS: Final = 16
MOST_FETCHES: Final = 6
"""Fetches of keys a minute. A load balancer has one or two keys."""
LEEWAY_SECONDS: Final = 5.0

_KEY_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ARN: Final = re.compile(
    r"arn:(?P<partition>aws|aws-cn|aws-us-gov):elasticloadbalancing:(?P<region>[a-z0-9-]{5,25}):\d{12}"
    r":loadbalancer/app/[A-Za-z0-9-]{1,32}/[0-9a-f]{16}"
)

Fetch = Callable[[str], bytes]
"""The content at a URL. Raises `errors.ReconcilerError`."""


def keys_url(arn: str) -> str:
    """Where the region of a load balancer publishes its keys. Raises `ValueError` for what is no load balancer."""
    match = _ARN.fullmatch(arn)
    if match is None:
        raise ValueError(f"{arn!r} is not the ARN of an Application Load Balancer")
    partition, region = match["partition"], match["region"]
    if partition == "aws-us-gov":
        return f"https://s3-{region}.amazonaws.com/aws-elb-public-keys-prod-{region}/"
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    return f"https://public-keys.auth.elb.{region}.{suffix}/"


@dataclass(slots=True)
class LoadBalancerAccess(Access):
    """`arn` is our load balancer's, `issuer` and `client` are those of its `authenticate-oidc` action."""

    arn: str
    issuer: str
    client: str
    fetch: Fetch
    operators: Operators = NOBODY
    clock: Clock = field(default_factory=SystemClock)
    _url: str = field(init=False)
    _keys: OrderedDict[str, tuple[float, bytes]] = field(init=False, default_factory=OrderedDict)
    _fetches: Limiter = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._url, self._fetches = keys_url(self.arn), Limiter(MOST_FETCHES, 60.0, self.clock)

    def viewer(self, asking: Asking) -> Viewer:
        claims = self.claims(asking.headers.get(HEADER, ""))
        name = named_text(str(claims.get("email") or claims.get("preferred_username") or claims.get("sub") or ""))
        return Viewer(name, self.operators.role(name, claims), f"oidc {claims.get('sub')}")

    def claims(self, text: str) -> dict[str, Any]:
        """The verified claims. Raises `NotSignedIn`."""
        import jwt

        if not text:
            raise NotSignedIn("the console is reached through its load balancer only")
        if len(text) > LONGEST:
            raise _refused("it is too long")
        try:
            head = jwt.get_unverified_header(text)
        except jwt.PyJWTError as error:
            raise _refused("it is no token") from error
        for name, wanted in (("alg", ALGORITHM), ("signer", self.arn), ("iss", self.issuer), ("client", self.client)):
            if head.get(name) != wanted:
                raise _refused(f"its {name} is another one")
        key_id = head.get("kid")
        if not isinstance(key_id, str) or _KEY_ID.fullmatch(key_id) is None:
            raise _refused("its key id is none")
        key = self._key(key_id)
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                key,  # PEM
                algorithms=[ALGORITHM],
                issuer=self.issuer,
                leeway=LEEWAY_SECONDS,
                options={
                    "require": ["exp", "iss", "sub"],
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise _refused("it does not verify") from error
        now = self.clock.now().timestamp()
        for expiry in (claims["exp"], head.get("exp", claims["exp"])):  # the header's is what ends the session
            if not isinstance(expiry, int | float) or expiry + LEEWAY_SECONDS <= now:
                raise NotSignedIn("the sign-in has expired; reload the page")
        return claims

    def _key(self, key_id: str) -> bytes:
        """The public key, fetched once an hour. Raises `NotSignedIn`.

        Anybody may invent key ids, so there are few fetches a minute, and what is not found takes no known key's place.
        """
        end, key = self._keys.get(key_id, (0.0, b""))
        if end > self.clock.monotonic():
            return key
        with self._lock:
            end, key = self._keys.get(key_id, (0.0, b""))
            if end > self.clock.monotonic():
                return key
            try:
                if not self._fetches.allows("keys"):
                    raise errors.ReconcilerError("too many unknown key ids")
                key = self.fetch(self._url + key_id)
            except errors.ReconcilerError as error:
                log.error(events.CONSOLE_REFUSED, because=f"the key of a sign-in: {error}")
                because = "the key of the sign-in cannot be fetched"
                raise NotSignedIn(because, HTTPStatus.SERVICE_UNAVAILABLE) from error
            self._keys[key_id] = (self.clock.monotonic() + KEY_SECONDS, key)
            while len(self._keys) > MOST_KEYS:
                self._keys.popitem(last=False)
            return key


def _refused(because: str) -> NotSignedIn:
    log.warning(events.CONSOLE_REFUSED, because=f"the signed header of the load balancer was refused: {because}")
    return NotSignedIn("the sign-in of the load balancer is not valid", HTTPStatus.FORBIDDEN)
