"""Connections to AWS share one TLS context, and trust no less carefully for it."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.aws.session import Boto
from reconciler.model.resource import Call
from tests.conftest import REGION
from tests.harness.tls import self_signed

CALL = Call("ecs", "ListClusters", {"maxResults": 1})


class Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = b'{"clusterArns": []}'
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to say."""


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An HTTPS server whose certificate nobody vouches for; its URL and its own certificate."""
    context, both = self_signed(tmp_path)
    server = HTTPServer(("127.0.0.1", 0), Answer)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # it is left in the middle of a handshake
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"https://localhost:{server.server_address[1]}", both
    server.shutdown()
    thread.join(10)
    server.server_close()


def test_all_clients_share_one_context_that_is_loaded_once() -> None:
    """Whatever service, the authorities are in the one context already, and no connection loads them again."""
    boto = Boto(REGION)
    sessions = [boto._client(name)._endpoint.http_session for name in ("ecs", "ec2")]
    first, second = (session._manager.connection_pool_kw["ssl_context"] for session in sessions)
    assert first is second
    assert first.verify_mode is ssl.CERT_REQUIRED
    assert len(first.get_ca_certs()) > 50
    pool = sessions[0]._manager.connection_from_url("https://ecs.us-west-2.amazonaws.com")
    sessions[0]._setup_ssl_cert(pool, "https://ecs.us-west-2.amazonaws.com", True)
    assert (pool.cert_reqs, pool.ca_certs) == ("CERT_REQUIRED", None)


def test_a_stranger_is_not_taken_for_aws(stranger: tuple[str, Path]) -> None:
    """A certificate that no authority has signed ends the connection, before anything is sent."""
    with pytest.raises(errors.AwsError, match="CERTIFICATE_VERIFY_FAILED"):
        Boto(REGION, endpoint=stranger[0]).perform(CALL)


def test_another_bundle_is_heeded(stranger: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_CA_BUNDLE says whom to trust, as everywhere with AWS."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(stranger[1]))
    assert Boto(REGION, endpoint=stranger[0]).perform(CALL)["clusterArns"] == []
