"""Smoke tests: requests to a new version through the test listener, before production sees it.

One burst a look, so that a version that takes its time holds up nobody else: a burst that fails is tried again at the
next look, until the test's own time is over.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.rollout.release import RolloutTarget
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import SmokeTestOutcome
from reconciler.rollout.strategy import SmokeTest

ANSWER_SECONDS = 5.0
MOST_BYTES = 256 * 1024

Reach = Callable[[RolloutSpec, RolloutTarget], str]
"""The URL at which a subject's test listener can be reached: `http://name:9000`."""

Fetch = Callable[[str, str, str], tuple[int, str]]
"""Status and body of `GET base path` for a host name, which may be empty. Raises OSError where nothing answers."""


@dataclass(slots=True)
class SmokeTests:
    """`began`: when a test of a release was first tried; forgotten with the process, which only gives it more time."""

    reach: Reach
    fetch: Fetch = field(default_factory=lambda: fetch)
    began: dict[tuple[str, str, int], datetime] = field(default_factory=dict)

    def probe(
        self, delivery: RolloutSpec, subject: RolloutTarget, tests: tuple[SmokeTest, ...], now: datetime
    ) -> SmokeTestOutcome | None:
        """How the tests went; None while one that failed may yet hold."""
        release = subject.release.id
        for number, test in enumerate(tests):
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
        """What is wrong with the first answer that is; empty if `times` in a row hold."""
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
    """One request, without following redirects: a redirect is an answer, too.

    The certificate of a test listener is made for the service's own name, and not for the load balancer's; it is not
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
