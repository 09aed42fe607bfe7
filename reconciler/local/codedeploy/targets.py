"""The one target of a deployment, its ECS service, and the reports of lifecycle hooks about it."""

from __future__ import annotations

from reconciler.local.codedeploy import engine, show
from reconciler.local.codedeploy.checks import release
from reconciler.local.codedeploy.state import Params, Release
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

FILTERS = ("TargetStatus", "ServerInstanceLabel")


def _started(world: World, deployment_id: str) -> Release:
    found = release(world, deployment_id)
    if found.started_at is None:
        raise Refusal("DeploymentNotStartedException", f"The deployment {found.id} has not started.")
    return found


def list_deployment_targets(world: World, params: Params) -> Params:
    found = _started(world, params["deploymentId"])
    filters = params.get("targetFilters", {})
    if unknown := sorted(set(filters) - set(FILTERS)):
        raise Refusal("InvalidTargetFilterNameException", f"The target filter {unknown[0]} is invalid.")
    wanted = filters.get("TargetStatus")
    return {"targetIds": [_target_id(found)] if not wanted or show.target_status(found) in wanted else []}


def _target_id(item: Release) -> str:
    return f"{item.service[0]}:{item.service[1]}"


def batch_get_deployment_targets(world: World, params: Params) -> Params:
    """Of an ECS deployment exactly one target is asked for."""
    found, ids = _started(world, params["deploymentId"]), params["targetIds"]
    if not ids:
        raise Refusal("DeploymentTargetIdRequiredException", "A deployment target ID is required.")
    if len(ids) > 1:
        raise Refusal("DeploymentTargetListSizeExceededException", "The target list must have exactly one item.")
    return {"deploymentTargets": [_target(world, found, ids[0])]}


def get_deployment_target(world: World, params: Params) -> Params:
    found = _started(world, params["deploymentId"])
    return {"deploymentTarget": _target(world, found, params["targetId"])}


def _target(world: World, item: Release, wanted: str) -> Params:
    if wanted != _target_id(item):
        raise Refusal("DeploymentTargetDoesNotExistException", f"The deployment target {wanted} does not exist.")
    cluster, name = item.service
    return {
        "deploymentTargetType": "ECSTarget",
        "ecsTarget": {
            "deploymentId": item.id,
            "targetId": _target_id(item),
            "targetArn": world.arn("ecs", f"service/{cluster}/{name}"),
            "lastUpdatedAt": item.since or item.created_at,
            "lifecycleEvents": [
                {
                    "lifecycleEventName": event.name,
                    "diagnostics": event.diagnostics,
                    "startTime": event.started_at,
                    "endTime": event.ended_at,
                    "status": event.status,
                }
                for event in item.events
            ],
            "status": show.target_status(item),
            "taskSetsInfo": show.task_sets(world, item),
        },
    }


def put_lifecycle_event_hook_execution_status(world: World, params: Params) -> Params:
    found = release(world, params.get("deploymentId"))
    execution = params.get("lifecycleEventHookExecutionId", "")
    event = next((one for one in found.events if one.execution_id and one.execution_id == execution), None)
    if event is None:
        raise Refusal("InvalidLifecycleEventHookExecutionIdException", f"{execution} is not a valid execution id")
    if event.status != "InProgress":
        raise Refusal("LifecycleEventAlreadyCompletedException", "The lifecycle event has already been completed")
    if params.get("status") not in ("Succeeded", "Failed"):
        raise Refusal("InvalidLifecycleEventHookExecutionStatusException", "The status must be Succeeded or Failed")
    engine.hook_answered(world, found, event, succeeded=params["status"] == "Succeeded")
    return {"lifecycleEventHookExecutionId": execution}
