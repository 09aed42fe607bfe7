"""A look at the listeners from outside: whether each request would reach a healthy task, at every step.

    with ListenerWatch(laptop, 80) as watch:
        ...                                      # time passes and calls are made
    assert watch.lost == []

It asks the emulator's routing table and health checks as a client would find them, and nothing of the product.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from reconciler.local.inprocess import Laptop
from reconciler.local.ports import Forward, Route


@dataclass(slots=True)
class ListenerWatch:
    """`began` is when a request was first answered by a task; from then on each one that is not is `lost`."""

    laptop: Laptop
    port: int = 80
    balancer: str = ""
    path: str = "/"
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
        listeners = [
            one
            for one in self.laptop.listeners.table
            if one.port == self.port and (not self.balancer or one.load_balancer == self.balancer)
        ]
        if not listeners:
            return "no listener"
        for route in listeners[0].routes:
            if self._matches(route):
                return self._of(route)
        return "no rule"

    def _matches(self, route: Route) -> bool:
        paths = [one.values for one in route.conditions if one.field == "path-pattern"]
        return all(
            any(self.path == each or (each.endswith("*") and self.path.startswith(each[:-1])) for each in values)
            for values in paths
        )

    def _of(self, route: Route) -> str:
        action = route.action
        if not isinstance(action, Forward):
            return f"answered with {type(action).__name__}"
        receiving = [one.group_arn for one in action.groups if one.weight]
        if not receiving:
            return "no target group receives requests"
        for arn in receiving:
            states = [one.state for one in self.laptop.targets.states(arn)]
            if "healthy" not in states:
                return f"{arn.split('/')[1]} has no healthy target: {states}"
        return ""
