"""Smoke tests: requests to a new version through the test listener, before it receives production traffic.

One batch of requests per observation, in a thread of its own: a version that is slow, or never answers, delays no other
rollout. A batch that fails is repeated in the next observation, until the time limit of the test.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from reconciler.exchange import Bounded, Exchange
from reconciler.model import duration
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
    """The tests of a release, once. `number` is the test that is under way, or that has the `fault`; `asked` is its
    request, `GET http://api-123.elb.amazonaws.com:9000/ready`.
    """

    action: RunTests
    number: int = 0
    asked: str = ""
    fault: str = ""
    error: Exception | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self, burst: Callable[[_Batch, SmokeTest], str]) -> None:
        try:
            for number, test in enumerate(self.action.tests):
                self.number, self.asked = number, ""
                self.fault = burst(self, test)
                if self.fault:
                    return
        except Exception as error:  # noqa: BLE001 - it is raised in the observation that takes the result
            self.error = error
        finally:
            self.ended.set()


@dataclass(slots=True)
class SmokeTests:
    """`began`: the first attempt of each test; lost with the process, which only extends the time limit. `tries`: how
    often it has failed since.
    """

    reach: Reach
    fetch: Fetch = field(default_factory=lambda: fetch)
    began: dict[tuple[str, str, int], datetime] = field(default_factory=dict)
    tries: Counter[tuple[str, str, int]] = field(default_factory=Counter)
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
        key = (delivery.name, release, number)
        since = self.began.setdefault(key, now)
        self.tries[key] += ended
        if now - since < test.within:
            return None
        fault = batch.fault if ended else f"{batch.asked or f'GET {test.path}'} was not answered in time"
        tries = max(self.tries[key], 1)
        headers = "".join(f"; {name}: {value}" for name, value in delivery.headers.items())
        often = f"{tries} {'try' if tries == 1 else 'tries'} in {duration.format(now - since)}{headers}"
        self.forget(delivery.name)
        return SmokeTestOutcome(release, passed=False, why=f"{fault}; {often}")

    def forget(self, name: str) -> None:
        self._batches.pop(name, None)
        for key in [key for key in self.began if key[0] == name]:
            del self.began[key]
            del self.tries[key]

    def _batch(self, delivery: RolloutSpec, subject: RolloutTarget, action: RunTests) -> _Batch:
        """The batch of the service that is under way, or a new one."""
        batch = self._batches.get(delivery.name)
        if batch is None or batch.action != action:
            batch = self._batches[delivery.name] = _Batch(action)
            burst = lambda batch, test: self._burst(batch, delivery, subject, test)  # noqa: E731
            threading.Thread(target=batch.run, args=(burst,), name="smoke-test", daemon=True).start()
            batch.ended.wait(WAIT_SECONDS)
        return batch

    def _burst(self, batch: _Batch, delivery: RolloutSpec, subject: RolloutTarget, test: SmokeTest) -> str:
        """The fault of the first response that has one, or "" if `times` in a row pass."""
        path = _with_query(test.path, delivery.query)
        try:
            base = self.reach(delivery, subject)
            batch.asked = f"GET {base}{path}"
            for number in range(test.times):
                fault = test.fault(*self.fetch(base, path, delivery.headers))
                if fault:
                    which = f" (request {number + 1} of {test.times})" if test.times > 1 else ""
                    return f"{batch.asked} {fault}{which}"
        except (OSError, http.client.HTTPException) as error:
            return f"{batch.asked or f'GET {path}'} was not answered: {type(error).__name__}"
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
