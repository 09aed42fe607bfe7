"""Checks of a service against its deployment strategy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from reconciler.rollout.engine import TrafficShifter, engines
from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import DeploymentStrategy, Service
from reconciler.spec.documents.deployment_strategy import ROLLING
from reconciler.spec.documents.service import Traffic
from reconciler.spec.messages import counted, joined, shown
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    served = queries.served_by_listener(specs)
    for service in specs.services:
        strategy = queries.switching(specs, service)
        if strategy is not None:
            yield from _two_sides(specs, service, strategy, served)
        figures = queries.rolling(specs, service)
        if figures is None:
            continue
        yield from _deadlock(specs, service)
        if (
            service.traffic is not None
            and len(service.traffic.target_groups) > 1
            and "DeploymentStrategy" not in specs.broken
        ):
            message = "a rolling deployment uses the first target group only"
            yield Diagnostic("W6001", message, specs.where(service, "traffic", "target_groups", 1))


def _two_sides(
    specs: Specs, service: Service, strategy: DeploymentStrategy, served: Mapping[tuple[str, str], Sequence[Service]]
) -> Iterator[Diagnostic]:
    note = Note(f"the {strategy.type} deployment", specs.where(strategy, "type"))
    traffic = service.traffic
    if service.additional_traffic:
        message = f"a {strategy.type} deployment shifts the traffic of one pair of target groups"
        place = specs.where(service, "additional_traffic", key=True)
        yield Diagnostic("E6015", message, place, notes=(note,))
    if traffic is None:
        yield from _by_name(specs, service, strategy, note)
        return
    if len(traffic.target_groups) < 2:
        message = f"a {strategy.type} deployment needs a second target group"
        yield Diagnostic("E6010", message, specs.where(service, "traffic", "target_groups"), notes=(note,))
    balancer = queries.balancer(specs, traffic)
    if balancer is None and not traffic.outside:
        return
    if traffic.test_listener == traffic.listener:
        message = f"test_listener: {traffic.listener} is the production listener"
        field = "test_listener" if "test_listener" in traffic.model_fields_set else "listener"
        yield Diagnostic("E6009", message, specs.where(service, "traffic", field), notes=(note,))
    elif balancer is None and "test_listener" not in traffic.model_fields_set:
        message = f"a {strategy.type} deployment needs a test listener"
        hint = "add test_listener: with the port of a listener that only tests go through"
        yield Diagnostic("E6009", message, specs.where(service, "traffic", key=True), hint=hint, notes=(note,))
    elif balancer is not None and traffic.test_listener not in balancer.listeners:
        lacking = f"{shown(balancer.name)} has no {shown(traffic.test_listener)}"
        message = f"a {strategy.type} deployment needs a test listener, and {lacking}"
        place = specs.where(balancer, "listeners", key=True)
        user = Note("the service", specs.where(service, "deployment"))
        hint = f"add {traffic.test_listener}: {{port: 9000}}"
        yield Diagnostic("E6009", message, place, hint=hint, notes=(note, user))
    else:
        for other in served.get((traffic.load_balancer, traffic.test_listener), ())[:1]:
            yield from _through_production(specs, service, traffic, other, note)


def _by_name(specs: Specs, service: Service, strategy: DeploymentStrategy, note: Note) -> Iterator[Diagnostic]:
    """Without a load balancer ECS shifts what comes in by Service Connect (ECS developer guide, "Required resources for
    Amazon ECS blue/green deployments"); tests and metrics of requests are those of a load balancer.
    """
    by_ecs = engines()[strategy.driver].shifts_traffic is TrafficShifter.ECS
    if not by_ecs or service.service_connect is None or not service.service_connect.services:
        message = f"a {strategy.type} deployment shifts traffic, but {shown(service.name)} has no 'traffic'"
        able = joined(sorted(name for name, one in engines().items() if one.shifts_traffic is TrafficShifter.ECS))
        names = "" if by_ecs else f", and engine: {able} in the DeploymentStrategy"
        hint = f"add 'traffic', or 'services' under 'service_connect'{names}"
        yield Diagnostic("E6011", message, specs.where(service, "deployment"), hint=hint, notes=(note,))
        return
    beside = Note("the service", specs.where(service, "deployment"))
    if strategy.test:
        message = f"test: {shown(service.name)} has no load balancer, and so no test listener"
        hint = "call a function with 'hooks' in the stage post_test_traffic_shift, and reach green by a 'test_header'"
        yield Diagnostic("E6021", message, specs.where(strategy, "test", key=True), hint=hint, notes=(beside,))
    if strategy.verify.max_5xx is not None:
        message = f"max_5xx: {shown(service.name)} has no load balancer that counts responses"
        place = specs.where(strategy, "verify", "max_5xx", key=True)
        yield Diagnostic("E6021", message, place, hint="use 'alarms'", notes=(beside,))


def _through_production(
    specs: Specs, service: Service, traffic: Traffic, other: Service, note: Note
) -> Iterator[Diagnostic]:
    """Whatever the rule takes there are requests of users, who would reach versions that were not promoted."""
    message = f"{shown(service.name)} is tested on the production listener of {shown(other.name)}"
    hint = "name a listener in 'test_listener' that only tests go through"
    place, beside = specs.where(service, "traffic", "test_listener"), specs.where(other, "traffic", "listener")
    if "test_listener" not in traffic.model_fields_set:
        place, beside = beside, place
    notes = (note, Note("the other service", beside))
    yield Diagnostic("E6009", message, place, hint=hint, notes=notes)


def _deadlock(specs: Specs, service: Service) -> Iterator[Diagnostic]:
    """Bounds by which ECS can neither start a task nor stop one, so that a deployment never proceeds (ECS API
    Reference, DeploymentConfiguration).
    """
    strategy, figures = queries.strategy(specs, service), queries.rolling(specs, service)
    if strategy is None or figures is None:
        return
    if service.scaling is None and queries.keeps(service, service, "desired_count"):
        return  # it has as many tasks as it has in AWS
    counts, scaled = {service.desired_count}, service.scaling
    if scaled is not None:  # a count outside of its bounds never comes to be
        counts = {scaled.min, scaled.max, max(scaled.min, min(scaled.max, service.desired_count))}
    for desired in sorted(count for count in counts if count):
        least = math.ceil(desired * figures.min_percent / 100)
        most = math.floor(desired * figures.max_percent / 100)
        if least >= most:
            field = "max_percent" if "max_percent" in figures.model_fields_set else "min_percent"
            bounds = f"{least} must run and at most {most} may run"
            message = f"of {counted(desired, 'task')} of {shown(service.name)} {bounds}: no task can be replaced"
            note = Note("the service", specs.where(service))
            yield Diagnostic("E6008", message, specs.where(strategy, ROLLING, field), notes=(note,))
            return
