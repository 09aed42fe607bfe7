"""Whether what ECS has as the pair of a service is still there: its target groups and listener rules, by their ARNs.

A listener, rule or target group that is deleted outside reconciler is created again, and has another ARN then. ECS goes
on with the previous one, and rolls every deployment back, whatever its version is. `loadBalancers` are not sent again
to a service that serves: ECS takes the target group in them for the one in production, whichever that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconciler.rollout.engine_change import OVER_ROLLING
from reconciler.rollout.release import RolloutTarget

REMEDY: Final = f"ECS has those that were deleted, and rolls every deployment back; {OVER_ROLLING}"


def lost(subject: RolloutTarget, item: Mapping[str, Any]) -> str:
    """What was deleted since ECS was given it, whether or not it was created again, and what to do; or ""."""
    entry: Mapping[str, Any] = next(iter(item.get("loadBalancers") or ()), {})
    advanced = entry.get("advancedConfiguration") or {}
    if not advanced:
        return ""
    gone = " and ".join(f"the {name} listener or its rule" for name in subject.gone)
    again = " and ".join(_others(subject, {entry["targetGroupArn"], advanced["alternateTargetGroupArn"]}, advanced))
    several = [f"{gone} were deleted" if gone else "", f"{again} were created again" if again else ""]
    found = ", and ".join(one for one in several if one)
    return f"{found}: {REMEDY}" if found else ""


def _others(subject: RolloutTarget, groups: set[str], advanced: Mapping[str, Any]) -> Iterator[str]:
    if groups != {*subject.groups}:
        yield "target groups"
    for name, at in (("production", subject.production), ("test", subject.test)):
        if at is not None and not at.is_rule(advanced.get(f"{name}ListenerRule") or ""):
            yield f"the {name} listener or its rule"
