"""Whether a side of a service is well: enough of its tasks, in enough zones, and the load balancer agrees.

One look proves little: a target flaps, a read is late. So a side counts as well, or as broken, only after some looks in
a row found it so (`ObservedService.looks`). The looks before a restart do not count: that may take longer, and is never
sooner.
"""

from __future__ import annotations

from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.strategy import Strategy


def sound(seen: ObservedService, one: TaskSet) -> bool:
    """All the tasks that it should have are healthy targets, where the other side's are, and nobody else is there."""
    needed = one.needed(seen.desired)
    if one.healthy is None or not needed:
        return False
    return one.well >= needed and one.running >= needed and not seen.strangers[one.slot] and spread(seen, one)


def well(seen: ObservedService, one: TaskSet) -> bool:
    """Sound, and ECS has nothing left to do for it."""
    return sound(seen, one) and one.steady


def spread(seen: ObservedService, one: TaskSet) -> bool:
    """It is in as many zones as the side that serves now."""
    others = [other.zones for other in seen.alive if other.id != one.id and other.slot != one.slot and other.zones]
    if not others:
        return True
    return len(one.zones) >= min(len(others[0]), one.needed(seen.desired))


def verdict(seen: ObservedService) -> int:
    """What one look says of the newest set: 1 well, -1 not, 0 neither: it is sound, and ECS still works on it."""
    newest = seen.newest
    if newest is None:
        return 0
    return 1 if well(seen, newest) else 0 if sound(seen, newest) else -1


def proven(policy: Strategy, seen: ObservedService) -> bool:
    """The newest set was well for long enough."""
    return seen.looks >= policy.looks


def broken(policy: Strategy, seen: ObservedService) -> bool:
    """The newest set was not well for long enough."""
    return seen.looks <= -policy.looks


def can_serve(seen: ObservedService, one: TaskSet, instead_of: TaskSet | None) -> bool:
    """It may be given all of production: it has healthy tasks, and is not worse off than what has production now."""
    if not one.well:
        return False
    return one.well >= one.needed(seen.desired) or instead_of is None or one.well >= instead_of.well


def trouble(policy: Strategy, seen: ObservedService, one: TaskSet) -> str:
    """Why the newest set should not have production; empty if there is no reason."""
    if seen.alarms:
        return f"{_list(seen.alarms)} {'is' if len(seen.alarms) == 1 else 'are'} in alarm"
    if policy.max_5xx is not None and seen.errors is not None and seen.errors > policy.max_5xx:
        return f"{seen.errors:g} % of its answers are 5xx, more than {policy.max_5xx:g} %"
    if broken(policy, seen):
        return told(seen, one)
    return ""


def told(seen: ObservedService, one: TaskSet) -> str:
    """How it is doing, in words."""
    needed = one.needed(seen.desired)
    if one.healthy is None:
        return "nobody has looked at its targets"
    if one.running < needed:
        return f"{one.running} of {needed} tasks run"
    if one.well < needed:
        return f"{one.well} of {needed} tasks are healthy"
    if seen.strangers[one.slot]:
        return f"its target group has {seen.strangers[one.slot]} targets that are not its tasks"
    if not spread(seen, one):
        return f"its tasks are healthy in {_list(sorted(one.zones))} only"
    if not one.steady:
        return "ECS is not done with it"
    return f"{one.well} of {needed} tasks are healthy"


def _list(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
