"""The local AWS emulator as a WSGI application, and its own few routes beside AWS's.

    /_reconciler/health    GET     it answers
    /_reconciler/faults    GET     the active faults · POST one (the fields of `faults.Fault`) · DELETE all, or ?id=…
    /_reconciler/urls      GET     where each listener can really be reached
    /_reconciler/ca        GET     the certificate authority of the secure listeners
    /_reconciler/hooks     GET     the functions of lifecycle hooks that CodeDeploy waits for, and what they were told
    /_reconciler/functions GET     what stands in for Lambda functions · POST name → its answer · DELETE all
    /_reconciler/events    GET     state changes of ECS deployments and their hooks, as EventBridge would deliver them
    /_reconciler/task      GET     ?id=… the processes of a running task: where they run, with which environment
    /_reconciler/reset     POST    an empty account

Everything else is a request to AWS. No web page gets through to either: `http_guard` and `admission` see each request
before its body is read.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from http.client import responses
from typing import Any
from urllib.parse import parse_qs

import orjson

from reconciler import http_guard
from reconciler.local import admission, wire
from reconciler.local.aws import LaptopAws
from reconciler.local.faults import Fault
from reconciler.local.refusal import LostAnswer, Refusal
from reconciler.local.wire import LARGEST_BODY, Request
from reconciler.log import log

OWN = "/_reconciler/"
SECURITY_HEADERS = (
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    # an object in S3 may be a page: it runs nothing, and is of no origin that the guard would let in
    ("content-security-policy", "sandbox; default-src 'none'"),
)
ANSWERS = frozenset({"SUCCEEDED", "FAILED", "IN_PROGRESS"})
"""Of the function of a lifecycle hook."""
MALFORMED = "reconciler.malformed"
"""Set in the environment of a request whose head HTTP does not allow."""
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Endpoint:
    def __init__(self, laptop: LaptopAws) -> None:
        self.laptop = laptop

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", "/"))
        own = path.startswith(OWN)
        rejection = _rejection(environ, own=own)
        if rejection is not None:
            return _send_json(start_response, rejection.status, {"error": rejection.reason})
        try:
            body = _body(environ)
        except (ValueError, OSError) as error:  # a chunk that is none is an OSError of werkzeug's
            return _send_json(start_response, HTTPStatus.BAD_REQUEST, {"error": str(error)})
        if own:
            query = {key: values[-1] for key, values in parse_qs(str(environ.get("QUERY_STRING", ""))).items()}
            status, answer = self._own(str(environ["REQUEST_METHOD"]), path.removeprefix(OWN), query, body)
            return _send_json(start_response, status, answer)
        raw = str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or path)
        if "?" not in raw and environ.get("QUERY_STRING"):
            raw = f"{raw}?{environ['QUERY_STRING']}"
        request = Request(str(environ["REQUEST_METHOD"]), raw, _headers(environ), body)
        try:
            call = wire.recognise(request, self.laptop.region)
        except ValueError as error:
            return _send_json(start_response, HTTPStatus.BAD_REQUEST, {"error": str(error)})
        try:
            refusal = admission.check(call)
            response = wire.refuse(call, refusal, "0") if refusal else self.laptop.handle_call(call)
        except LostAnswer:
            return _hang_up(environ, start_response)
        except Exception as error:
            log.exception("laptop.failed")
            refusal = Refusal("InternalFailure", f"{type(error).__name__}: {error}", status=500)
            response = wire.refuse(call, refusal, "0")
        return _send(start_response, response.status, dict(response.headers), response.body)

    def _own(self, method: str, name: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        faults = self.laptop.faults
        match method, name:
            case "GET", "health":
                clock = self.laptop.clock
                return 200, {
                    "status": "ok",
                    "region": self.laptop.region,
                    "regions": sorted(world.region for world in self.laptop.regions),
                    "account": self.laptop.account,
                    "now": clock.now().isoformat(),
                    "speed": clock.speed,
                    "folder": self.laptop.folder,
                }
            case "GET", "faults":
                return 200, [fault.as_json() for fault in faults.active()]
            case "POST", "faults":
                try:
                    return 200, {"id": self.laptop.inject(Fault(**orjson.loads(body)))}
                except (TypeError, ValueError) as error:
                    return 400, {"error": str(error)}
            case "DELETE", "faults":
                if "id" not in query:
                    faults.clear()
                    return 200, {}
                return (200, {}) if faults.remove(query["id"]) else (404, {"error": f"there is no fault {query['id']}"})
            case "GET", "urls":
                return 200, self.laptop.urls()
            case "GET", "ca":
                try:
                    authority = self.laptop.authority()
                except OSError as error:
                    return 500, {"error": f"the certificate authority cannot be stored: {error}"}
                if authority is None:
                    return 404, {"error": "no listener of this emulator speaks TLS"}
                return 200, dict(zip(("certificate", "path"), authority, strict=True))
            case "GET", "hooks":
                return 200, self.laptop.hooks()
            case (("GET" | "POST" | "DELETE"), "functions"):
                given = orjson.loads(body) if method == "POST" else {} if method == "GET" else None
                if given and not set(given.values()) <= ANSWERS:
                    return 400, {"error": f"a function answers one of {', '.join(sorted(ANSWERS))}"}
                return 200, self.laptop.functions(given)
            case "GET", "events":
                return 200, self.laptop.state_changes()
            case "GET", "task":
                return 200, {"containers": self.laptop.inside(query.get("id", ""))}
            case "POST", "reset":
                self.laptop.reset()
                return 200, {}
            case _:
                return 404, {"error": f"there is no {method} {OWN}{name}"}


def _rejection(environ: Mapping[str, Any], *, own: bool) -> http_guard.Rejection | None:
    if environ.get(MALFORMED):
        return http_guard.Rejection(HTTPStatus.BAD_REQUEST, "the head of the request is malformed")
    rejection = http_guard.check(
        host=str(environ.get("HTTP_HOST", "")),
        origin=environ.get("HTTP_ORIGIN"),
        fetch_site=environ.get("HTTP_SEC_FETCH_SITE"),
        loopback_only=True,
    )
    if rejection is None and own and not environ.get(_environ_key(http_guard.CLIENT_HEADER)):
        return http_guard.Rejection(HTTPStatus.FORBIDDEN, f"the header {http_guard.CLIENT_HEADER} is required here")
    return rejection


def _environ_key(header: str) -> str:
    return f"HTTP_{header.upper().replace('-', '_')}"


def _body(environ: dict[str, Any]) -> bytes:
    """Raises ValueError where the body's length is not a number, or is over the limit."""
    if str(environ.get("HTTP_TRANSFER_ENCODING", "")).lower() == "chunked":
        body = bytes(environ["wsgi.input"].read(LARGEST_BODY + 1))
        length = len(body)
    else:
        text = str(environ.get("CONTENT_LENGTH") or "0")
        if not (text.isascii() and text.isdigit()):
            raise ValueError("Content-Length is not a number")
        length = int(text)
        body = bytes(environ["wsgi.input"].read(length)) if 0 < length <= LARGEST_BODY else b""
    if length > LARGEST_BODY:
        raise ValueError(f"the body is larger than {LARGEST_BODY} bytes")
    return body


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    headers = {
        key[5:].replace("_", "-").lower(): str(value) for key, value in environ.items() if key.startswith("HTTP_")
    }
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            headers[key.replace("_", "-").lower()] = str(environ[key])
    return headers


def _send_json(start_response: StartResponse, status: int, answer: Any) -> Iterable[bytes]:
    return _send(start_response, status, {"content-type": "application/json"}, orjson.dumps(answer))


def _send(start_response: StartResponse, status: int, headers: dict[str, str], body: bytes) -> Iterable[bytes]:
    kept = [(name, value) for name, value in headers.items() if _may_be_sent(name.lower())]
    if any(CONTROL.search(name) or CONTROL.search(value) for name, value in kept):
        # S3 sends what a presigned URL says in `response-content-type` and the like: it must not end the header
        return _send_json(start_response, HTTPStatus.BAD_REQUEST, {"error": "a header would hold a control character"})
    phrase = responses.get(status, "Status")
    start_response(f"{status} {phrase}", [*kept, *SECURITY_HEADERS, ("content-length", str(len(body)))])
    return [body]


def _may_be_sent(name: str) -> bool:
    """moto adds CORS headers to some of its answers; one of them would let any web page read what it asked for."""
    return name not in ("content-length", "status") and not name.startswith("access-control-")


def _hang_up(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """End the connection without an answer, where the server lets us at it; else an answer that breaks off."""
    connection = environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        connection.shutdown(socket.SHUT_RDWR)
    start_response("502 Bad Gateway", [("content-length", "1"), ("connection", "close")])
    return []
