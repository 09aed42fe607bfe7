"""Application of the controller's HTTP server: /healthz, /readyz and /metrics, and the console, where there is one.

    GET /healthz   200 while the controller makes progress, else 503: restart it
    GET /readyz    200 while it is working, else 503 with the reasons
    GET /metrics   Prometheus text format

These three are read only, and nothing in them is secret. Everything else is the console's, which signs people in. Every
request is checked before anything looks at it: for web pages that made it (`http_guard`), and for paths that make no
sense. How many there may be at a time, and how long one may take, is decided below this (serving.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reconciler import events, http_guard
from reconciler.console.routes import Console
from reconciler.log import log
from reconciler.server import metrics as prometheus
from reconciler.server.health import Health, Verdict
from reconciler.server.metrics import Metrics

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
NOTHING_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
CONSOLE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
LARGEST_HEAD: Final = 8 * 1024
OWN: Final = ("/healthz", "/readyz", "/metrics")


def application(
    health: Health | None,
    metrics: Metrics | None,
    console: Console | None = None,
    *,
    loopback_only: bool,
    scheme: str = "http",
) -> ASGIApp:
    """`loopback_only`: it listens on a loopback address. `scheme` is that of its URLs in browsers."""
    routes = [] if console is None else list(console.routes())
    if health is not None and metrics is not None:
        routes += _own(health, metrics)
    app = Starlette(routes=routes, exception_handlers={404: _missing, 405: _not_allowed})
    app.router.redirect_slashes = False
    return Guarded(app, loopback_only=loopback_only, scheme=scheme)


def _own(health: Health, metrics: Metrics) -> list[Route]:
    async def live(_: Request) -> Response:
        return _verdict(health.live())

    async def ready(_: Request) -> Response:
        return _verdict(health.ready())

    async def scraped(_: Request) -> Response:
        return Response(metrics.text(), headers={"Content-Type": prometheus.CONTENT_TYPE, "Connection": "close"})

    return [Route(path, page, methods=["GET"]) for path, page in zip(OWN, (live, ready, scraped), strict=True)]


def _verdict(verdict: Verdict) -> Response:
    return _json(HTTPStatus.OK if verdict.well else HTTPStatus.SERVICE_UNAVAILABLE, verdict.said)


def _json(status: HTTPStatus, said: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    fields = {"Content-Type": "application/json", "Connection": "close", **(headers or {})}
    return Response(json.dumps(said).encode() + b"\n", status, fields)


async def _missing(_: Request, __: Exception) -> Response:
    return _json(HTTPStatus.NOT_FOUND, {"error": f"not found; available paths: {', '.join(OWN)}"})


async def _not_allowed(_: Request, error: Exception) -> Response:
    headers: Mapping[str, str] = getattr(error, "headers", None) or {}
    allowed = ", ".join(sorted(headers.get("Allow", "").split(", ")))
    return _json(HTTPStatus.METHOD_NOT_ALLOWED, {"error": f"only {allowed} are allowed"}, {"Allow": allowed})


class Guarded:
    """Checks of every request, and headers of every response."""

    def __init__(self, app: ASGIApp, *, loopback_only: bool, scheme: str) -> None:
        self._app, self._loopback_only, self._scheme = app, loopback_only, scheme

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with(message["headers"], scope["path"])
            await send(message)

        response = self._rejected(scope)
        try:
            await (self._app if response is None else response)(scope, receive, guarded)
        except Exception:
            log.exception(events.REQUEST_FAILED)
            raise

    def _rejected(self, scope: Scope) -> Response | None:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            headers[key] = f"{headers[key]},{text}" if key in headers else text
        length = (
            len(scope["raw_path"]) + len(scope["query_string"]) + sum(len(k) + len(v) + 4 for k, v in scope["headers"])
        )
        if length > LARGEST_HEAD:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            return _json(status, {"error": status.phrase})
        if not scope["raw_path"].startswith(b"/"):
            return _json(HTTPStatus.BAD_REQUEST, {"error": "Bad Request"})
        rejection = http_guard.check(
            host=headers.get("host", ""),
            origin=headers.get("origin"),
            fetch_site=headers.get("sec-fetch-site"),
            loopback_only=self._loopback_only,
            scheme=self._scheme,
            navigates=not self._loopback_only and _navigates(scope["method"], headers),
        )
        return None if rejection is None else _json(rejection.status, {"error": rejection.reason})


def _navigates(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a person follows a link: a page cannot read what comes, and nothing is written."""
    top = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return top and method == "GET" and "origin" not in headers


def _with(headers: list[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
    there = {name.lower() for name, _ in headers}
    policy = NOTHING_POLICY if path in OWN or b"content-security-policy" in there else CONSOLE_POLICY
    fields = {**HEADERS, "Content-Security-Policy": policy}
    return [*headers, *((k.lower().encode(), v.encode()) for k, v in fields.items() if k.lower().encode() not in there)]
