"""FaultProxy: AWS on a bad day. Each call may fail, in one of AWS's ways, as a seeded die decides.

Faults are botocore's own errors, put through the product's own translation, so that what is classified wrongly there
is handled wrongly here.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from reconciler.aws.client import Transport
from reconciler.aws.errors import translate
from reconciler.model.resource import Call
from tests.harness.strict import refusal


class Fault(StrEnum):
    """What goes wrong, and whether the call is executed all the same."""

    THROTTLED = "throttled"  # never executed
    SERVER_ERROR = "server error"  # executed or not
    RESET = "reset"  # the connection, before the call arrived
    LOST = "lost"  # the connection, after it was executed
    TIMEOUT = "timeout"  # executed, and the answer takes too long
    UNREACHABLE = "unreachable"  # no connection at all
    GARBLED = "garbled"  # executed, and the answer's body makes no sense
    EMPTY = "empty"  # executed, and the answer's body says nothing
    DENIED = "denied"  # never executed
    EXPIRED = "expired"  # the credentials; never executed
    QUOTA = "quota"  # never executed


THROTTLES = {
    "ec2": "RequestLimitExceeded",
    "ecs": "ThrottlingException",
    "elbv2": "Throttling",
    "iam": "Throttling",
    "logs": "ThrottlingException",
    "ecr": "ThrottlingException",
    "application-autoscaling": "ConcurrentUpdateException",
    "scheduler": "ThrottlingException",
    "resourcegroupstaggingapi": "ThrottledException",
}
"""Each service's own code."""


def fault(kind: Fault, inner: Transport, call: Call, *, executed: bool = True) -> dict[str, Any]:
    """What becomes of `call`: an answer that says nothing, or an error. `executed`: whether a server error comes after
    the call was carried out."""
    url = f"https://{call.service}.amazonaws.com"
    match kind:
        case Fault.THROTTLED:
            raise refusal(call, THROTTLES.get(call.service, "Throttling"), "Rate exceeded", 400)
        case Fault.SERVER_ERROR:
            if executed:
                inner.perform(call)
            raise refusal(call, "InternalError", "An internal error has occurred", 500)
        case Fault.RESET:
            raise translate(call, boto.ConnectionClosedError(endpoint_url=url))
        case Fault.LOST:
            inner.perform(call)
            raise translate(call, boto.ConnectionClosedError(endpoint_url=url))
        case Fault.TIMEOUT:
            inner.perform(call)
            raise translate(call, boto.ReadTimeoutError(endpoint_url=url))
        case Fault.UNREACHABLE:
            raise translate(call, boto.EndpointConnectionError(endpoint_url=url))
        case Fault.GARBLED:
            inner.perform(call)
            raise translate(call, ResponseParserError("invalid XML received: <html>"))
        case Fault.EMPTY:
            inner.perform(call)
            return {"ResponseMetadata": {"HTTPStatusCode": 200}}
        case Fault.DENIED:
            code = "UnauthorizedOperation" if call.service == "ec2" else "AccessDeniedException"
            raise refusal(call, code, f"not authorized to perform: {call}", 403)
        case Fault.EXPIRED:
            raise refusal(call, "ExpiredTokenException", "The security token included in the request is expired", 403)
        case Fault.QUOTA:
            raise refusal(call, "LimitExceededException", "you have reached the limit", 400)


class FaultProxy:
    """A transport whose calls fail at seeded random: `FaultProxy(account, seed=7, rates={Fault.THROTTLED: 0.3})`."""

    def __init__(
        self,
        inner: Transport,
        *,
        seed: int,
        rates: Mapping[Fault, float],
        only: Callable[[Call], bool] = lambda _: True,
    ) -> None:
        self.inner, self.rates, self.only = inner, dict(rates), only
        self.seed = seed
        self.injected: Counter[Fault] = Counter()
        self.calls = 0
        self._dice = random.Random(seed)

    def perform(self, call: Call) -> dict[str, Any]:
        self.calls += 1
        roll, executed = self._dice.random(), self._dice.random() < 0.5
        if self.only(call):
            for kind, rate in self.rates.items():
                if roll < rate:
                    self.injected[kind] += 1
                    return fault(kind, self.inner, call, executed=executed)
                roll -= rate
        return self.inner.perform(call)


class Failing:
    """A transport in which chosen calls always fail in one way, and all others work."""

    def __init__(self, inner: Transport, kind: Fault, which: Callable[[Call], bool]) -> None:
        self.inner, self.kind, self.which = inner, kind, which
        self.met = 0

    def perform(self, call: Call) -> dict[str, Any]:
        if not self.which(call):
            return self.inner.perform(call)
        self.met += 1
        return fault(self.kind, self.inner, call)
