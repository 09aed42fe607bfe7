"""API of a forge, GitHub or GitLab: one JSON request, and what its refusals mean.

    401, 403, 404, other 4xx    not tried again: a person has to look at it
    403 and 429 of a rate limit  tried again when the limit says so
    408, 425, 5xx, no answer     tried again

A token in a file is read for each request, so that one that is replaced while the controller runs is used at once. The
token is in a header, and in no message, log or `repr`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import orjson

from reconciler import errors
from reconciler.clock import Clock, SystemClock
from reconciler.notifications.delivery import Undelivered
from reconciler.notifications.message import cleaned
from reconciler.notifications.webhook_client import Place, Response, Unreachable, ask, place_of
from reconciler.printable import hidden

LIMITED_SECONDS: Final = 60.0
"""Pause after a rate limit that does not say how long it lasts."""
LONGEST_PAUSE: Final = 3600.0
LONGEST_REASON: Final = 200

_AGAIN: Final = frozenset({408, 425})
"""Statuses below 500 after which another attempt may succeed, besides those of rate limits."""

HINTS: Final[Mapping[int, str]] = {
    401: "the token is not valid, or has expired",
    403: "the token lacks a permission",
    404: "the repository does not exist, or the token has no access to it",
}

Ask = Callable[[str, Place, bytes | None, Mapping[str, str]], Response]


class Refused(Undelivered):
    """The API does not take the request, and will not later either. `reason` is in its words."""

    def __init__(self, host: str, status: int, reason: str) -> None:
        hint = f" ({HINTS[status]})" if status in HINTS else ""
        super().__init__(f"{host} returned status {status}{f': {reason}' if reason else ''}{hint}", again=False)
        self.status = status
        self.reason = reason


class CommitMissing(Undelivered):
    """The repository does not have the commit, for example after a force push."""

    def __init__(self, host: str, commit: str) -> None:
        super().__init__(f"{host} does not have the commit {commit[:7]}; its statuses are not sent", again=False)


@dataclass(frozen=True, slots=True)
class Token:
    """Token of a forge: `text`, or what the file `file` holds. `name` is the variable that gives it."""

    name: str
    text: str = field(default="", repr=False)
    file: str = ""

    @property
    def given(self) -> bool:
        return bool(self.text or self.file)

    def read(self) -> str:
        """Raises `Undelivered`."""
        token = self.text
        if not token:
            try:
                token = Path(self.file).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is not text"
                raise Undelivered(f"the file that {self.name}_FILE names cannot be read: {why}", again=True) from None
        token = token.strip()
        if not token or not token.isascii() or any(char.isspace() or hidden(char) for char in token):
            raise Undelivered(f"{self.name} does not hold a token", again=False)
        return token


@dataclass(frozen=True, slots=True)
class ForgeApi:
    """`base` is the place of the repository in the API; `headers` are those of a request with the token."""

    base: Place
    token: Token
    headers: Callable[[str], Mapping[str, str]]
    ask: Ask = ask
    clock: Clock = field(default_factory=SystemClock, repr=False)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer as JSON. Raises `Undelivered`, and `Refused` for what is not tried again."""
        host, place = self.base.host, replace(self.base, target=f"{self.base.target}{path}")
        said = None if body is None else orjson.dumps(body)
        try:
            response = self.ask(method, place, said, self.headers(self.token.read()))
        except Unreachable as error:
            raise Undelivered(f"{host}: {error}", again=True) from None
        if 200 <= response.status < 300:
            return _json(response, host)
        pause = self._limited(response)
        if pause is not None:
            raise Undelivered(f"{host} limits the rate of requests", again=True, pause=pause)
        if response.status in _AGAIN or response.status >= 500:
            raise Undelivered(f"{host} returned status {response.status}", again=True, pause=_retry_after(response))
        raise Refused(host, response.status, _reason(response))

    def _limited(self, response: Response) -> float | None:
        """Seconds until the rate limit allows another request; None if that is not what the response says.

        Source: GitHub, "Rate limits for the REST API": 403 or 429, with Retry-After, or with none left until
        X-RateLimit-Reset, or, for a secondary limit, with neither; then a minute. GitLab: 429, RateLimit-Reset.
        """
        if response.status not in (403, 429):
            return None
        asked = _retry_after(response)
        if asked is not None:
            return asked
        for prefix in ("x-ratelimit", "ratelimit"):
            reset = response.headers.get(f"{prefix}-reset", "")
            if response.headers.get(f"{prefix}-remaining") == "0" and reset.isdecimal():
                return min(LONGEST_PAUSE, max(1.0, float(reset) - self.clock.now().timestamp()))
        return LIMITED_SECONDS if response.status == 429 or "rate limit" in _reason(response).lower() else None


def repository(text: str, kind: str, default: str, *, nested: bool = False) -> tuple[Place, str]:
    """The place of a forge and the path of a repository there: `OWNER/REPO`, or `https://HOST/OWNER/REPO`.

    `nested`: groups may be in other groups. Raises `errors.SpecInvalid`.
    """
    place = place_of(text if "://" in text else f"{default}/{text}")
    path = place.target.removesuffix("/").removesuffix(".git").removeprefix("/")
    parts = path.split("/")
    if (
        len(parts) < 2
        or (len(parts) > 2 and not nested)
        or any(part in ("", ".", "..") for part in parts)
        or not _PATH.issuperset(path)
    ):
        raise errors.SpecInvalid(f"the notification target is not {kind}:OWNER/REPOSITORY or {kind}:https://HOST/…")
    return place, path


_PATH: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/")


def _json(response: Response, host: str) -> Any:
    if not response.body:
        return None
    try:
        return orjson.loads(response.body)
    except orjson.JSONDecodeError:
        raise Undelivered(f"{host} did not answer in JSON", again=False) from None


def _reason(response: Response) -> str:
    """What the API says of a refusal: `{"message": …}`, which may itself be an object, or `{"error": …}`."""
    try:
        said = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return ""
    message = said.get("message") or said.get("error") if isinstance(said, dict) else None
    return cleaned(str(message))[:LONGEST_REASON] if message else ""


def _retry_after(response: Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return min(LONGEST_PAUSE, float(text)) if text.isdecimal() else None
