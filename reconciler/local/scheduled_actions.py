"""Scheduled actions of Application Auto Scaling: when the next one is due, and what it does.

Source: Application Auto Scaling guide, "Scheduled scaling" and "Cron expressions". Schedules by rate, and `L`, `W` and
`#` in a cron expression, are kept and do not fire.
"""

from __future__ import annotations

from reconciler.local.scalable_target import DIMENSION, Params, ScalableTarget, service_of
from reconciler.local.world import World
from reconciler.model.schedules import next_time


def arm(world: World, target: ScalableTarget, action: Params) -> None:
    """Have the action fire when it is due, again and again, for as long as it is the target's and as it is now."""
    due = next_time(action["Schedule"], action.get("Timezone") or "UTC", world.now)
    if due is None:
        return

    def fire() -> None:
        if (
            world.scaling.get(target.resource) is target
            and target.schedules.get(action["ScheduledActionName"]) is action
        ):
            _take(world, target, action)
            arm(world, target, action)

    world.timers.at(due, fire)


def _take(world: World, target: ScalableTarget, action: Params) -> None:
    """Other bounds, and the desired count moved into them. A suspended target misses its time."""
    service = service_of(world, target.resource)
    if target.suspended["ScheduledScalingSuspended"] or service is None:
        return
    bounds = action["ScalableTargetAction"]
    target.low, target.high = bounds.get("MinCapacity", target.low), bounds.get("MaxCapacity", target.high)
    count = min(max(service.desired_count, target.low), target.high)
    if count == service.desired_count:
        return
    service.desired_count = count
    world.touch(service)
    target.activities.appendleft(
        {
            "ActivityId": world.ids.uuid(),
            "ServiceNamespace": "ecs",
            "ResourceId": target.resource,
            "ScalableDimension": DIMENSION,
            "Description": f"Setting desired count to {count}.",
            "Cause": f"scheduled action name {action['ScheduledActionName']} was triggered",
            "StartTime": world.now,
            "EndTime": world.now,
            "StatusCode": "Successful",
            "StatusMessage": f"Successfully set desired count to {count}. Change successfully fulfilled by ecs.",
        }
    )
