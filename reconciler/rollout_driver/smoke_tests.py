"""Smoke tests: requests to a new version through the test listener, before it receives production traffic.

One batch of requests per observation, so that a slow version does not delay other rollouts. A batch that fails is
repeated in the next observation, until the time limit of the test.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.rollout.actions import RunTests
from reconciler.rollout.release import RolloutTarget
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import SmokeTestOutcome
from reconciler.rollout.strategy import SmokeTest

ANSWER_SECONDS = 5.0
MOST_BYTES = 256 * 1024

Reach = Callable[[RolloutSpec, RolloutTarget], str]
"""The URL of a service's test listener: `http://name:9000`."""

Fetch = Callable[[str, str, str], tuple[int, str]]
"""Status and body of `GET base path` for a host name, which may be empty. Raises OSError without a response."""


@dataclass(slots=True)
class SmokeTests:
    """`began`: the first attempt of each test; lost with the process, which only extends the time limit."""

    reach: Reach
    fetch: Fetch = field(default_factory=lambda: fetch)
    began: dict[tuple[str, str, int], datetime] = field(default_factory=dict)

    def probe(
        self, delivery: RolloutSpec, subject: RolloutTarget, action: RunTests, now: datetime
    ) -> SmokeTestOutcome | None:
        """The result of the tests, or None while a failed one may still pass.

        It is the result of the release that is tested, which is not the wanted one while that one waits.
        """
        release = action.release
        for number, test in enumerate(action.tests):
            since = self.began.setdefault((delivery.name, release, number), now)
            fault = self._burst(delivery, subject, test)
            if not fault:
                continue
            if now - since < test.within:
                return None
            self.forget(delivery.name)
            return SmokeTestOutcome(release, passed=False, why=fault)
        self.forget(delivery.name)
        return SmokeTestOutcome(release, passed=True)

    def forget(self, name: str) -> None:
        for key in [key for key in self.began if key[0] == name]:
            del self.began[key]

    def _burst(self, delivery: RolloutSpec, subject: RolloutTarget, test: SmokeTest) -> str:
        """The fault of the first response that has one, or "" if `times` in a row pass."""
        try:
            base = self.reach(delivery, subject)
            for _ in range(test.times):
                fault = test.fault(*self.fetch(base, test.path, delivery.host))
                if fault:
                    return fault
        except (OSError, http.client.HTTPException) as error:
            return f"GET {test.path} was not answered: {type(error).__name__}"
        return ""


def fetch(base: str, path: str, host: str) -> tuple[int, str]:
    """One request, without following redirects.

    The certificate of a test listener is issued for the service's own name, not the load balancer's. It is not
    verified, and nothing secret is sent.
    """
    url = urllib.parse.urlsplit(base)
    assert url.hostname is not None
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=ANSWER_SECONDS, context=_unverified())
    else:
        connection = http.client.HTTPConnection(url.hostname, url.port, timeout=ANSWER_SECONDS)
    try:
        headers = {"User-Agent": "reconciler-smoke-test", "Accept": "*/*"} | ({"Host": host} if host else {})
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(MOST_BYTES).decode("utf-8", "replace")
    finally:
        connection.close()


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
