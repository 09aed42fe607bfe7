"""Checks of what makes each release take minutes longer than it has to, where a shorter time does as well."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from reconciler.model import duration
from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.documents import Service
from reconciler.spec.documents.service import Forwarding
from reconciler.spec.specs import Specs

MINUTE: Final = timedelta(minutes=1)
"""What is worth a warning."""

INTERVAL, THRESHOLD = timedelta(seconds=10), 2
DELAY: Final = timedelta(seconds=30)
STOP: Final = timedelta(seconds=30)
GRACE: Final = timedelta(minutes=2)
"""Values that do for most services."""

AWS_DELAY: Final = timedelta(seconds=300)
"""AWS's default. A longer one is meant, for connections that last."""

LONG_GRACE: Final = timedelta(minutes=10)


def check(specs: Specs) -> Iterator[Diagnostic]:
    for service in specs.services:
        for path, traffic in service.forwardings:
            yield from _target_health(specs, service, traffic, *path)
            yield from _delay(specs, service, traffic, *path)
        yield from _containers(specs, service)
        yield from _grace(specs, service)


def _target_health(specs: Specs, service: Service, traffic: Forwarding, *at: str | int) -> Iterator[Diagnostic]:
    check = traffic.health_check
    takes, least = check.interval * check.healthy_threshold, INTERVAL * THRESHOLD
    if takes - least < MINUTE:
        return
    field = "interval" if check.interval > INTERVAL else "healthy_threshold"
    each = f"{check.healthy_threshold} checks, one every {duration.format(check.interval)}"
    message = f"{field}: a new task is healthy only after {each}: {_seconds(takes)} in each release"
    hint = f"interval: 10s with healthy_threshold: 2 takes {_seconds(least)}, {_seconds(takes - least)} less"
    yield Diagnostic("W4047", message, specs.where(service, *at, "health_check", field), hint=hint)


def _delay(specs: Specs, service: Service, traffic: Forwarding, *at: str | int) -> Iterator[Diagnostic]:
    delay, strategy = traffic.deregistration_delay, queries.switching(specs, service)
    rolling = queries.rolling(specs, service) is not None
    waits = rolling or (strategy is not None and strategy.teardown.after + strategy.verify.period < delay)
    if not waits or traffic.of_connections or not MINUTE <= delay - DELAY <= AWS_DELAY - DELAY:
        return
    given = "deregistration_delay" in traffic.model_fields_set
    place = specs.where(service, *at, *(("deregistration_delay",) if given else ()), key=not given)
    which = "deregistration_delay" if given else "no deregistration_delay, so AWS's default"
    message = f"{which}: old tasks wait {_seconds(delay)} in each release until they stop"
    hint = f"deregistration_delay: 30s lets requests of half a minute end, and takes {_seconds(delay - DELAY)} less"
    yield Diagnostic("W4048", message, place, hint=hint)


def _containers(specs: Specs, service: Service) -> Iterator[Diagnostic]:
    spot = service.spot is not None or any("SPOT" in share.name for share in service.capacity_providers)
    drained = service.traffic is not None and queries.rolling(specs, service) is not None and not spot
    for name, container in service.task.containers.items():
        stop, at = container.stop_timeout, ("task", "containers", name)
        if drained and stop is not None and stop - STOP >= MINUTE:
            message = f"stop_timeout: an old task whose requests have ended may take {_seconds(stop)} more to stop"
            hint = f"have the program end on SIGTERM; the default of 30s is {_seconds(stop - STOP)} less"
            yield Diagnostic("W6025", message, specs.where(service, *at, "stop_timeout"), hint=hint)
        check = container.health_check
        if check is not None and container.essential and check.interval - INTERVAL >= MINUTE:
            wait = _seconds(check.interval)
            message = f"interval: a new task is healthy only after its first check: {wait} in each release"
            hint = f"interval: 10s takes {_seconds(check.interval - INTERVAL)} less"
            yield Diagnostic("W6026", message, specs.where(service, *at, "health_check", "interval"), hint=hint)


def _grace(specs: Specs, service: Service) -> Iterator[Diagnostic]:
    grace = service.grace_period
    if grace is None or grace < LONG_GRACE or not service.forwardings:
        return
    message = f"grace_period: a version that fails its health checks is noticed only after {_seconds(grace)}"
    hint = f"write what a task takes to start; 2m is {_seconds(grace - GRACE)} less"
    yield Diagnostic("W6027", message, specs.where(service, "grace_period"), hint=hint)


def _seconds(time: timedelta) -> str:
    return f"{time.total_seconds():.0f} s"
