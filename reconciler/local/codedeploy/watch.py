"""What ends a deployment from outside: alarms of CloudWatch, and a scaling event that does not settle in time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from reconciler.local.cloudwatch import alarms
from reconciler.local.codedeploy.ends import end, fail
from reconciler.local.codedeploy.state import Params, Release
from reconciler.local.world import World

ACTIVATED = (
    "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected "
    "deployments have been stopped. Activated alarms: "
)
STEADY_WITHIN = 300.0
"""Seconds that a service has to become steady after a scaling event during the shift (ECS developer guide, "CodeDeploy
blue/green deployments", considerations)."""
Look = Callable[[], None]
"""Look at the deployment again."""


def begin(world: World, item: Release, look: Look) -> None:
    """Look at the alarms again and again until the deployment is over."""

    def poll() -> None:
        look()
        if not item.over:
            world.after(world.timings.alarm_poll, poll)

    if _rules(item).get("enabled"):
        world.after(world.timings.alarm_poll, poll)


def ends(world: World, item: Release, look: Look) -> bool:
    """True where it has ended the deployment."""
    if item.step != "BeforeInstall" and (ringing := _ringing(world, item)):
        message = ACTIVATED + " ".join(f"<{name}>" for name in ringing)
        end(world, item, "Stopped", "DEPLOYMENT_STOP_ON_ALARM", ("ALARM_ACTIVE", message))
    elif item.step == "AllowTraffic" and _unsettled(world, item, look):
        minutes = int(STEADY_WITHIN // 60)
        message = f"The ECS service did not reach a steady state within {minutes} minutes after it was scaled."
        fail(world, item, "ECS_UPDATE_ERROR", message)
    return item.over


def _rules(item: Release) -> Params:
    """A rollback is not watched: the alarm that has caused it may still be active."""
    return {} if item.automatic else item.alarms or item.settings.get("alarmConfiguration") or {}


def _ringing(world: World, item: Release) -> list[str]:
    rules = _rules(item)
    return alarms.in_alarm(world, [alarm["name"] for alarm in rules.get("alarms", ())]) if rules.get("enabled") else []


def _unsettled(world: World, item: Release, look: Look) -> bool:
    service = world.ecs.services[item.service]
    if service.desired_count != item.desired:
        item.desired, item.scaled_at = service.desired_count, world.now
        world.after(STEADY_WITHIN, look)
    if item.scaled_at is None:
        return False
    sets = [one.task_set for one in service.deployments if one.task_set and one.status != "DRAINING"]
    if all(one.stability == "STEADY_STATE" for one in sets):
        item.scaled_at = None
        return False
    return world.now >= item.scaled_at + timedelta(seconds=STEADY_WITHIN)
