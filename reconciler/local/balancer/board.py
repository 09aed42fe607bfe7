"""What all connections of the balancer share: the present table, made ready, the pool, and the counters."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from reconciler.local.balancer.choice import Turns, Weights
from reconciler.local.balancer.rules import Asked, Predicate, predicate
from reconciler.local.balancer.table import Table
from reconciler.local.balancer.tls import Certificates
from reconciler.local.balancer.upstream import Pool
from reconciler.local.balancer.wire import Client
from reconciler.local.ports import FixedResponse, Forward, ListenerRoutes, Redirect, Route
from reconciler.local.sign_in import SignIn

STEPS = 1 / math.log(1.05)
"""Response times are counted by steps of five percent; step 0 is at less than a microsecond."""
LOWEST = 1e-6
BASE = 400


class Count(NamedTuple):
    """What is counted: `by` says whether the target or the balancer itself gave this status.

    `step` is the response time of a target on a logarithmic scale: a counter for each costs a request next to nothing.
    """

    listener_arn: str
    group_arn: str
    status: int
    by: Literal["target", "elb"]
    step: int | None = None

    @property
    def seconds(self) -> float | None:
        return None if self.step is None else math.exp((self.step - BASE) / STEPS)


def step(seconds: float) -> int:
    return int(math.log(seconds + LOWEST) * STEPS + BASE + 0.5)


@dataclass(frozen=True, slots=True)
class Rule:
    holds: Predicate | None
    action: Forward | FixedResponse | Redirect
    weights: Weights | None
    sign_in: SignIn | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """One listener with its rules compiled."""

    listener: ListenerRoutes
    rules: tuple[Rule, ...]
    certificates: Certificates | None = None  # None: it does not speak TLS

    def rule(self, asked: Callable[[], Asked]) -> Rule | None:
        """The first rule that holds; the request is only taken apart when a rule asks for it."""
        seen: Asked | None = None
        for rule in self.rules:
            if rule.holds is None:
                return rule
            seen = seen or asked()
            if rule.holds(seen):
                return rule
        return None


class Board:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.pool = Pool(loop)
        self.turns = Turns()
        self.table = Table()
        self.served: dict[str, Served] = {}
        self.clients: set[Client] = set()
        self.counts: Counter[Count] = Counter()
        self.sticky = False  # some group wants its clients' cookies read

    def apply(self, table: Table) -> None:
        """From the next request on. A rule that did not change goes on with its turns where they were."""
        before = {served.listener.listener_arn: served for served in self.served.values()}
        self.served = {listener.listener_arn: _serve(listener, before) for listener in table.listeners}
        self.table = table
        self.sticky = any(group.stickiness for group in table.groups.values())
        self.turns.keep(table.groups)
        self.pool.keep_only({endpoint for group in table.groups.values() for endpoint in group.endpoints})
        for client in list(self.clients):
            if client.listener_arn not in self.served and not client.busy:
                client.close()

    def taken(self) -> dict[Count, int]:
        """What has been counted since it was taken before."""
        counts, self.counts = self.counts, Counter()
        return dict(counts)

    def sweep(self) -> None:
        """Once a second: connections that nobody has used for too long go."""
        self.pool.sweep()
        now = self.loop.time()
        for client in list(self.clients):
            served = self.served.get(client.listener_arn)
            if not client.busy and (served is None or now - client.since > served.listener.idle_timeout):
                client.close()


def _serve(listener: ListenerRoutes, before: dict[str, Served]) -> Served:
    known = before.get(listener.listener_arn)
    if known is not None and known.listener == listener:
        return known
    certificates = Certificates(listener.certificates) if listener.certificates else None
    return Served(listener, tuple(map(_rule, listener.routes)), certificates)


def _rule(route: Route) -> Rule:
    weights = Weights(route.action.groups) if isinstance(route.action, Forward) else None
    return Rule(predicate(route.conditions), route.action, weights, route.sign_in)
