"""Whether what ECS has as the pair of a service is still there: its target groups and listener rules, by their ARNs.

A listener, rule or target group that is deleted outside reconciler is created again, and has another ARN then. ECS goes
on with the previous one, and rolls every deployment back, whatever its version is. `loadBalancers` are not sent again
to a service that serves: ECS takes the target group in them for the one in production, whichever that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from reconciler.model import elb_actions
from reconciler.rollout.release import RolloutTarget, TrafficEntry

REMEDY: Final = (
    "ECS has those that were deleted, and rolls every deployment back; change the engine to `rolling` in a commit of "
    "its own, and change it back in the next one"
)


def lost(subject: RolloutTarget, item: Mapping[str, Any]) -> str:
    """What has been created again since ECS was given it, and what to do; or ""."""
    entry: Mapping[str, Any] = next(iter(item.get("loadBalancers") or ()), {})
    advanced = entry.get("advancedConfiguration") or {}
    if not advanced:
        return ""
    again = " and ".join(_others(subject, {entry["targetGroupArn"], advanced["alternateTargetGroupArn"]}, advanced))
    return f"{again} were created again: {REMEDY}" if again else ""


def _others(subject: RolloutTarget, groups: set[str], advanced: Mapping[str, Any]) -> Iterator[str]:
    if groups != {*subject.groups}:
        yield "target groups"
    for name, at in (("production", subject.production), ("test", subject.test)):
        if at is not None and not _is(advanced.get(f"{name}ListenerRule") or "", at):
            yield f"the {name} listener or its rule"


def _is(rule: str, at: TrafficEntry) -> bool:
    """A listener's default action is a rule as well, whose ARN begins as the listener's does."""
    if at.rule is not None:
        return rule == at.rule
    return elb_actions.listener_of(rule) == at.listener
