"""A look at the listeners from outside: how a request would end, at every step.

    watch = ListenerWatch(laptop, 80)
    ...                                          # time passes and calls are made; `watch.look()` at each step
    assert watch.lost == []

It asks the emulator's routing table and health checks as a client would find them, and nothing of the product. What it
knows is what a load balancer does: the first route that takes a request decides, by weight and not by health.
`ListenerWatch` follows the requests of one path, `Outsider` those at every load balancer and the number of targets.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.local.inprocess import Laptop
from reconciler.local.ports import Forward, Route

SERVED_PORT = 80


@dataclass(frozen=True, slots=True)
class Answer:
    """How requests end: the share that reaches no healthy target and why, and the healthy targets that they reach."""

    share_lost: float = 1.0
    healthy: int = 0
    why: str = ""
    groups: frozenset[str] = frozenset()
    """Names of the target groups with a share."""


def answers(laptop: Laptop, path: str = "/", port: int = SERVED_PORT) -> dict[str, Answer]:
    """How a request for `path` ends at each load balancer that listens on the port."""
    return {one.load_balancer: _answer(laptop, one.routes, path) for one in laptop.listeners.table if one.port == port}


def _answer(laptop: Laptop, routes: Sequence[Route], path: str) -> Answer:
    route = next((one for one in routes if _takes(one, path)), None)
    if route is None:
        return Answer(why="no rule")
    if not isinstance(route.action, Forward):
        return Answer(why=f"answered with {type(route.action).__name__}")
    weights = {one.group_arn: one.weight for one in route.action.groups if one.weight > 0}
    if not weights:
        return Answer(why="no target group receives requests")
    states = {arn: [one.state for one in laptop.targets.states(arn)] for arn in weights}
    empty = [arn for arn in weights if "healthy" not in states[arn]]
    return Answer(
        sum(weights[arn] for arn in empty) / sum(weights.values()),
        sum(each.count("healthy") for each in states.values()),
        f"{_name(empty[0])} has no healthy target: {states[empty[0]]}" if empty else "",
        frozenset(map(_name, weights)),
    )


def _takes(route: Route, path: str) -> bool:
    """All requests come from one host, with one method: a rule that asks for others takes none of them."""
    return all(
        one.field == "path-pattern" and any(fnmatch.fnmatchcase(path, pattern) for pattern in one.values)
        for one in route.conditions
    )


def _name(group_arn: str) -> str:
    return group_arn.split("/")[1]


@dataclass(slots=True)
class ListenerWatch:
    """`began` is when a request was first answered by a task; from then on each one that is not is `lost`.

    With `groups`, a request that another target group may get is lost as well.
    """

    laptop: Laptop
    port: int = SERVED_PORT
    balancer: str = ""
    path: str = "/"
    groups: frozenset[str] = frozenset()
    looks: int = 0
    began: float | None = None
    lost: list[tuple[float, str]] = field(default_factory=list)

    @property
    def served(self) -> bool:
        return self.began is not None

    def look(self) -> str:
        """Why a request would not reach a healthy task now; empty if it would."""
        self.looks += 1
        why = self._why()
        if not why:
            self.began = self.laptop.clock.monotonic() if self.began is None else self.began
        elif self.served:
            self.lost.append((self.laptop.clock.monotonic(), why))
        return why

    def _why(self) -> str:
        found = answers(self.laptop, self.path, self.port)
        answer = found.get(self.balancer) if self.balancer else next(iter(found.values()), None)
        if answer is None:
            return "no listener"
        others = answer.groups - self.groups if self.groups else ()
        return answer.why or (f"answered by {min(others)}" if others else "")


@dataclass(slots=True)
class Outsider:
    """Sends requests to port 80 of each load balancer, and remembers what it got before.

    `expected` is the number of healthy targets below which it must not fall; None: this load balancer may stop serving.
    """

    laptop: Laptop
    breaches: list[str] = field(default_factory=list)
    expected: dict[str, int | None] = field(default_factory=dict)

    def served(self) -> dict[str, Answer]:
        """By load balancer; one that has no group for the request serves nothing."""
        return answers(self.laptop)

    def expect(self, wanted: Mapping[str, int | None]) -> None:
        """From now on each load balancer that serves must go on, with as many targets as now or as wanted."""
        for balancer, service in self.served().items():
            least = wanted.get(balancer)
            serves = service.share_lost == 0 and service.healthy > 0
            self.expected[balancer] = None if least is None or not serves else min(least, service.healthy)

    def look(self) -> None:
        served = self.served()
        for balancer, least in self.expected.items():
            if least is None:
                continue
            service = served.get(balancer)
            if service is None:
                self.breach(f"{balancer}: nothing listens on port {SERVED_PORT}")
            elif service.share_lost:
                self.breach(f"{balancer}: {service.share_lost:.0%} of the requests reach no healthy target")
            elif service.healthy < least:
                self.breach(f"{balancer}: {service.healthy} healthy targets, fewer than {least}")

    def breach(self, what: str) -> None:
        if what not in self.breaches:
            self.breaches.append(what)
