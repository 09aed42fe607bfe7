"""CodeDeploy's view of the two task sets of a deployment."""

from __future__ import annotations

from reconciler.local.codedeploy.state import Params, Release
from reconciler.local.world import World


def target_status(item: Release) -> str:
    match item.status:
        case "Created" | "Queued":
            return "Pending"
        case "Stopped":
            return "Failed" if any(event.status == "Failed" for event in item.events) else "Skipped"
        case status:
            return status


def task_sets(world: World, item: Release) -> list[Params]:
    service = world.ecs.services.get(item.service)
    rows = []
    for label, number, group_arn in (("Blue", item.blue, item.blue_group), ("Green", item.green, item.green_group)):
        found = service.deployment(number) if service and number else None
        if found is None:
            continue
        group = world.elb.target_groups.get(group_arn)
        share = item.shifted if label == "Green" else 100.0 - item.shifted
        rows.append(
            {
                "identifer": found.id,
                "desiredCount": found.desired,
                "pendingCount": found.pending(),
                "runningCount": found.running(),
                "status": found.status,
                "trafficWeight": share,
                "targetGroup": {"name": group.name} if group else None,
                "taskSetLabel": label,
            }
        )
    return rows
