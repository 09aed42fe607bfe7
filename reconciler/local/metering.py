"""Metrics of the load balancers and the tasks: measured at the end of each minute of the clock, then the alarms.

    end of the minute ──► runner.measure, balancing.measure ──► usage, traffic ──► alarms, scaling ──► next minute

Where neither the tasks nor the balancer have anything to measure and no alarm can change, no timer is set, so that
days of a stepped clock cost nothing. Where a minute of the clock is shorter than half a second, several minutes are
measured at once, and share what was counted. Tasks and balancers are measured for all regions together, whichever asks.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from reconciler.local import target_tracking
from reconciler.local.cloudwatch.evaluate import evaluate
from reconciler.local.cloudwatch.state import KEPT, MINUTE, Distribution, Metric, metric, minute_of, moment_of, single
from reconciler.local.elb.state import NETWORK_PROTOCOLS, TargetGroup
from reconciler.local.inside import Usage
from reconciler.local.ports import Traffic
from reconciler.local.world import World

SHORTEST = 0.5
"""Seconds of the machine between two measurements."""
USAGE, TRAFFIC = "usage", "traffic"
ECS, ELB = "AWS/ECS", "AWS/ApplicationELB"
CHOSEN_A_TARGET = (502, 504)
"""The balancer's own statuses after it had chosen a target."""


def arm(world: World) -> None:
    """Measure at the end of the minute, as long as there is anything to measure or to evaluate."""
    state = world.cloudwatch
    if state.armed:
        return
    if not _wanted(world):
        state.since = None
        return
    now = minute_of(world.now)
    if state.since is None:
        state.since = now
    state.armed = True
    world.timers.at(moment_of(now + max(1, math.ceil(SHORTEST * world.speed / MINUTE))), lambda: _measure(world))


def _wanted(world: World) -> bool:
    tasks = world.runner.metered and bool(world.ecs.tasks)
    return tasks or world.cloudwatch.awake or (world.balancing.metered and bool(world.elb.listeners))


def _measure(world: World) -> None:
    state = world.cloudwatch
    state.armed = False
    if not state.awaited:  # else the next measurement is for this minute as well
        state.until, state.awaited = minute_of(world.now), {USAGE, TRAFFIC}
        world.runner.measure()
        world.balancing.measure()


def usage(world: World, found: Mapping[str, Usage]) -> None:
    """What the runner has measured, by task."""
    if USAGE not in world.cloudwatch.awaited:
        return  # another region has asked, or it was asked for before the account was reset
    services: dict[Metric, Distribution] = defaultdict(Distribution)
    for task_id, one in found.items():
        task = world.ecs.tasks.get(task_id)
        if task is None or task.service is None:
            continue
        dimensions = dict(zip(("ClusterName", "ServiceName"), task.service, strict=True))
        for name, value in (("CPUUtilization", one.cpu), ("MemoryUtilization", one.memory)):
            if value is not None:
                services[metric(ECS, name, dimensions)].add(value)
    for minute in _minutes(world):
        for key, values in services.items():
            world.cloudwatch.put(key, minute, values, "Percent")
    _reported(world, USAGE)


def traffic(world: World, found: Sequence[Traffic]) -> None:
    """What the balancer has counted, and how many targets of each group are healthy."""
    state = world.cloudwatch
    rows = [row for row in found if row.listener_arn in world.elb.listeners]  # others are of other regions
    if TRAFFIC not in state.awaited:
        state.early += rows if state.since is not None else ()
        return
    rows, state.early = [*state.early, *rows], []
    minutes = list(_minutes(world))
    counted: dict[tuple[int, Metric], Distribution] = defaultdict(Distribution)
    requests: dict[tuple[int, str], int] = defaultdict(int)
    for row in rows:
        for minute, share in _shares(row.requests, minutes):
            for key, value in _counted(row):
                counted[minute, key].add(value, share)
            if _chose_a_target(row):
                requests[minute, row.group_arn] += share
    for (minute, key), values in counted.items():
        world.cloudwatch.put(key, minute, values, "Seconds" if key.name == "TargetResponseTime" else "Count")
    for arn, balancers in world.elb.users().items():
        group = world.elb.target_groups[arn]
        if group.settings["Protocol"] in NETWORK_PROTOCOLS:
            continue
        for minute in minutes:
            for key, value in _of_group(world, group, balancers[0], requests[minute, arn]):
                world.cloudwatch.put(key, minute, single(value), "Count")
    _reported(world, TRAFFIC)


def _minutes(world: World) -> Iterable[int]:
    state = world.cloudwatch
    return range(state.since, state.until) if state.since is not None else ()


def _shares(count: int, minutes: Sequence[int]) -> Iterator[tuple[int, int]]:
    for index, minute in enumerate(minutes):
        share = count // len(minutes) + (index < count % len(minutes))
        if share:
            yield minute, share


def _reported(world: World, what: str) -> None:
    """Once all of the minute is known, the alarms are evaluated and act."""
    state = world.cloudwatch
    state.awaited.discard(what)
    if not state.awaited:
        state.since = state.until
        state.forget_before(state.until - KEPT)
        evaluate(world, state.until)
        target_tracking.act(world)


# ---- the load balancer's --------------------------------------------------------------------------------------------


def _chose_a_target(row: Traffic) -> bool:
    return row.by == "target" or (bool(row.group_arn) and row.status in CHOSEN_A_TARGET)


def _counted(row: Traffic) -> Iterator[tuple[Metric, float]]:
    """The metrics of a request, with the value that it adds to them; what did not happen adds nothing, not even 0."""
    balancer = {"LoadBalancer": _balancer(row.listener_arn)}
    both = [balancer, {**balancer, "TargetGroup": resource(row.group_arn)}] if row.group_arn else [balancer]
    for dimensions in both:
        if _chose_a_target(row):
            yield metric(ELB, "RequestCount", dimensions), 1.0
        if row.by == "target" and row.status >= 200:
            yield metric(ELB, f"HTTPCode_Target_{row.status // 100}XX_Count", dimensions), 1.0
        if row.seconds is not None:
            yield metric(ELB, "TargetResponseTime", dimensions), row.seconds
    if row.by == "elb":
        yield metric(ELB, f"HTTPCode_ELB_{row.status // 100}XX_Count", balancer), 1.0
        if row.status in (500, 502, 503, 504):
            yield metric(ELB, f"HTTPCode_ELB_{row.status}_Count", balancer), 1.0


def _of_group(world: World, group: TargetGroup, balancer: str, requests: int) -> Iterator[tuple[Metric, float]]:
    """What is published for as long as a listener uses the group and it has targets, with or without any request."""
    states = [one.state for one in world.probe.states(group.arn)]
    registered = sum(state != "draining" for state in states)
    if not registered:
        return
    alone = {"TargetGroup": resource(group.arn)}
    both = {**alone, "LoadBalancer": resource(balancer).removeprefix("loadbalancer/")}
    healthy = states.count("healthy")
    yield metric(ELB, "HealthyHostCount", both), healthy
    yield metric(ELB, "UnHealthyHostCount", both), states.count("unhealthy")
    if world.balancing.metered:
        for dimensions in (alone, both):
            yield metric(ELB, "RequestCountPerTarget", dimensions), requests / (healthy or registered)


def resource(arn: str) -> str:
    """`targetgroup/NAME/ID`, `loadbalancer/app/NAME/ID`: what follows the account in an ARN."""
    return arn.split(":", 5)[-1]


def _balancer(listener_arn: str) -> str:
    """`app/NAME/ID` of the load balancer whose listener it is."""
    return resource(listener_arn).removeprefix("listener/").rpartition("/")[0]
