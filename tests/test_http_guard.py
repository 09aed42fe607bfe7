"""The guard of every local server: which Host, Origin and Sec-Fetch-Site are served."""

from __future__ import annotations

import pytest

from reconciler.http_guard import check, is_loopback_address

OWN_HOSTS = ["127.0.0.1", "127.0.0.1:4566", "127.1.2.3:1", "localhost", "LocalHost:4566", "[::1]", "[::1]:4566"]
FOREIGN_HOSTS = [
    "",
    "evil.example",
    "evil.example:4566",
    "localhost.evil.example",
    "localhost.evil.example:4566",
    "127.0.0.1.nip.io",
    "localtest.me",
    "evil.localhost",
    "localhost.",
    "localhost, evil.example",
    "localhost,localhost",
    "evil.example@127.0.0.1",
    "127.0.0.1@evil.example",
    "127.0.0.1/evil.example",
    "127.0.0.1:evil",
    "127.0.0.1:4566:4566",
    "127.1",
    "0x7f.0.0.1",
    "2130706433",
    "0.0.0.0",
    "10.0.0.1",
    "169.254.169.254",
    "[::]",
    "[::1",
    "::1",
    "[::1].evil.example",
    "[fe80::1%lo]",
    "localhost\t",
    "127.0.0.1\nevil",
    "127.0.0.١",
]


def status(host: str, *, origin: str | None = None, site: str | None = None, loopback_only: bool = True) -> int:
    rejection = check(host=host, origin=origin, fetch_site=site, loopback_only=loopback_only)
    return 200 if rejection is None else int(rejection.status)


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_loopback_hosts_are_served(host: str) -> None:
    """Loopback addresses and the name localhost, with any port."""
    assert status(host) == 200


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_other_hosts_are_misdirected(host: str) -> None:
    """Names that only look like localhost, and names that resolve to it, are 421."""
    assert status(host) == 421


def test_a_server_on_the_network_serves_any_host() -> None:
    """A Fargate task is asked by its address or a load balancer's name; the page behind a request still counts."""
    assert status("10.0.1.7:9090", loopback_only=False) == 200
    assert status("10.0.1.7:9090", origin="http://evil.example", loopback_only=False) == 403
    assert status("10.0.1.7:9090", site="cross-site", loopback_only=False) == 403


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "https://127.0.0.1:4566",
        "http://127.0.0.1",
        "http://127.0.0.1:3000",
        "http://localhost:4566",
        "http://127.0.0.1:4566.evil.example",
        "http://127.0.0.1:4566,http://127.0.0.1:4566",
        "file://",
    ],
)
def test_foreign_origins_are_forbidden(origin: str) -> None:
    """Another scheme, host or port is another origin; `null` is a sandboxed page or a file."""
    assert status("127.0.0.1:4566", origin=origin) == 403


def test_the_servers_own_origin_is_served() -> None:
    """Scheme, host and port as the page was loaded."""
    assert status("127.0.0.1:4566", origin="http://127.0.0.1:4566", site="same-origin") == 200
    assert status("LOCALHOST:4566", origin="http://localhost:4566") == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "Cross-Site", "nonsense", "none,cross-site"])
def test_requests_across_sites_are_forbidden(site: str) -> None:
    """`same-site` is a page on another port of this machine."""
    assert status("127.0.0.1:4566", site=site) == 403


@pytest.mark.parametrize("site", [None, "none", "same-origin"])
def test_programs_and_typed_addresses_are_served(site: str | None) -> None:
    """Programs send no Sec-Fetch-Site; a typed address has `none`."""
    assert status("127.0.0.1:4566", site=site) == 200


def test_the_host_is_judged_first() -> None:
    """A page under a rebound name is told that it is at the wrong server, whatever else it sends."""
    assert status("evil.example", origin="http://evil.example", site="same-origin") == 421


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", False),
        ("", False),
        ("8.8.8.8", False),
        ("::ffff:127.0.0.1", True),
        ("::ffff:8.8.8.8", False),
    ],
)
def test_only_addresses_are_loopback_addresses(text: str, loopback: bool) -> None:
    """Names are resolved by nobody here."""
    assert is_loopback_address(text) is loopback
