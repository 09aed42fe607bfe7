"""The laptop AWS as a WSGI application, and its own few routes beside AWS's.

    /_reconciler/health    GET     it answers
    /_reconciler/faults    GET     the active faults · POST one (the fields of `faults.Fault`) · DELETE all, or ?id=…
    /_reconciler/urls      GET     where each listener can really be reached
    /_reconciler/reset     POST    an empty account

Everything else is a request to AWS.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

import orjson

from reconciler.local import wire
from reconciler.local.aws import LaptopAws
from reconciler.local.faults import Fault
from reconciler.local.refusal import LostAnswer, Refusal
from reconciler.local.wire import Request
from reconciler.log import log

OWN = "/_reconciler/"
LARGEST_BODY = 64 * 1024 * 1024
REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Endpoint:
    def __init__(self, laptop: LaptopAws) -> None:
        self.laptop = laptop

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", "/"))
        body = _body(environ)
        if path.startswith(OWN):
            query = {key: values[-1] for key, values in parse_qs(str(environ.get("QUERY_STRING", ""))).items()}
            status, answer = self._own(str(environ["REQUEST_METHOD"]), path.removeprefix(OWN), query, body)
            return _send(start_response, status, {"content-type": "application/json"}, orjson.dumps(answer))
        raw = str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or path)
        if "?" not in raw and environ.get("QUERY_STRING"):
            raw = f"{raw}?{environ['QUERY_STRING']}"
        request = Request(str(environ["REQUEST_METHOD"]), raw, _headers(environ), body)
        try:
            response = self.laptop.handle(request)
        except LostAnswer:
            return _hang_up(environ, start_response)
        except Exception as error:
            log.exception("laptop.failed")
            refusal = Refusal("InternalFailure", f"{type(error).__name__}: {error}", status=500)
            response = wire.refuse(wire.recognise(request, self.laptop.region), refusal, "0")
        return _send(start_response, response.status, dict(response.headers), response.body)

    def _own(self, method: str, name: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        faults = self.laptop.faults
        match method, name:
            case "GET", "health":
                clock = self.laptop.clock
                return 200, {
                    "status": "ok",
                    "region": self.laptop.region,
                    "account": self.laptop.account,
                    "now": clock.now().isoformat(),
                    "speed": clock.speed,
                }
            case "GET", "faults":
                return 200, [fault.as_json() for fault in faults.active()]
            case "POST", "faults":
                try:
                    return 200, {"id": faults.add(Fault(**orjson.loads(body)))}
                except (TypeError, ValueError) as error:
                    return 400, {"error": str(error)}
            case "DELETE", "faults":
                if "id" not in query:
                    faults.clear()
                    return 200, {}
                return (200, {}) if faults.remove(query["id"]) else (404, {"error": f"there is no fault {query['id']}"})
            case "GET", "urls":
                return 200, self.laptop.urls()
            case "POST", "reset":
                self.laptop.reset()
                return 200, {}
            case _:
                return 404, {"error": f"there is no {method} {OWN}{name}"}


def _body(environ: dict[str, Any]) -> bytes:
    if str(environ.get("HTTP_TRANSFER_ENCODING", "")).lower() == "chunked":
        return bytes(environ["wsgi.input"].read())
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return bytes(environ["wsgi.input"].read(min(length, LARGEST_BODY))) if length else b""


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    headers = {
        key[5:].replace("_", "-").lower(): str(value) for key, value in environ.items() if key.startswith("HTTP_")
    }
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            headers[key.replace("_", "-").lower()] = str(environ[key])
    return headers


def _send(start_response: StartResponse, status: int, headers: dict[str, str], body: bytes) -> Iterable[bytes]:
    kept = [(name, value) for name, value in headers.items() if name.lower() not in ("content-length", "status")]
    start_response(f"{status} {REASONS.get(status, 'Status')}", [*kept, ("content-length", str(len(body)))])
    return [body]


def _hang_up(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """End the connection without an answer, where the server lets us at it; else an answer that breaks off."""
    connection = environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        connection.shutdown(socket.SHUT_RDWR)
    start_response("502 Bad Gateway", [("content-length", "1"), ("connection", "close")])
    return []
