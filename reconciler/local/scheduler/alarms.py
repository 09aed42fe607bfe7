"""CloudWatch alarms that watch a deployment. One that rings already when it begins is ignored for that deployment."""

from __future__ import annotations

from reconciler.local.cloudwatch.alarms import in_alarm
from reconciler.local.ecs.state import Rollout, Service
from reconciler.local.world import World


def begin(world: World, service: Service, rollout: Rollout) -> None:
    rules = rollout.configuration["alarms"]
    if rules["enable"]:
        rollout.ignored_alarms = in_alarm(world, rules["alarmNames"])
        _poll(world, service, rollout)


def _poll(world: World, service: Service, rollout: Rollout) -> None:
    """Look again and again until the deployment is over."""
    if not rollout.over:
        world.touch(service)
        world.after(world.timings.alarm_poll, lambda: _poll(world, service, rollout))


def ringing(world: World, rollout: Rollout) -> list[str]:
    rules = rollout.configuration["alarms"]
    if not rules["enable"] or rollout.over or rollout.rollback:
        return []
    found = [name for name in in_alarm(world, rules["alarmNames"]) if name not in rollout.ignored_alarms]
    rollout.triggered_alarms = found
    return found
