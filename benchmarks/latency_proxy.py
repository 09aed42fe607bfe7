"""A gate in front of the AWS emulator: counts every request, holds each back for as long as AWS is away, and enforces
AWS's own token buckets.

Its own routes, beside those of what it stands before:

    /_bench/counts   GET     {"calls": {"ecs.DescribeServices": 10, …}, "throttled": {…}, "first": time}
    /_bench/reset    POST    {"delay": seconds, "buckets": true}: counts at 0, buckets full
    /_bench/image    POST    {"repository": …, "tag": …}: an image is there from now on
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from reconciler.aws.catalogue import Rate, service_facts
from reconciler.aws.retry import READ
from reconciler.local import wire
from reconciler.local.endpoint import Endpoint, StartResponse, _body, _headers, _send
from reconciler.local.fault_answers import THROTTLES
from reconciler.local.refusal import Refusal
from reconciler.local.wire import Request


@dataclass(slots=True)
class Bucket:
    """One of AWS's own: `rate.burst` tokens, of which `rate.per_second` come back."""

    rate: Rate
    tokens: float
    at: float

    def take(self, now: float) -> bool:
        self.tokens = min(self.rate.burst, self.tokens + (now - self.at) * self.rate.per_second)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Tollgate:
    """A WSGI application round the local AWS emulator's."""

    def __init__(self, inner: Endpoint, own: dict[str, Callable[[Any], Any]] | None = None) -> None:
        self.inner = inner
        self.delay = 0.0
        self.buckets: dict[tuple[str, str], Bucket] | None = None
        self.calls: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self.first: float | None = None
        self._own = own or {}
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", "/"))
        if path.startswith("/_bench/"):
            body = _body(environ)
            answer = self._bench(path.removeprefix("/_bench/"), orjson.loads(body) if body else {})
            return _send(start_response, 200, {"content-type": "application/json"}, orjson.dumps(answer))
        began = time.monotonic()
        body = _body(environ)
        raw = str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or path)
        request = Request(str(environ["REQUEST_METHOD"]), raw, _headers(environ), body)
        call = wire.recognise(request, self.inner.laptop.region)
        if not self._admit(call.service, call.operation or request.method.capitalize()):
            time.sleep(self.delay)
            code, message, status = THROTTLES.get(call.service, ("ThrottlingException", "Rate exceeded", 400))
            response = wire.refuse(call, Refusal(code, message, status=status), "0")
        else:
            response = self.inner.laptop.handle(request)
            time.sleep(max(0.0, self.delay - (time.monotonic() - began)))
        return _send(start_response, response.status, dict(response.headers), response.body)

    def _admit(self, service: str, operation: str) -> bool:
        name = f"{service}.{operation}"
        rate = service_facts(service).rate_of(operation, reads=READ.match(operation) is not None)
        with self._lock:
            self.first = self.first or time.time()
            self.calls[name] += 1
            if self.buckets is None or rate is None:
                return True
            now = time.monotonic()
            bucket = self.buckets.setdefault((service, rate.bucket), Bucket(rate, rate.burst, now))
            if bucket.take(now):
                return True
            self.throttled[name] += 1
            return False

    def _bench(self, name: str, said: dict[str, Any]) -> Any:
        with self._lock:
            if name == "reset":
                self.delay = float(said.get("delay", self.delay))
                if "buckets" in said:
                    self.buckets = {} if said["buckets"] else None
                elif self.buckets is not None:
                    self.buckets = {}
                self.first = None
                self.calls.clear()
                self.throttled.clear()
                return {}
            if name == "counts":
                return {"calls": dict(self.calls), "throttled": dict(self.throttled), "first": self.first}
        return self._own[name](said)
