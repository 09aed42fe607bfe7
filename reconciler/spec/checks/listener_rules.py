"""Checks of services that share listeners: overlapping matches, and load balancer quotas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from reconciler.spec import domains, queries
from reconciler.spec.diagnostics import Diagnostic, Note, did_you_mean
from reconciler.spec.documents import LoadBalancer, Service
from reconciler.spec.documents.base import Document
from reconciler.spec.documents.listener_rule import Match
from reconciler.spec.documents.service import Forwarding, Traffic
from reconciler.spec.messages import raised, shown
from reconciler.spec.node import Position
from reconciler.spec.specs import Specs

Behind: TypeAlias = tuple[Service, Forwarding, tuple[str | int, ...]]
"""Traffic of a service, with the path to it."""

MOST_CONDITIONS = 5
"""Maximum number of values, and of wildcards, in one rule (ELB User Guide, Quotas)."""


def check(specs: Specs) -> Iterator[Diagnostic]:
    behind: dict[str, list[Behind]] = defaultdict(list)
    for service in specs.services:
        for path, traffic in service.forwardings:
            behind[traffic.load_balancer].append((service, traffic, path))
            yield from _conditions(specs, service, traffic.match, *path, "match")
    for services in list(behind.values()):
        if services[0][1].outside:
            yield from _shared_outside(specs, services)
    for balancer in specs.load_balancers:
        yield from _rules(specs, balancer)
        yield from _shared(specs, balancer, behind[balancer.name])
        yield from _quotas(specs, balancer, behind[balancer.name])


def _rules(specs: Specs, balancer: LoadBalancer) -> Iterator[Diagnostic]:
    for name, rule in balancer.rules.items():
        yield from _conditions(specs, balancer, rule.match, "rules", name, "match")
        if rule.listener not in balancer.listeners:
            place = specs.where(balancer, "rules", name, "listener")
            message = f"{shown(balancer.name)} has no listener {shown(rule.listener)}"
            yield Diagnostic("E2002", message, place, hint=did_you_mean(rule.listener, balancer.listeners))


@dataclass(slots=True)
class _Taken:
    """What each listener of a load balancer has given away: all its requests, and priorities; to whom, and where."""

    all: dict[str, tuple[str, Position]] = field(default_factory=dict)
    priorities: dict[tuple[str, int], tuple[str, Position]] = field(default_factory=dict)

    def requests(self, listener: str, whose: str, note: Position, place: Position) -> Iterator[Diagnostic]:
        """Of a service without a match; `note` is shown to the next one that wants them."""
        holder, where = self.all.setdefault(listener, (whose, note))
        if where != note:
            message = f"{shown(holder)} already receives all requests of listener {listener}"
            hint = "add 'match' to select the requests of each service"
            yield Diagnostic("E4011", message, place, hint=hint, notes=(Note("the other one", where),))

    def priority(self, listener: str, priority: int, whose: str, place: Position) -> Iterator[Diagnostic]:
        holder, where = self.priorities.setdefault((listener, priority), (whose, place))
        if where != place:
            message = f"priority: {priority} is already used on listener {listener} by {shown(holder)}"
            yield Diagnostic("E4011", message, place, notes=(Note("the other rule", where),))


def _shared(specs: Specs, balancer: LoadBalancer, services: list[Behind]) -> Iterator[Diagnostic]:
    """A listener that is for tests of one service and for the users of another is refused as such (E6009)."""
    taken, served = _Taken(), {traffic.listener for _, traffic, _ in services}
    for name, declared in balancer.listeners.items():
        if declared.default_action is not None:
            place = specs.where(balancer, "listeners", name, "default_action", key=True)
            yield from taken.requests(name, "default_action", place, place)
    for name, rule in balancer.rules.items():
        assert rule.match.priority is not None, "checked: a rule has a priority"
        place = specs.where(balancer, "rules", name, "match", "priority")
        yield from taken.priority(rule.listener, rule.match.priority, f"rules.{name}", place)
    for service, traffic, path in services:
        whole = specs.where(service, *path, key=True)
        for listener in queries.listeners(specs, service, traffic):
            if listener != traffic.listener and listener in served:
                continue
            if traffic.match.priority is None:
                found = list(taken.requests(listener, service.name, whole, whole))
            else:
                place = specs.where(service, *path, "match", "priority")
                found = list(taken.priority(listener, traffic.match.priority, service.name, place))
            yield from found
            if found:
                break


def _shared_outside(specs: Specs, services: list[Behind]) -> Iterator[Diagnostic]:
    """Rules of the stack on one listener that others own; theirs are known once it is looked up."""
    taken = _Taken()
    for service, traffic, path in services:
        if traffic.match.priority is not None:
            place = specs.where(service, *path, "match", "priority")
            for listener in queries.entries(specs, traffic).values():
                found = list(taken.priority(listener, traffic.match.priority, service.name, place))
                yield from found
                if found:
                    break


def _quotas(specs: Specs, balancer: LoadBalancer, services: list[Behind]) -> Iterator[Diagnostic]:
    quotas = specs.quotas
    rules, target_groups, targets = len(balancer.rules), 0, 0
    for service, traffic, path in services:
        test = [traffic.test_listener] if isinstance(traffic, Traffic) else []
        entries = {traffic.listener, domains.secure(specs, traffic), *test}
        rules += len(entries & domains.listeners(specs, balancer).keys()) if traffic.match.given else 0
        target_groups += len(traffic.target_groups)
        targets += queries.most_tasks(specs, service)
        place = specs.where(service, *path, "load_balancer")
        for what, count, limit, quota in (
            ("rules", rules, quotas.rules_per_load_balancer, "rules_per_load_balancer"),
            (
                "target groups",
                target_groups,
                quotas.target_groups_per_load_balancer,
                "target_groups_per_load_balancer",
            ),
            ("targets, rollouts included", targets, quotas.targets_per_load_balancer, "targets_per_load_balancer"),
        ):
            if count > limit:
                message = f"{shown(balancer.name)} would have {count} {what}; AWS allows {limit}"
                yield Diagnostic("E4012", message, place, hint=raised(quota))
                return


def _conditions(specs: Specs, document: Document, match: Match, *at: str | int) -> Iterator[Diagnostic]:
    wildcards = sum(value.count("*") + value.count("?") for value in match.values)
    for what, count in (("values", len(match.values) + len(match.regexes)), ("wildcards", wildcards)):
        if count > MOST_CONDITIONS:
            message = f"match: {count} {what}; a rule allows {MOST_CONDITIONS}"
            yield Diagnostic("E4014", message, specs.where(document, *at, key=True))
    for index, path in enumerate(match.path):
        if not path.startswith(("/", "*")):
            hint = f"write /{path}" if len(path) < 60 else ""
            message = f"path: {shown(path)} never matches, because paths begin with /"
            yield Diagnostic("E4014", message, specs.where(document, *at, "path", index), hint=hint)
