"""Health of one side of a service: enough tasks, in enough zones, healthy in the load balancer.

A single observation proves little, because targets flap and reads are late. A side counts as healthy or broken only
after several observations in a row (`ObservedService.looks`). Observations before a restart do not count, which may
delay a decision but never makes it early.

A side that lacks tasks is not thereby unhealthy: the desired count was raised, or a task is being replaced. What counts
against a version are targets that fail and tasks that stop by themselves. Missing tasks have as long as a new version
has to become healthy, and longer while AWS has no capacity for them.
"""

from __future__ import annotations

from datetime import datetime

from reconciler.model import duration
from reconciler.rollout import task_protection
from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.strategy import Strategy


def targets_healthy(seen: ObservedService, one: TaskSet) -> bool:
    """All wanted tasks are healthy targets, in the zones of the other side, and no others will stay in the group."""
    return _complete(seen, one) and not _in_its_group(seen, one) and spread(seen, one)


def _in_its_group(seen: ObservedService, one: TaskSet) -> int:
    """Targets of others in its target group. A service that leaves goes once this one is healthy, and not before."""
    return 0 if seen.inherited[one.slot] else seen.strangers[one.slot]


def _complete(seen: ObservedService, one: TaskSet) -> bool:
    needed = one.needed(seen.desired)
    return bool(needed) and one.healthy is not None and one.well >= needed and one.running >= needed


def steady(seen: ObservedService, one: TaskSet) -> bool:
    """Its targets are healthy, and ECS has stabilized the task set."""
    return targets_healthy(seen, one) and one.steady


def spread(seen: ObservedService, one: TaskSet) -> bool:
    """It runs in as many zones as the side in production, unless it does not have all of that side's subnets."""
    others = [other for other in seen.alive if other.id != one.id and other.slot != one.slot and other.zones]
    if not others or not one.subnets >= others[0].subnets:
        return True
    return len(one.zones) >= min(len(others[0].zones), one.needed(seen.desired))


def missing(seen: ObservedService) -> bool:
    """Whether wanted tasks of the newest task set are not healthy."""
    newest = seen.newest
    return newest is not None and bool(newest.needed(seen.desired)) and not _complete(seen, newest)


def at_fault(seen: ObservedService, one: TaskSet) -> bool:
    """Whether the version itself fails: targets that were up fail, or tasks failed since the side was complete."""
    fresh = seen.failed_before is not None and one.failed > seen.failed_before
    return bool(one.failing) or (fresh and missing(seen))


def verdict(seen: ObservedService) -> int:
    """Result of one observation of the newest task set: 1 steady; -1 failing, or without any healthy task; else 0.

    A task set that cannot lose tasks because they are protected never becomes steady, which is no fault of it.
    """
    newest = seen.newest
    if newest is None or newest.healthy is None or not newest.needed(seen.desired):
        return 0
    if targets_healthy(seen, newest):
        return 1 if newest.steady or newest.protected else 0
    return -1 if at_fault(seen, newest) or not newest.well else 0


def confirmed_healthy(policy: Strategy, seen: ObservedService) -> bool:
    """The newest task set was healthy in enough observations in a row."""
    return seen.looks >= policy.looks


def unhealthy(policy: Strategy, seen: ObservedService) -> bool:
    """The newest task set was failing or empty in enough observations in a row."""
    return seen.looks <= -policy.looks


def overdue(policy: Strategy, seen: ObservedService, now: datetime) -> bool:
    """Tasks have been missing for longer than the strategy allows; time without capacity does not count."""
    return seen.missing_since is not None and now - seen.missing_since >= policy.healthy_within


def lack(seen: ObservedService) -> str:
    """The lack of capacity that keeps tasks of the newest task set from starting, or ""."""
    return seen.newest.unplaced if seen.newest is not None and missing(seen) else ""


def broken(policy: Strategy, seen: ObservedService, now: datetime) -> bool:
    """The newest task set has to be brought up again, or to leave production."""
    return unhealthy(policy, seen) or overdue(policy, seen, now)


def excused(policy: Strategy, seen: ObservedService, now: datetime) -> bool:
    """No deadline fails it: ECS is stabilizing healthy tasks, missing ones were wanted or interrupted just now, or its
    target group has protected tasks of another version.
    """
    newest = seen.newest
    if newest is None or targets_healthy(seen, newest):
        return newest is not None
    if _complete(seen, newest) and task_protection.occupied(seen, newest.slot):
        return not newest.failing
    waiting = seen.missing_since is not None and not overdue(policy, seen, now)
    return waiting and missing(seen) and not at_fault(seen, newest)


def blameless(policy: Strategy, seen: ObservedService, one: TaskSet, now: datetime) -> bool:
    """It has no healthy task, and nothing suggests that the version is the reason: its tasks were interrupted."""
    return unhealthy(policy, seen) and not one.well and excused(policy, seen, now) and not seen.alarms


def can_serve(seen: ObservedService, one: TaskSet, instead_of: TaskSet | None) -> bool:
    """Whether it may take all production traffic: it has healthy tasks, and no fewer than the side in production.

    While no tasks are wanted, either side may.
    """
    if not seen.desired:
        return True
    if not one.well:
        return False
    return one.well >= one.needed(seen.desired) or instead_of is None or one.well >= instead_of.well


def trouble(policy: Strategy, seen: ObservedService, one: TaskSet, now: datetime) -> str:
    """Why the newest task set must not receive production traffic, or ""."""
    if seen.alarms:
        return f"{_list(seen.alarms)} {'is' if len(seen.alarms) == 1 else 'are'} in alarm"
    if policy.max_5xx is not None and seen.errors is not None and seen.errors > policy.max_5xx:
        return f"{seen.errors:g} % of responses are 5xx (limit {policy.max_5xx:g} %)"
    if unhealthy(policy, seen):
        return status(seen, one)
    if overdue(policy, seen, now):
        return f"{status(seen, one)} for more than {duration.format(policy.healthy_within)}"
    return ""


def status(seen: ObservedService, one: TaskSet) -> str:
    """Its health as a status message."""
    needed = one.needed(seen.desired)
    if one.healthy is None:
        return "target health is not known yet"
    if not needed:
        return "no tasks are wanted"
    if one.running < needed:
        waiting = f"; waiting for capacity ({one.unplaced})" if one.unplaced else ""
        return f"{one.running} of {needed} tasks running{waiting}"
    if one.well < needed:
        return f"{one.well} of {needed} tasks healthy"
    if others := _in_its_group(seen, one):
        return (
            task_protection.occupied(seen, one.slot)
            or f"the target group has {others} targets that are not tasks of this version"
        )
    if not spread(seen, one):
        return f"tasks are healthy in {_list(sorted(one.zones))} only"
    if not one.steady:
        return task_protection.reason([one]) or "ECS is still stabilizing the task set"
    return f"{one.well} of {needed} tasks healthy"


def _list(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
