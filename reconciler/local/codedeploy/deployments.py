"""Deployments through the API: created, described, continued, stopped. How one goes is in `engine`."""

from __future__ import annotations

from reconciler.local.codedeploy import appspec, ends, engine, show
from reconciler.local.codedeploy.applications import config
from reconciler.local.codedeploy.checks import application, group, release
from reconciler.local.codedeploy.groups import service_key
from reconciler.local.codedeploy.state import Group, LifecycleEvent, Params, Release
from reconciler.local.ecs.lookup import definition
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

DESCRIBED_AT_ONCE = 25
WAITS = {"READY_WAIT": "Ready", "TERMINATION_WAIT": "TerminationWait"}


def create_deployment(world: World, params: Params) -> Params:
    owner = application(world, params["applicationName"])
    if not params.get("deploymentGroupName"):
        raise Refusal("DeploymentGroupNameRequiredException", "The deployment group name is required.")
    item = group(world, owner.name, params["deploymentGroupName"])
    spec = appspec.read(params.get("revision"))
    chosen = str(params.get("deploymentConfigName") or item.settings["deploymentConfigName"])
    config(world, chosen)
    active = next((one for one in world.codedeploy.releases.values() if _of(one, item) and not one.over), None)
    if active is not None:
        raise Refusal(
            "DeploymentLimitExceededException",
            f"The Deployment Group '{item.name}' already has an active Deployment '{active.id}'",
        )
    if definition(world, spec.task_definition) is None:
        raise Refusal("InvalidRevisionException", f"The task definition {spec.task_definition} does not exist.")
    made = Release(
        id=f"d-{world.ids.letters(9)}",
        application=owner.name,
        group=item.name,
        config=chosen,
        revision=params["revision"],
        service=service_key(item),
        created_at=world.now,
        task_definition=spec.task_definition,
        container=spec.container,
        port=spec.port,
        launch_changes=spec.changes,
        events=[LifecycleEvent(name, hook=spec.hooks.get(name, "")) for name in engine.EVENTS],
        description=params.get("description", ""),
        auto_rollback=params.get("autoRollbackConfiguration"),
        alarms=params.get("overrideAlarmConfiguration"),
    )
    world.codedeploy.releases[made.id] = made
    item.last_attempted = _summary(made)
    engine.begin(world, made)
    return {"deploymentId": made.id}


def _of(item: Release, owner: Group) -> bool:
    return (item.application, item.group) == (owner.application, owner.name)


def _summary(item: Release) -> Params:
    return {
        "deploymentId": item.id,
        "status": item.status,
        "endTime": item.completed_at,
        "createTime": item.created_at,
    }


def _shown(world: World, item: Release) -> Params:
    owner = world.codedeploy.groups.get((item.application, item.group))
    settings = owner.settings if owner else {}
    overview = dict.fromkeys(("Pending", "InProgress", "Succeeded", "Failed", "Skipped", "Ready"), 0)
    overview[show.target_status(item)] += 1
    return {
        "applicationName": item.application,
        "deploymentGroupName": item.group,
        "deploymentConfigName": item.config,
        "deploymentId": item.id,
        "revision": item.revision,
        "status": item.status,
        "errorInformation": item.error,
        "createTime": item.created_at,
        "startTime": item.started_at,
        "completeTime": item.completed_at,
        "deploymentOverview": overview,
        "description": item.description or None,
        "creator": item.creator,
        "ignoreApplicationStopFailures": False,
        "autoRollbackConfiguration": item.auto_rollback or settings.get("autoRollbackConfiguration"),
        "updateOutdatedInstancesOnly": False,
        "rollbackInfo": item.rollback,
        "deploymentStyle": settings.get("deploymentStyle"),
        "instanceTerminationWaitTimeStarted": item.termination_wait_since is not None,
        "blueGreenDeploymentConfiguration": settings.get("blueGreenDeploymentConfiguration"),
        "loadBalancerInfo": settings.get("loadBalancerInfo"),
        "deploymentStatusMessages": [],
        "computePlatform": "ECS",
        "overrideAlarmConfiguration": item.alarms,
    }


def get_deployment(world: World, params: Params) -> Params:
    return {"deploymentInfo": _shown(world, release(world, params["deploymentId"]))}


def batch_get_deployments(world: World, params: Params) -> Params:
    ids = params["deploymentIds"]
    if len(ids) > DESCRIBED_AT_ONCE:
        raise Refusal("BatchLimitExceededException", f"The maximum number of deployment ids is {DESCRIBED_AT_ONCE}.")
    found = [world.codedeploy.releases[one] for one in ids if one in world.codedeploy.releases]
    return {"deploymentsInfo": [_shown(world, item) for item in found]}


def list_deployments(world: World, params: Params) -> Params:
    """Newest first."""
    span, states = params.get("createTimeRange", {}), params.get("includeOnlyStatuses")
    if params.get("deploymentGroupName") and not params.get("applicationName"):
        raise Refusal("ApplicationNameRequiredException", "The application name is required with a deployment group.")
    ids = [
        item.id
        for item in reversed(world.codedeploy.releases.values())
        if params.get("applicationName") in (None, item.application)
        and params.get("deploymentGroupName") in (None, item.group)
        and (not states or item.status in states)
        and ("start" not in span or item.created_at >= span["start"])
        and ("end" not in span or item.created_at <= span["end"])
    ]
    return {"deployments": ids}


def continue_deployment(world: World, params: Params) -> Params:
    found = release(world, params.get("deploymentId"))
    if found.over:
        raise Refusal("DeploymentAlreadyCompletedException", f"Deployment {found.id} is already completed")
    kind = params.get("deploymentWaitType", "READY_WAIT")
    if kind not in WAITS:
        raise Refusal("InvalidDeploymentWaitTypeException", f"The wait type {kind} is not valid")
    if found.step != WAITS[kind]:
        raise Refusal("DeploymentIsNotInReadyStateException", f"The deployment {found.id} is not in the ready state")
    engine.proceed(world, found)
    return {}


def stop_deployment(world: World, params: Params) -> Params:
    found = release(world, params["deploymentId"])
    if found.over:
        raise Refusal("DeploymentAlreadyCompletedException", f"Deployment {found.id} is already completed")
    ends.stop(world, found, roll_back=params.get("autoRollbackEnabled"))
    return {"status": "Succeeded", "statusMessage": "The deployment was stopped."}


def list_deployment_targets(world: World, params: Params) -> Params:
    return {"targetIds": [_target_id(release(world, params["deploymentId"]))]}


def _target_id(item: Release) -> str:
    return f"{item.service[0]}:{item.service[1]}"


def batch_get_deployment_targets(world: World, params: Params) -> Params:
    found = release(world, params["deploymentId"])
    if len(params["targetIds"]) > DESCRIBED_AT_ONCE:
        raise Refusal("BatchLimitExceededException", f"The maximum number of target ids is {DESCRIBED_AT_ONCE}.")
    _check_target(found, params["targetIds"])
    return {"deploymentTargets": [_target(world, found) for _ in params["targetIds"]]}


def get_deployment_target(world: World, params: Params) -> Params:
    found = release(world, params["deploymentId"])
    _check_target(found, [params["targetId"]])
    return {"deploymentTarget": _target(world, found)}


def _check_target(found: Release, ids: list[str]) -> None:
    for wanted in ids:
        if wanted != _target_id(found):
            raise Refusal("DeploymentTargetDoesNotExistException", f"The deployment target {wanted} does not exist.")


def _target(world: World, item: Release) -> Params:
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
