"""Secure listeners: certificates of the emulator's own authority, which clients verify, and those that are imported."""

from __future__ import annotations

import http.client
import socket
import ssl
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from reconciler import errors
from reconciler.clock import ManualClock
from reconciler.local.authority import LIFETIME, OF_SERVERS, Authority
from reconciler.local.balancer.tls import Certificates
from reconciler.local.data_plane import DataPlane
from reconciler.local.ports import (
    Condition,
    FixedResponse,
    ListenerRoutes,
    Redirect,
    Route,
    ServerCertificate,
    Target,
    TargetGroupSettings,
)
from reconciler.local.sign_in import SignIn
from reconciler.rollout_driver.smoke_tests import fetch
from tests.harness.tls import self_signed
from tests.local.data_plane.control import Recorder
from tests.local.data_plane.stage import Connection, Scripted, Stage, default, echo, listener, to

Where = tuple[str, int]
SHOP, OTHERS = ServerCertificate(("shop.example.com",)), ServerCertificate(("*.example.com", "example.org"))
HELLO = default(FixedResponse(200, body="hello"))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


def secure(*routes: Route, protocol: str = "HTTPS", port: int = 8443, **fields: Any) -> ListenerRoutes:
    made = replace(listener(*routes or (HELLO,), port=port), protocol=protocol, certificates=(SHOP,))
    return replace(made, **fields)


def serve(stage: Stage, *listeners: ListenerRoutes) -> Where:
    """The address of the first one."""
    stage.balancer.configure(listeners)
    assert stage.balancer.settled()
    assert stage.balancer.unopened() == {}
    return stage.balancer.addresses()[listeners[0].listener_arn]


def trusting(pem: str) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=pem)


def shown(place: Where, name: str, pem: str) -> str:
    """Common name of the certificate that a client is shown which verifies it."""
    context = trusting(pem)
    with socket.create_connection(place, timeout=5) as plain, context.wrap_socket(plain, server_hostname=name) as made:
        found = made.getpeercert()
        assert found is not None
        subject: Any = found["subject"]
        return str(subject[0][0][1])


def get(place: Where, context: ssl.SSLContext, path: str = "/") -> http.client.HTTPResponse:
    connection = http.client.HTTPSConnection(*place, timeout=5, context=context)
    try:
        connection.request("GET", path, headers={"Host": f"shop.example.com:{place[1]}"})
        answer = connection.getresponse()
        answer.body = answer.read()  # type: ignore[attr-defined]
        return answer
    finally:
        connection.close()


# ---- listeners ------------------------------------------------------------------------------------------------------


def test_a_client_verifies_an_https_listener_by_its_address(stage: Stage) -> None:
    """With the authority that `local ca` prints and no name in hand; the target is told of HTTPS, and of its port."""
    heads: list[bytes] = []

    def script(connection: Connection) -> None:
        while head := connection.head():
            heads.append(head)
            connection.answer(b"x" * 300_000)

    with Scripted(script) as target:
        stage.health.set("group", target.state())
        place = serve(stage, secure(default(to("group"))))
        assert get(place, trusting(stage.authority.certificate())).body == b"x" * 300_000  # type: ignore[attr-defined]
        with pytest.raises(ssl.SSLCertVerificationError):
            get(place, ssl.create_default_context())
    assert {b"X-Forwarded-Proto: https", b"X-Forwarded-Port: 8443"} <= set(heads[0].split(b"\r\n"))


def test_clients_are_shown_the_certificate_of_the_name_that_they_ask_for(stage: Stage) -> None:
    """Exact names and wildcards of one label, of those that were added."""
    place = serve(stage, secure(certificates=(ServerCertificate(("default.example.net",)), SHOP, OTHERS)))
    pem = stage.authority.certificate()
    assert [shown(place, name, pem) for name in ("shop.example.com", "SHOP.example.com", "a.example.com")] == [
        "shop.example.com",
        "shop.example.com",
        "*.example.com",
    ]
    for unknown in ("a.b.example.com", "example.com"):
        with pytest.raises(ssl.SSLCertVerificationError):  # it is shown the default one
            shown(place, unknown, pem)
    assert shown(place, "default.example.net", pem) == "default.example.net"


def test_an_imported_certificate_is_shown_itself(stage: Stage, tmp_path: Path) -> None:
    """And another one from the next connection on, without a new socket; one without its key closes the listener."""
    _, file = self_signed(tmp_path)
    key, _, chain = file.read_text().partition("-----BEGIN CERTIFICATE-----")
    imported = ServerCertificate(("localhost",), f"-----BEGIN CERTIFICATE-----{chain}", key)
    place = serve(stage, secure(certificates=(imported,)))
    assert shown(place, "localhost", file.read_text()) == "localhost"
    assert serve(stage, secure()) == place
    assert shown(place, "shop.example.com", stage.authority.certificate()) == "shop.example.com"
    other = secure(listener_arn="other", certificates=(replace(imported, key=""),), port=8444)
    stage.balancer.configure((secure(), other))
    assert stage.balancer.settled()
    assert list(stage.balancer.addresses()) == ["listener"]
    assert list(stage.balancer.unopened()) == ["other"]


def test_a_listener_changes_between_http_and_https_on_its_socket(stage: Stage) -> None:
    """And its oldest TLS version changes, as its policy says."""
    place = serve(stage, listener(HELLO, port=8443))
    with pytest.raises(ssl.SSLError):
        get(place, trusting(stage.authority.certificate()))
    assert serve(stage, secure()) == place
    old = trusting(stage.authority.certificate())
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert get(place, old).status == 200
    assert serve(stage, secure(oldest_tls="TLSv1.3")) == place
    with pytest.raises((ssl.SSLError, ConnectionError)):
        get(place, old)
    assert get(place, trusting(stage.authority.certificate())).status == 200
    assert serve(stage, listener(HELLO, port=8443)) == place
    connection = http.client.HTTPConnection(*place, timeout=5)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"hello"
    connection.close()


def test_what_does_not_speak_tls_gets_nothing_and_disturbs_nobody(stage: Stage) -> None:
    """A request in plain text, and one that stops in the middle of the handshake."""
    place = serve(stage, secure())
    with socket.create_connection(place, timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP/1.1" not in plain.recv(65536)
    with socket.create_connection(place, timeout=5) as plain:
        plain.sendall(b"\x16\x03\x01\x02\x00\x01")
    assert get(place, trusting(stage.authority.certificate())).status == 200


def test_a_redirect_to_https_leads_to_where_it_is_on_this_machine(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port of the other listener may be another one here; that of a host elsewhere is left alone."""
    here = Redirect(301, protocol="HTTPS", port="443")
    away = Route("away", 1, (Condition("path-pattern", ("/away",)),), replace(here, host="example.com"))
    monkeypatch.setattr("reconciler.local.addresses._refusal", lambda _, port: "taken" if port == 443 else None)
    https = secure(listener_arn="https", port=443)
    place = serve(stage, listener(away, default(here), port=8081), https)
    moved = stage.balancer.addresses()["https"]
    assert moved[1] == 10_443

    def location(path: str) -> str | None:
        connection = http.client.HTTPConnection(*place, timeout=5)
        connection.request("GET", path)
        answer = connection.getresponse()
        connection.close()
        return answer.headers["Location"]

    assert location("/a?b=1") == f"https://{place[0]}:10443/a?b=1"
    assert location("/away") == "https://example.com/away"
    assert get(moved, trusting(stage.authority.certificate())).status == 200


def test_smoke_tests_take_any_certificate(stage: Stage) -> None:
    """On this machine as on AWS, where a load balancer shows the certificate of the service's own name."""
    host, port = serve(stage, secure())
    assert fetch(f"https://{host}:{port}", "/", {}) == (200, "hello")


def test_users_sign_in_over_https(stage: Stage) -> None:
    """The provider sends them back by HTTPS, to the port by which they came."""
    sign_in = SignIn("https://login.example.com/authorize", "shop", "openid", "AWSELBAuthSessionCookie", "authenticate")
    place = serve(stage, secure(replace(HELLO, sign_in=sign_in)))
    answer = get(place, trusting(stage.authority.certificate()))
    back = parse_qs(urlsplit(answer.headers["Location"]).query)["redirect_uri"]
    assert (answer.status, back) == (302, [f"https://shop.example.com:{place[1]}/oauth2/idpresponse"])


# ---- targets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "of_targets"), [("HTTPS", "HTTPS"), ("HTTP", "HTTPS"), ("TLS", "TLS"), ("TLS", "TCP")]
)
def test_targets_speak_tls_where_their_group_does(stage: Stage, tmp_path: Path, protocol: str, of_targets: str) -> None:
    """Their certificates are not verified. A network load balancer ends TLS, and begins it anew to such targets."""
    context = self_signed(tmp_path)[0] if of_targets in ("HTTPS", "TLS") else None
    with Scripted(echo(b"safe"), context=context) as target:
        settings = TargetGroupSettings("group", "group", protocol=of_targets)
        stage.health.set("group", target.state(), settings=settings)
        of_listener = secure(default(to("group")), protocol=protocol)
        place = serve(stage, of_listener if protocol != "HTTP" else listener(default(to("group")), port=8443))
        if protocol == "HTTP":
            connection = http.client.HTTPConnection(*place, timeout=5)
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"safe"
            connection.close()
        else:
            assert get(place, trusting(stage.authority.certificate())).body == b"safe"  # type: ignore[attr-defined]


def test_health_checks_by_https_take_any_certificate(plane: DataPlane, control: Recorder, tmp_path: Path) -> None:
    """A load balancer does not verify those of its targets."""
    with Scripted(echo(), context=self_signed(tmp_path)[0]) as target:
        where = Target("10.0.1.5", 443, "", "127.0.0.1", target.port)
        group = TargetGroupSettings(
            "tg", "tg", protocol="HTTPS", health_check_protocol="HTTPS", interval=0.06, healthy_threshold=2
        )
        plane.probe.watch(group)
        plane.probe.set_targets("tg", (where,))
        control.until(lambda: plane.probe.states("tg")[0].state == "healthy")


# ---- the authority --------------------------------------------------------------------------------------------------


def test_the_authority_is_created_when_it_is_needed_and_stays(tmp_path: Path) -> None:
    """Its key is the user's alone; the next emulator of the folder has the same."""
    folder = tmp_path / "state"
    authority = Authority(folder)
    assert not folder.exists()
    pem = authority.certificate()
    assert (folder / "ca.pem").read_text() == pem
    assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o600
    assert (Authority(folder).certificate(), Authority(folder).note) == (pem, "")


def test_server_certificates_are_renewed_in_time(tmp_path: Path) -> None:
    """By the machine's clock: the same one for sixty days, then a new one; an authority near its end is replaced."""
    clock = ManualClock()
    authority = Authority(tmp_path, clock)
    first = authority.issue(("shop.example.com", "127.31.0.1"))
    clock.advance(timedelta(days=59).total_seconds())
    assert authority.issue(("shop.example.com", "127.31.0.1")) is first
    clock.advance(timedelta(days=2).total_seconds())
    assert authority.issue(("shop.example.com", "127.31.0.1")).chain != first.chain
    pem = authority.certificate()
    clock.advance((LIFETIME - OF_SERVERS).total_seconds())
    later = Authority(tmp_path, clock)
    assert "expired" in later.note
    assert later.certificate() != pem


@pytest.mark.parametrize("file", ["ca.pem", "ca.key"])
def test_an_authority_that_cannot_be_used_is_replaced_and_that_is_said(tmp_path: Path, file: str) -> None:
    """Garbage, or the key of another one; a file that cannot be read is an error."""
    pem = Authority(tmp_path).certificate()
    other = Authority(tmp_path / "other")
    other.certificate()
    for wrong in ("garbage", (tmp_path / "other" / file).read_text()):
        (tmp_path / file).write_text(wrong)
        again = Authority(tmp_path)
        assert "not a certificate with its key" in again.note
        assert again.certificate() != pem
    (tmp_path / file).unlink()
    (tmp_path / file).mkdir()
    with pytest.raises(errors.ReconcilerError, match=file):
        Authority(tmp_path)


def test_a_name_that_is_too_long_for_a_subject_is_an_alternative_name(tmp_path: Path) -> None:
    """RFC 5280: 64 characters."""
    long = f"{'a' * 60}.example.com"
    one = Authority(tmp_path).issue((long,))
    assert Certificates([one]).chosen(long) is Certificates([one]).chosen(None)
