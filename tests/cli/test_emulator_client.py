"""What any endpoint on this machine is asked: one that is the AWS emulator, one that is something else, and none."""

from __future__ import annotations

import json

import pytest

from reconciler.cli.emulator_client import EMULATOR, clock_of, default_endpoint, urls_of
from tests.harness.answering import answering

HEALTH = {"speed": 60.0, "now": "2026-03-01T12:00:00+00:00"}
URLS = {"arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/a/1/2": "http://127.0.0.1:8080"}


def laptop(path: str) -> tuple[int, bytes]:
    return 200, json.dumps({"/_reconciler/health": HEALTH, "/_reconciler/urls": URLS}[path]).encode()


def test_the_laptops_clock_and_addresses_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past a proxy that the environment names: it could not reach this machine."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with answering(laptop) as url:
        assert clock_of(url).speed == HEALTH["speed"]
        assert clock_of(url).now().year == 2026
        assert urls_of(url) == URLS


@pytest.mark.parametrize(("status", "body"), [(404, b'{"speed": 60.0}'), (200, b"<html>"), (200, b"[]")])
def test_what_answers_otherwise_is_another_aws(status: int, body: bytes) -> None:
    """With the machine's own time, and listeners where AWS says."""
    with answering(lambda _: (status, body)) as url:
        assert clock_of(url).speed == 1.0
        assert urls_of(url) == {}


@pytest.mark.parametrize(
    "endpoint", [None, "https://ecs.us-west-2.amazonaws.com", "http://127.0.0.1:1", "http://127.0.0.1:many", "//127."]
)
def test_where_nothing_answers_there_is_no_laptop(endpoint: str | None) -> None:
    """Nor is anything but this machine asked."""
    assert clock_of(endpoint).speed == 1.0
    assert urls_of(endpoint) == {}


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("http://127.0.0.1:4999", "http://127.0.0.1:4999"),
        ("http://localhost:1", "http://localhost:1"),
        ("https://aws.example.com", EMULATOR),
        ("", EMULATOR),
    ],
)
def test_local_stands_for_what_the_variable_names_here(monkeypatch: pytest.MonkeyPatch, named: str, meant: str) -> None:
    """An endpoint elsewhere is no emulator of this machine."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", named)
    assert default_endpoint() == meant
