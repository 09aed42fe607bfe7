"""AWS, STS and whoever gives credentials: one that drips, hangs or never ends costs one deadline."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.aws import session
from reconciler.aws.client import ANSWER_SECONDS, AwsClient
from reconciler.aws.session import Boto
from reconciler.clock import ManualClock
from reconciler.model.resource import Call
from tests.conftest import REGION
from tests.harness.peers import dripping, failed, flooding, peer, silent

CALL = Call("ecs", "ListClusters")
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SHORT = 0.2


BEHAVIOURS = pytest.mark.parametrize(
    "behave",
    [
        pytest.param(silent, marks=pytest.mark.slow),
        dripping(b"x", b"HTTP/1.1 200 OK\r\nX-Slow: "),
        pytest.param(dripping(b" ", OK + b"Content-Length: 1000000\r\n\r\n"), marks=pytest.mark.slow),
        pytest.param(dripping(b"HTTP/1.1 100 Continue\r\n\r\n"), marks=pytest.mark.slow),
    ],
    ids=["silent", "head", "body", "continue"],
)


@BEHAVIOURS
def test_a_service_that_trickles_is_given_up(behave: Callable[[socket.socket], None]) -> None:
    """A call has one deadline, and what became of it is unknown."""
    with peer(behave) as port:
        boto = Boto(REGION, endpoint=f"http://127.0.0.1:{port}", anonymous=True, read_timeout=SHORT)
        error = failed(lambda: boto.perform(CALL))
    assert (type(error), getattr(error, "code", "")) == (errors.Ambiguous, "NoAnswer")


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not fill the memory."""
    monkeypatch.setattr(session, "LARGEST_ANSWER", 1_000_000)
    with peer(flooding(b" " * 10_000, OK + b"\r\n")) as port:
        boto = Boto(REGION, endpoint=f"http://127.0.0.1:{port}", anonymous=True)
        error = failed(lambda: boto.perform(CALL))
    assert "it sent more than" in str(error)


@BEHAVIOURS
def test_credentials_that_trickle_are_given_up(
    monkeypatch: pytest.MonkeyPatch, behave: Callable[[socket.socket], None]
) -> None:
    """The endpoint of a container or of STS is asked within the deadline of the call that needs it."""
    with peer(behave) as port:
        url = f"http://127.0.0.1:{port}"
        role = Boto(REGION, assume_role="arn:aws:iam::123456789012:role/x", endpoint=url, read_timeout=SHORT)
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        failed(lambda: role.perform(CALL))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
        container = Boto(REGION, endpoint=url, read_timeout=SHORT)
        failed(lambda: container.perform(CALL))


def test_a_credential_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is a peer like any other."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    config = tmp_path / "config"
    config.write_text("[default]\ncredential_process = sleep 60\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    boto = Boto(REGION, endpoint="http://127.0.0.1:1", read_timeout=SHORT)
    assert "too long" in str(failed(lambda: boto.perform(CALL)))


def test_calls_in_flight_end_with_the_process() -> None:
    """Whoever is to stop does not wait for a service that is silent."""
    stop = threading.Event()
    with peer(silent) as port:
        boto = Boto(REGION, endpoint=f"http://127.0.0.1:{port}", anonymous=True, stop=stop)
        threading.Timer(0.2, stop.set).start()
        began = time.monotonic()
        error = failed(lambda: boto.perform(CALL))
    assert "it was stopped" in str(error)
    assert time.monotonic() - began < 2


def test_a_call_that_is_not_answered_is_not_sent_for_ever() -> None:
    """Eight attempts at a service that hangs would take a quarter of an hour."""
    clock, sent = ManualClock(), []

    class Silent:
        def perform(self, call: Call) -> dict[str, object]:
            sent.append(call)
            clock.advance(ANSWER_SECONDS)
            raise errors.Ambiguous("silence", call=str(call), code="NoAnswer")

    aws = AwsClient(Silent(), clock=clock)

    def conversation():  # type: ignore[no-untyped-def]
        return (yield CALL)

    with pytest.raises(errors.Ambiguous):
        aws.run(conversation())
    assert len(sent) == 1
