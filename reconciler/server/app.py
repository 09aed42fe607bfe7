"""HTTP server of the controller: /healthz, /readyz and /metrics. Read only, and nothing is secret.

    GET /healthz   200 while the controller makes progress, else 503: restart it
    GET /readyz    200 while it is working, else 503 with the reasons
    GET /metrics   Prometheus text format

Every request is bounded: 8 KiB and five seconds in total, eight at a time, one per connection. Further ones are refused
immediately, so that clients cannot exhaust the process. This machine has places of its own, for the health check of the
container: others must not be able to have the process replaced.
"""

from __future__ import annotations

import json
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from reconciler import errors, events, http_guard
from reconciler.log import log
from reconciler.server import metrics as prometheus
from reconciler.server.health import Health, Verdict
from reconciler.server.metrics import Metrics

MOST_AT_ONCE: Final = 8
MOST_LOCAL: Final = 2
"""Further requests at a time from this machine, where others can connect, too."""
LARGEST_REQUEST: Final = 8 * 1024
REQUEST_SECONDS: Final = 5.0
CLOSING_SECONDS: Final = 0.25
"""Time limit of `close`."""

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Connection": "close",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Answer:
    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"

    @classmethod
    def of(cls, status: HTTPStatus, said: Mapping[str, Any]) -> Answer:
        return cls(status, json.dumps(said).encode() + b"\n")

    def bytes(self, *, head: bool = False) -> bytes:
        fields = {"Content-Type": self.content_type, "Content-Length": str(len(self.body)), **HEADERS}
        if self.status is HTTPStatus.METHOD_NOT_ALLOWED:
            fields["Allow"] = "GET, HEAD"
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", *(f"{key}: {fields[key]}" for key in fields)]
        return "\r\n".join([*lines, "", ""]).encode("ascii") + (b"" if head else self.body)


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages by path. `loopback_only`: the server listens on a loopback address (`http_guard`)."""

    health: Health
    metrics: Metrics
    loopback_only: bool

    def answer(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        """`headers` by lower-case name."""
        rejection = http_guard.check(
            host=headers.get("host", ""),
            origin=headers.get("origin"),
            fetch_site=headers.get("sec-fetch-site"),
            loopback_only=self.loopback_only,
        )
        if rejection is not None:
            return Answer.of(rejection.status, {"error": rejection.reason})
        page = self._routes().get(target.partition("?")[0])
        if page is None:
            return Answer.of(HTTPStatus.NOT_FOUND, {"error": "not found; available paths: /healthz, /readyz, /metrics"})
        if method not in ("GET", "HEAD"):
            return Answer.of(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "only GET and HEAD are allowed"})
        return page()

    def _routes(self) -> dict[str, Callable[[], Answer]]:
        return {
            "/healthz": lambda: _verdict(self.health.live()),
            "/readyz": lambda: _verdict(self.health.ready()),
            "/metrics": lambda: Answer(HTTPStatus.OK, self.metrics.text(), prometheus.CONTENT_TYPE),
        }


def _verdict(verdict: Verdict) -> Answer:
    return Answer.of(HTTPStatus.OK if verdict.well else HTTPStatus.SERVICE_UNAVAILABLE, verdict.said)


# -- sockets


class _Malformed(Exception):
    """`status` is the response."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class _Request(socketserver.BaseRequestHandler):
    """One connection with one request."""

    server: _Server

    def handle(self) -> None:
        try:
            method, target, headers = _parsed(_head(self.request))
        except _Malformed as error:
            self.request.sendall(Answer.of(error.status, {"error": error.status.phrase}).bytes())
            return
        except OSError:
            return  # the client disconnected or sent nothing
        answer = self.server.pages.answer(method, target, headers)
        try:
            self.request.settimeout(REQUEST_SECONDS)
            self.request.sendall(answer.bytes(head=method == "HEAD"))
        except OSError:
            return


def _head(sock: socket.socket) -> bytes:
    """Everything up to the empty line. Raises `OSError` if it does not arrive in time."""
    end, text = time.monotonic() + REQUEST_SECONDS, b""
    while b"\r\n\r\n" not in text:
        if len(text) >= LARGEST_REQUEST:
            raise _Malformed(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        sock.settimeout(max(0.001, end - time.monotonic()))
        more = sock.recv(min(4096, LARGEST_REQUEST - len(text)))
        if not more:
            raise ConnectionResetError
        text += more
    return text.partition(b"\r\n\r\n")[0]


def _parsed(head: bytes) -> tuple[str, str, dict[str, str]]:
    """Method, target and headers by lower-case name; repeated headers are joined by a comma."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        raise _Malformed(HTTPStatus.BAD_REQUEST)
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        key = name.lower()
        if not http_guard.is_header_name(name) or (key == "host" and key in headers):
            raise _Malformed(HTTPStatus.BAD_REQUEST)
        headers[key] = f"{headers[key]},{value.strip()}" if key in headers else value.strip()
    return words[0], words[1], headers


class _Server(socketserver.TCPServer):
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, family: socket.AddressFamily, address: tuple[str, int], pages: Pages) -> None:
        self.address_family = family
        self.pages = pages
        self._free = threading.Semaphore(MOST_AT_ONCE)
        self._local = threading.Semaphore(0 if pages.loopback_only else MOST_LOCAL)
        super().__init__(address, _Request)

    def process_request(self, request: Any, client_address: Any) -> None:
        place = self._place(client_address[0])
        if place is None:
            self._turn_away(request)
            return
        thread = threading.Thread(target=self._serve, args=(request, client_address, place), name="http", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the machine has no threads left
            place.release()
            self._turn_away(request)

    def _place(self, client: str) -> threading.Semaphore | None:
        """A place for a request, to be released when it has ended."""
        if self._free.acquire(blocking=False):
            return self._free
        if http_guard.is_loopback_address(client) and self._local.acquire(blocking=False):
            return self._local
        return None

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.exception(events.REQUEST_FAILED)

    def _serve(self, request: Any, client_address: Any, place: threading.Semaphore) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:  # noqa: BLE001 - a fault in one response must not stop the server
            self.handle_error(request, client_address)
        finally:
            place.release()
            self.shutdown_request(request)

    def _turn_away(self, request: Any) -> None:
        try:
            request.setblocking(False)
            request.send(Answer.of(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "too many concurrent requests"}).bytes())
        except OSError:
            pass  # the client gets no reason, and is disconnected
        finally:
            self.shutdown_request(request)


class Serving:
    """A running server and its `url`."""

    def __init__(self, server: _Server) -> None:
        host, port = server.server_address[:2]
        self.url = f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": CLOSING_SECONDS}, name="http-accept", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Accept no more requests; those in progress end within five seconds, or with the process."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve(address: str, port: int, health: Health, metrics: Metrics) -> Serving:
    """Listen on `address`, an IP address or `localhost`; port 0 is any free port.

    Raises `errors.ReconcilerError` if that is not possible.
    """
    place = "127.0.0.1" if address == "localhost" else address
    family = socket.AF_INET6 if ":" in place else socket.AF_INET
    try:
        server = _Server(
            family, (place, port), Pages(health, metrics, loopback_only=http_guard.is_loopback_address(place))
        )
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise errors.ReconcilerError(f"cannot listen on {address}:{port}: {why}") from error
    return Serving(server)
