"""Sign-in before the action of a rule, as the balancer carries it out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SignIn:
    """What happens to requests without a session cookie: `authenticate`, `allow` or `deny`."""

    endpoint: str
    client_id: str
    scope: str
    cookie: str
    unauthenticated: str
    params: tuple[tuple[str, str], ...] = ()
