"""Checks of services that share listeners: overlapping matches, and load balancer quotas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import LoadBalancer, Service
from reconciler.spec.documents.service import Traffic
from reconciler.spec.messages import raised, shown
from reconciler.spec.specs import Specs

MOST_CONDITIONS = 5
"""Maximum number of values, and of wildcards, in one rule (ELB User Guide, Quotas)."""


def check(specs: Specs) -> Iterator[Diagnostic]:
    behind: dict[str, list[tuple[Service, Traffic]]] = defaultdict(list)
    for service in specs.services:
        if service.traffic is not None:
            behind[service.traffic.load_balancer].append((service, service.traffic))
            yield from _conditions(specs, service, service.traffic)
            yield from _health_check(specs, service, service.traffic)
    for name, services in behind.items():
        balancer = specs.get(LoadBalancer, name)
        if balancer is not None:
            yield from _shared(specs, services)
            yield from _quotas(specs, balancer, services)


def _shared(specs: Specs, services: list[tuple[Service, Traffic]]) -> Iterator[Diagnostic]:
    defaults: dict[str, Service] = {}
    priorities: dict[tuple[str, int], Service] = {}
    for service, traffic in services:
        listeners = [traffic.listener]
        if queries.switching(specs, service) is not None:
            listeners.append(traffic.test_listener)
        for listener in listeners:
            if not traffic.match.given:
                first = defaults.setdefault(listener, service)
                if first is not service:
                    note = Note("the other service", specs.where(first, "traffic", key=True))
                    message = f"{shown(first.name)} already receives all requests of listener {listener}"
                    place = specs.where(service, "traffic", key=True)
                    hint = "add 'match' to select the requests of each service"
                    yield Diagnostic("E4011", message, place, hint=hint, notes=(note,))
                    break
            elif traffic.match.priority is not None:
                first = priorities.setdefault((listener, traffic.match.priority), service)
                if first is not service:
                    note = Note("the other rule", specs.where(first, "traffic", "match", "priority"))
                    used = f"already used on listener {listener} by {shown(first.name)}"
                    message = f"priority: {traffic.match.priority} is {used}"
                    place = specs.where(service, "traffic", "match", "priority")
                    yield Diagnostic("E4011", message, place, notes=(note,))
                    break


def _quotas(specs: Specs, balancer: LoadBalancer, services: list[tuple[Service, Traffic]]) -> Iterator[Diagnostic]:
    quotas = specs.quotas
    rules = target_groups = targets = 0
    for service, traffic in services:
        rules += len({traffic.listener, traffic.test_listener} & set(balancer.listeners)) if traffic.match.given else 0
        target_groups += len(traffic.target_groups)
        targets += queries.most_tasks(specs, service)
        place = specs.where(service, "traffic", "load_balancer")
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


def _conditions(specs: Specs, service: Service, traffic: Traffic) -> Iterator[Diagnostic]:
    values = (*traffic.match.path, *traffic.match.host)
    wildcards = sum(value.count("*") + value.count("?") for value in values)
    for what, count in (("values", len(values)), ("wildcards", wildcards)):
        if count > MOST_CONDITIONS:
            message = f"match: {count} {what}; a rule allows {MOST_CONDITIONS}"
            yield Diagnostic("E4014", message, specs.where(service, "traffic", "match", key=True))
    for index, path in enumerate(traffic.match.path):
        if not path.startswith(("/", "*")):
            hint = f"write /{path}" if len(path) < 60 else ""
            message = f"path: {shown(path)} never matches, because paths begin with /"
            yield Diagnostic("E4014", message, specs.where(service, "traffic", "match", "path", index), hint=hint)


def _health_check(specs: Specs, service: Service, traffic: Traffic) -> Iterator[Diagnostic]:
    check = traffic.health_check
    if check.timeout >= check.interval:
        field = "timeout" if "timeout" in check.model_fields_set else "interval"
        message = f"{field}: a health check's timeout must be shorter than its interval"
        yield Diagnostic("E4013", message, specs.where(service, "traffic", "health_check", field))
