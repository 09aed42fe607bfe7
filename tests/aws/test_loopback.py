"""An AWS on this machine is reached past the environment's proxies; what is elsewhere goes through them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler import errors
from reconciler.aws.loopback import is_loopback
from reconciler.aws.session import Boto
from reconciler.model.resource import Call
from tests.harness.answering import answering

ANSWER = b'{"clusterArns": ["arn:aws:ecs:us-west-2:123456789012:cluster/here"]}'
NOWHERE = "http://127.0.0.1:9"


def noting(asked: list[str]) -> Callable[[str], tuple[int, bytes]]:
    def answer(path: str) -> tuple[int, bytes]:
        asked.append(path)
        return 200, ANSWER

    return answer


@pytest.mark.parametrize("named", ["by hand", "by AWS_ENDPOINT_URL"])
def test_this_machine_is_reached_past_a_proxy(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However its endpoint was named."""
    monkeypatch.setenv("http_proxy", NOWHERE)
    asked: list[str] = []
    with answering(noting(asked)) as url:
        if named == "by AWS_ENDPOINT_URL":
            monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        boto = Boto("us-west-2", endpoint=url if named == "by hand" else None, anonymous=True)
        found = boto.perform(Call("ecs", "ListClusters"))
    assert found["clusterArns"] == ["arn:aws:ecs:us-west-2:123456789012:cluster/here"]
    assert asked == ["/"]


def test_what_is_elsewhere_goes_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy is asked for the whole address."""
    asked: list[str] = []
    with answering(noting(asked)) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        Boto("us-west-2", endpoint="http://ecs.example", anonymous=True).perform(Call("ecs", "ListClusters"))
    assert asked == ["http://ecs.example/"]


def test_a_proxy_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the proxy."""
    monkeypatch.setenv("http_proxy", NOWHERE)
    with pytest.raises(errors.AwsError, match=NOWHERE):
        Boto("us-west-2", endpoint="http://ecs.example", anonymous=True).perform(Call("ecs", "ListClusters"))


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECS", "HTTPS_PROXY"])
@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://127.0.0.1:abc", "the port of the"),
        ("http://ana:secret@10.0.0.1:65536", "the port of the"),
        ("ftp://10.0.0.1", "neither http nor https"),
    ],
)
def test_a_url_that_is_configured_wrongly_is_named(
    variable: str, url: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no answer of AWS, and asking again would not help; a password is not repeated."""
    monkeypatch.setenv(variable, url)
    with pytest.raises(errors.AwsConfigurationInvalid, match=wrong) as refused:
        Boto("us-west-2", anonymous=True).perform(Call("ecs", "ListClusters"))
    assert url.rpartition("@")[2].rpartition("/")[2] in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://localhost:4566", "http://127.0.0.1:4566", "https://127.1.2.3", "http://[::1]:80"]
)
def test_these_are_this_machine(url: str) -> None:
    """By name or address, whatever the port."""
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "https://ecs.us-west-2.amazonaws.com",
        "http://127.evil.example",
        "http://localhost.evil.example",
        "http://10.0.0.1",
        "http://[::2]",
        "http://[broken",
        "127.0.0.1:4566",
    ],
)
def test_these_are_not(url: str | None) -> None:
    """A name that begins like an address of this machine is somebody else's."""
    assert not is_loopback(url)
