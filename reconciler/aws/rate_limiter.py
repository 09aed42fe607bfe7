"""Keeping to AWS's rates by ourselves: a token bucket for each of AWS's own, a share of its size.

Being throttled costs more than waiting: the answer is lost, everybody else in the account is throttled as well, and a
retry makes it worse. So a call that would be one too many waits here instead. A throttle all the same says that others
are at it too: our share is halved, and comes back within a minute. Where AWS publishes no rate, nothing is
held back until it has throttled us once.

Urgent calls, those of a rollout that is under way, go before all others that wait for the same bucket.

    share     how much of the published rate is ours to use; the rest is for people and other tools
    factor    of our share, how much we use now: 1, halved by a throttle, then slowly back
    tokens    calls that may go at once; at most share x burst
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

from reconciler.aws.catalogue import Rate, service_facts
from reconciler.aws.retry import is_read
from reconciler.clock import Clock
from reconciler.model.resource import Call

SHARE: Final = 0.8
"""Of the published rate. Four fifths read a stack of a hundred services within half a minute; see docs/reference."""

AFTER_A_THROTTLE: Final = Rate("unpublished", 10, 5)
"""What is kept to, of a service that publishes no rate, once it has throttled us."""

RECOVERY_SECONDS: Final = 60.0
"""From nothing back to the whole share; a halved one is back in half of it."""

LEAST: Final = 1 / 16
"""Of our share, however often we are throttled."""

ONE_THROTTLE_SECONDS: Final = 1.0
"""Throttles so close together are one: they answer calls that were sent side by side."""


@dataclass(slots=True)
class Bucket:
    """Ours of one of AWS's. Time is passed in; whoever holds `RateLimiter`'s lock may call."""

    burst: float
    per_second: float
    tokens: float
    at: float
    factor: float = 1.0
    throttled_at: float = field(default=-1e9)
    urgent: int = 0

    @classmethod
    def of(cls, rate: Rate, share: float, now: float) -> Bucket:
        burst = max(1.0, rate.burst * share)
        return cls(burst, rate.per_second * share, burst, now)

    def take(self, now: float, *, urgent: bool) -> float:
        """0 and a token less; or the seconds after which to ask again."""
        self._refill(now)
        if self.tokens >= 1.0 and (urgent or not self.urgent):
            self.tokens -= 1.0
            return 0.0
        missing = 1.0 - self.tokens if urgent else 1.0 + self.urgent - self.tokens
        return max(missing, 0.0) / (self.per_second * self.factor) + 0.001  # a hair more: rounding asks twice

    def slow_down(self, now: float) -> None:
        self._refill(now)
        self.tokens = min(self.tokens, 0.0)
        if now - self.throttled_at > ONE_THROTTLE_SECONDS:
            self.factor = max(LEAST, self.factor / 2)
            self.throttled_at = now

    def _refill(self, now: float) -> None:
        passed = max(0.0, now - self.at)
        self.at = max(self.at, now)
        self.tokens = min(self.burst, self.tokens + passed * self.per_second * self.factor)
        if self.factor < 1.0:
            self.factor = min(1.0, self.factor + passed / RECOVERY_SECONDS)


class RateLimiter:
    """Holds calls back until they may go. One for all that one process does in an account."""

    def __init__(self, clock: Clock, share: float = SHARE) -> None:
        """`share` of the published rates, above 0 and up to 1."""
        if not 0 < share <= 1:
            raise ValueError(f"a share of AWS's rates is above 0 and at most 1, not {share}")
        self.share = share
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._rates: dict[tuple[str, str], Rate | None] = {}

    def wait(self, call: Call, stop: threading.Event, *, urgent: bool = False) -> float:
        """Until `call` may go, or `stop` is set; the seconds that took."""
        bucket = self._bucket(call)
        if bucket is None:
            return 0.0
        with self._lock:
            pause = bucket.take(self._clock.monotonic(), urgent=urgent)
            if not pause:
                return 0.0
            bucket.urgent += urgent
        waited = 0.0
        try:
            while pause and not self._clock.wait(stop, pause):
                waited += pause
                with self._lock:
                    pause = bucket.take(self._clock.monotonic(), urgent=urgent)
        finally:
            with self._lock:
                bucket.urgent -= urgent
        return waited

    def throttled(self, call: Call) -> None:
        """AWS has refused `call` because there were too many."""
        now = self._clock.monotonic()
        bucket = self._bucket(call)
        with self._lock:
            if bucket is None:
                key = (call.service, AFTER_A_THROTTLE.bucket)
                bucket = self._buckets.setdefault(key, Bucket.of(AFTER_A_THROTTLE, self.share, now))
            bucket.slow_down(now)

    def _bucket(self, call: Call) -> Bucket | None:
        name = (call.service, call.operation)
        if name not in self._rates:
            self._rates[name] = service_facts(call.service).rate_of(call.operation, reads=is_read(call))
        rate = self._rates[name]
        key = (call.service, AFTER_A_THROTTLE.bucket if rate is None else rate.bucket)
        bucket = self._buckets.get(key)
        if bucket is None and rate is not None:
            with self._lock:
                bucket = self._buckets.setdefault(key, Bucket.of(rate, self.share, self._clock.monotonic()))
        return bucket


class NoLimit(RateLimiter):
    """Holds nothing back: for an AWS that has no buckets, and whose calls cost nobody anything."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, 1.0)

    def wait(self, call: Call, stop: threading.Event, *, urgent: bool = False) -> float:
        del call, stop, urgent
        return 0.0

    def throttled(self, call: Call) -> None:
        """Whoever throttled it did so on purpose."""
        del call
