"""Who is let in, and who may act."""

from __future__ import annotations

import ipaddress
from http import HTTPStatus

import pytest

from reconciler.clock import ManualClock
from reconciler.console.access import (
    SESSION_SECONDS,
    Asking,
    FormTokens,
    Limiter,
    NotSignedIn,
    Operators,
    ProxyAccess,
    Role,
    Viewer,
)
from tests.console.fixtures import token_access


def test_a_link_signs_one_browser_in() -> None:
    """Its token is used up; the next link has another one."""
    access, renewed, _ = token_access()
    first = access.token
    session = access.sign_in(first)
    assert access.viewer(Asking(cookies={access.cookie: session})).role is Role.OPERATOR
    with pytest.raises(NotSignedIn):
        access.sign_in(first)
    assert renewed == [access.token]
    assert access.sign_in(access.token) != session


@pytest.mark.parametrize("token", ["", "x", "ü", "0" * 43])
def test_any_other_token_is_refused(token: str) -> None:
    """And does not use up the link."""
    access, renewed, _ = token_access()
    with pytest.raises(NotSignedIn):
        access.sign_in(token)
    assert renewed == []
    assert access.sign_in(access.token)


def test_a_session_ends() -> None:
    """By its time, and an invented one never began."""
    access, _, clock = token_access()
    cookies = {access.cookie: access.sign_in(access.token)}
    clock.advance(SESSION_SECONDS - 1)
    assert access.viewer(Asking(cookies=cookies)).name == "ana"
    clock.advance(1)
    for asking in (Asking(cookies=cookies), Asking(cookies={access.cookie: "x"}), Asking()):
        with pytest.raises(NotSignedIn):
            access.viewer(asking)


def test_a_proxy_is_believed_at_its_address_only() -> None:
    """The header of anybody else names nobody."""
    access = ProxyAccess("X-User", (ipaddress.ip_network("10.0.1.0/24"),), Operators.of(("ana@x.org",)))
    assert access.viewer(Asking({"x-user": "Ana@x.org"}, {}, "10.0.1.7")).role is Role.OPERATOR
    assert access.viewer(Asking({"x-user": "bob"}, {}, "::ffff:10.0.1.7")).role is Role.VIEWER
    with pytest.raises(NotSignedIn) as refusal:
        access.viewer(Asking({"x-user": "ana@x.org"}, {}, "10.0.2.7"))
    assert refusal.value.status is HTTPStatus.FORBIDDEN
    for headers in ({}, {"x-user": " "}, {"x-user": "a\u202eb"}, {"x-user": "a" * 255}):
        with pytest.raises(NotSignedIn):
            access.viewer(Asking(headers, {}, "10.0.1.7"))


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({}, Role.VIEWER),
        ({"groups": ["dev", "on-call"]}, Role.OPERATOR),
        ({"groups": "[dev, on-call]"}, Role.OPERATOR),
        ({"groups": "on-callers"}, Role.VIEWER),
        ({"name": "on-call"}, Role.VIEWER),
        ({"groups": {"on-call": 1}}, Role.VIEWER),
    ],
)
def test_operators_are_named_by_a_claim(claims: dict[str, object], role: Role) -> None:
    """One value of a list, or of a text that stands for one."""
    assert Operators.of(("groups=on-call",)).role("bob@x.org", claims) is role


def test_form_tokens_are_of_one_viewer_and_one_process() -> None:
    """Another viewer's is worth nothing, nor is one from before a restart."""
    tokens, ana, bob = FormTokens(), Viewer("ana", Role.OPERATOR, "a"), Viewer("bob", Role.OPERATOR, "b")
    assert tokens.valid(tokens.token(ana), ana)
    assert not tokens.valid(tokens.token(ana), bob)
    assert not tokens.valid(FormTokens().token(ana), ana)
    assert not tokens.valid("", ana)


def test_a_limit_is_each_viewer_s_own_and_fills_up_again() -> None:
    """Two at once, and two more in ten seconds."""
    clock = ManualClock()
    limiter = Limiter(2, 10.0, clock)
    assert [limiter.allows("a") for _ in range(3)] == [True, True, False]
    assert limiter.allows("b")
    clock.advance(5)
    assert [limiter.allows("a") for _ in range(2)] == [True, False]
