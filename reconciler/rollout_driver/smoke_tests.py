"""Smoke tests: requests to a new version through the test listener, before it receives production traffic.

One batch of requests per observation, in a thread of its own: a version that is slow, or never answers, delays no other
rollout. A batch that fails is repeated in the next observation, until the time limit of the test.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from reconciler.exchange import Bounded, Exchange
from reconciler.rollout.actions import RunTests
from reconciler.rollout.release import RolloutTarget
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import SmokeTestOutcome
from reconciler.rollout.strategy import SmokeTest

ANSWER_SECONDS = 5.0
"""Time limit of one request, from connecting to the last byte that is looked at."""
MOST_BYTES = 256 * 1024
"""Bytes of a body that are looked at."""
HEAD_BYTES: Final = 128 * 1024
WAIT_SECONDS = 1.0
"""Time for which an observation waits for a batch that it has started; a later one takes the result."""

Reach = Callable[[RolloutSpec, RolloutTarget], str]
"""The URL of a service's test listener: `http://name:9000`."""

Fetch = Callable[[str, str, Mapping[str, str]], tuple[int, str]]
"""Status and body of `GET base path` with headers, `Host` among them. Raises OSError without a response."""


@dataclass(slots=True, eq=False)
class _Batch:
    """The tests of a release, once. `number` is the test that is under way, or that has the `fault`."""

    action: RunTests
    number: int = 0
    fault: str = ""
    error: Exception | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self, burst: Callable[[SmokeTest], str]) -> None:
        try:
            for number, test in enumerate(self.action.tests):
                self.number = number
                self.fault = burst(test)
                if self.fault:
                    return
        except Exception as error:  # noqa: BLE001 - it is raised in the observation that takes the result
            self.error = error
        finally:
            self.ended.set()


@dataclass(slots=True)
class SmokeTests:
    """`began`: the first attempt of each test; lost with the process, which only extends the time limit."""

    reach: Reach
    fetch: Fetch = field(default_factory=lambda: fetch)
    began: dict[tuple[str, str, int], datetime] = field(default_factory=dict)
    _batches: dict[str, _Batch] = field(init=False, default_factory=dict)

    def probe(
        self, delivery: RolloutSpec, subject: RolloutTarget, action: RunTests, now: datetime
    ) -> SmokeTestOutcome | None:
        """The result of the tests, or None while they are under way or a failed one may still pass.

        It is the result of the release that is tested, which is not the wanted one while that one waits.
        """
        release, batch = action.release, self._batch(delivery, subject, action)
        ended, number = batch.ended.is_set(), batch.number
        if ended:
            self._batches.pop(delivery.name, None)
            if batch.error is not None:
                raise batch.error
            if not batch.fault:
                self.forget(delivery.name)
                return SmokeTestOutcome(release, passed=True)
        test = action.tests[number]
        since = self.began.setdefault((delivery.name, release, number), now)
        if now - since < test.within:
            return None
        self.forget(delivery.name)
        return SmokeTestOutcome(
            release, passed=False, why=batch.fault if ended else f"GET {test.path} was not answered in time"
        )

    def forget(self, name: str) -> None:
        self._batches.pop(name, None)
        for key in [key for key in self.began if key[0] == name]:
            del self.began[key]

    def _batch(self, delivery: RolloutSpec, subject: RolloutTarget, action: RunTests) -> _Batch:
        """The batch of the service that is under way, or a new one."""
        batch = self._batches.get(delivery.name)
        if batch is None or batch.action != action:
            batch = self._batches[delivery.name] = _Batch(action)
            burst = lambda test: self._burst(delivery, subject, test)  # noqa: E731
            threading.Thread(target=batch.run, args=(burst,), name="smoke-test", daemon=True).start()
            batch.ended.wait(WAIT_SECONDS)
        return batch

    def _burst(self, delivery: RolloutSpec, subject: RolloutTarget, test: SmokeTest) -> str:
        """The fault of the first response that has one, or "" if `times` in a row pass."""
        try:
            base = self.reach(delivery, subject)
            path = _with_query(test.path, delivery.query)
            for _ in range(test.times):
                fault = test.fault(*self.fetch(base, path, delivery.headers))
                if fault:
                    return fault
        except (OSError, http.client.HTTPException) as error:
            return f"GET {test.path} was not answered: {type(error).__name__}"
        return ""


class _Http(Bounded, http.client.HTTPConnection):
    pass


class _Https(Bounded, http.client.HTTPSConnection):
    pass


def _with_query(path: str, query: str) -> str:
    """A path with the parameter that the service's listener rule takes, if it takes one."""
    return f"{path}{'&' if '?' in path else '?'}{query}" if query else path


def fetch(base: str, path: str, headers: Mapping[str, str]) -> tuple[int, str]:
    """One request, without following redirects.

    The certificate of a test listener is issued for the service's own name, not the load balancer's. It is not
    verified, and nothing secret is sent.
    """
    url = urllib.parse.urlsplit(base)
    assert url.hostname is not None
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        connection = _Https(url.hostname, url.port, timeout=ANSWER_SECONDS, context=_unverified())
    else:
        connection = _Http(url.hostname, url.port, timeout=ANSWER_SECONDS)
    try:
        with Exchange(ANSWER_SECONDS, MOST_BYTES + HEAD_BYTES):
            sent = {"User-Agent": "reconciler-smoke-test", "Accept": "*/*", **headers}
            connection.request("GET", path, headers=sent)
            answer = connection.getresponse()
            return answer.status, answer.read(MOST_BYTES).decode("utf-8", "replace")
    finally:
        connection.close()


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
