"""Health of one side of a service: enough tasks, in enough zones, healthy in the load balancer.

A single observation proves little, because targets flap and reads are late. A side counts as healthy or broken only
after several observations in a row (`ObservedService.looks`). Observations before a restart do not count, which may
delay a decision but never makes it early.
"""

from __future__ import annotations

from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.strategy import Strategy


def targets_healthy(seen: ObservedService, one: TaskSet) -> bool:
    """All wanted tasks are healthy targets, in the zones of the other side, and the group has no other targets."""
    needed = one.needed(seen.desired)
    if one.healthy is None or not needed:
        return False
    return one.well >= needed and one.running >= needed and not seen.strangers[one.slot] and spread(seen, one)


def steady(seen: ObservedService, one: TaskSet) -> bool:
    """Its targets are healthy, and ECS has stabilized the task set."""
    return targets_healthy(seen, one) and one.steady


def spread(seen: ObservedService, one: TaskSet) -> bool:
    """It runs in as many zones as the side that is in production."""
    others = [other.zones for other in seen.alive if other.id != one.id and other.slot != one.slot and other.zones]
    if not others:
        return True
    return len(one.zones) >= min(len(others[0]), one.needed(seen.desired))


def verdict(seen: ObservedService) -> int:
    """Result of one observation of the newest task set: 1 steady, -1 unhealthy, 0 healthy but not yet stable."""
    newest = seen.newest
    if newest is None:
        return 0
    return 1 if steady(seen, newest) else 0 if targets_healthy(seen, newest) else -1


def confirmed_healthy(policy: Strategy, seen: ObservedService) -> bool:
    """The newest task set was healthy in enough observations in a row."""
    return seen.looks >= policy.looks


def broken(policy: Strategy, seen: ObservedService) -> bool:
    """The newest task set was unhealthy in enough observations in a row."""
    return seen.looks <= -policy.looks


def can_serve(seen: ObservedService, one: TaskSet, instead_of: TaskSet | None) -> bool:
    """Whether it may take all production traffic: it has healthy tasks, and no fewer than the side in production."""
    if not one.well:
        return False
    return one.well >= one.needed(seen.desired) or instead_of is None or one.well >= instead_of.well


def trouble(policy: Strategy, seen: ObservedService, one: TaskSet) -> str:
    """Why the newest task set must not receive production traffic, or ""."""
    if seen.alarms:
        return f"{_list(seen.alarms)} {'is' if len(seen.alarms) == 1 else 'are'} in alarm"
    if policy.max_5xx is not None and seen.errors is not None and seen.errors > policy.max_5xx:
        return f"{seen.errors:g} % of responses are 5xx (limit {policy.max_5xx:g} %)"
    if broken(policy, seen):
        return status(seen, one)
    return ""


def status(seen: ObservedService, one: TaskSet) -> str:
    """Its health as a status message."""
    needed = one.needed(seen.desired)
    if one.healthy is None:
        return "target health is not known yet"
    if one.running < needed:
        return f"{one.running} of {needed} tasks running"
    if one.well < needed:
        return f"{one.well} of {needed} tasks healthy"
    if seen.strangers[one.slot]:
        return f"the target group has {seen.strangers[one.slot]} targets that are not tasks of this version"
    if not spread(seen, one):
        return f"tasks are healthy in {_list(sorted(one.zones))} only"
    if not one.steady:
        return "ECS is still stabilizing the task set"
    return f"{one.well} of {needed} tasks healthy"


def _list(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
