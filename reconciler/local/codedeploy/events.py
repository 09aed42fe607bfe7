"""State changes of deployments as events (CodeDeploy User Guide, "Monitoring deployments with EventBridge").

A deployment of ECS has no instances, and none of their events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.local.codedeploy.state import Params, Release
from reconciler.local.eventbridge import bus
from reconciler.local.world import World

STATES: Final[Mapping[str, str]] = {
    "InProgress": "START",
    "Ready": "READY",
    "Succeeded": "SUCCESS",
    "Failed": "FAILURE",
    "Stopped": "STOP",
}


def state_changed(world: World, item: Release) -> None:
    """Call once the deployment has its new status."""
    application = f"application:{item.application}"
    group = f"deploymentgroup:{item.application}/{item.group}"
    owner = world.codedeploy.groups.get((item.application, item.group))
    state = STATES[item.status]

    def detail() -> Params:
        return {
            "region": world.region,
            "deploymentId": item.id,
            "instanceGroupId": owner.id if owner else None,
            "deploymentGroup": item.group,
            "state": state,
            "application": item.application,
        }

    resources = [world.arn("codedeploy", application), world.arn("codedeploy", group)]
    bus.tell(world, "aws.codedeploy", "CodeDeploy Deployment State-change Notification", resources, detail)
