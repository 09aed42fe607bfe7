"""Deployments through the API: created, described, continued, stopped. How one goes is in `engine`."""

from __future__ import annotations

import copy

from reconciler.local.codedeploy import appspec, engine, show
from reconciler.local.codedeploy.checks import application, group, paged, release
from reconciler.local.codedeploy.configs import check_for_ecs
from reconciler.local.codedeploy.ends import summary
from reconciler.local.codedeploy.group_checks import check_alarms, check_rollback, service_key
from reconciler.local.codedeploy.state import Params, Release
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

DESCRIBED_AT_ONCE = 25
DESCRIPTION_LENGTH = 256
WAITS = {"READY_WAIT": "Ready", "TERMINATION_WAIT": "TerminationWait"}
STATUSES = ("Created", "Queued", "InProgress", "Baking", "Succeeded", "Failed", "Stopped", "Ready")
STOPPING = ("Pending", "Stopping Pending. Stopping to schedule commands in the deployment instances")
STOPPED = ("Succeeded", "No more commands will be scheduled for execution in the deployment instances")
"""Status and message of StopDeployment (API reference and AWS CLI reference, examples)."""


def create_deployment(world: World, params: Params) -> Params:
    owner = application(world, params["applicationName"])
    if not params.get("deploymentGroupName"):
        raise Refusal("DeploymentGroupNameRequiredException", "Deployment Group name is required")
    item = group(world, owner.name, params["deploymentGroupName"])
    appspec.check(params.get("revision"))
    if len(params.get("description", "")) > DESCRIPTION_LENGTH:
        raise Refusal(
            "DescriptionTooLongException", f"The description can be at most {DESCRIPTION_LENGTH} characters long."
        )
    chosen = str(params.get("deploymentConfigName") or item.settings["deploymentConfigName"])
    check_for_ecs(world, chosen)
    check_rollback(params.get("autoRollbackConfiguration"))
    check_alarms(params.get("overrideAlarmConfiguration"))
    for one in world.codedeploy.releases.values():
        if (one.application, one.group) == (item.application, item.name) and not one.over:
            raise Refusal(
                "DeploymentLimitExceededException",
                f"The Deployment Group '{item.name}' already has an active Deployment '{one.id}'",
            )
    made = Release(
        id=f"d-{world.ids.letters(9)}",
        application=owner.name,
        group=item.name,
        settings=copy.deepcopy(item.settings),
        config=chosen,
        revision=params["revision"],
        service=service_key(item),
        created_at=world.now,
        description=params.get("description", ""),
        auto_rollback=params.get("autoRollbackConfiguration"),
        alarms=params.get("overrideAlarmConfiguration"),
    )
    world.codedeploy.releases[made.id] = made
    item.last_attempted = summary(made)
    engine.begin(world, made)
    return {"deploymentId": made.id}


def _shown(item: Release) -> Params:
    """Of a deployment under way there is no overview, as AWS has answered."""
    settings = item.settings
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
        "deploymentOverview": overview if item.over else None,
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
    return {"deploymentInfo": _shown(release(world, params["deploymentId"]))}


def batch_get_deployments(world: World, params: Params) -> Params:
    """Those that do not exist are left out."""
    ids = params["deploymentIds"]
    if not ids:
        raise Refusal("DeploymentIdRequiredException", "Deployment ID is required")
    if len(ids) > DESCRIBED_AT_ONCE:
        raise Refusal("BatchLimitExceededException", f"The maximum number of deployment ids is {DESCRIBED_AT_ONCE}.")
    found = [world.codedeploy.releases[one] for one in ids if one in world.codedeploy.releases]
    return {"deploymentsInfo": [_shown(item) for item in found]}


def list_deployments(world: World, params: Params) -> Params:
    """Newest first. An application is named with a deployment group of it, or neither is."""
    span, states = params.get("createTimeRange", {}), params.get("includeOnlyStatuses", [])
    owner, name = params.get("applicationName"), params.get("deploymentGroupName")
    if name and not owner:
        raise Refusal("ApplicationNameRequiredException", "Application name is required")
    if owner and not name:
        application(world, owner)
        raise Refusal("DeploymentGroupNameRequiredException", "Deployment Group name is required")
    if owner and name:
        group(world, owner, name)
    if unknown := [state for state in states if state not in STATUSES]:
        raise Refusal("InvalidDeploymentStatusException", f"The deployment status {unknown[0]} is invalid.")
    if "start" in span and "end" in span and span["start"] > span["end"]:
        raise Refusal("InvalidTimeRangeException", "The start of the time range is after its end.")
    every = list(world.codedeploy.releases.values())
    positions = {item.id: f"{len(every) - place:09d}" for place, item in enumerate(every)}
    ids = [
        item.id
        for item in reversed(every)
        if owner in (None, item.application)
        and name in (None, item.group)
        and (not states or item.status in states)
        and "externalId" not in params
        and ("start" not in span or item.created_at >= span["start"])
        and ("end" not in span or item.created_at <= span["end"])
    ]
    return paged(ids, params, "deployments", positions.__getitem__)


def continue_deployment(world: World, params: Params) -> Params:
    found = release(world, params.get("deploymentId"))
    kind = params.get("deploymentWaitType", "READY_WAIT")
    if kind not in WAITS:
        raise Refusal("InvalidDeploymentWaitTypeException", f"The wait type {kind} is not valid")
    if found.over:
        raise Refusal("DeploymentAlreadyCompletedException", f"The deployment {found.id} has already completed")
    if found.automatic:
        raise Refusal(
            "UnsupportedActionForDeploymentTypeException", f"The deployment {found.id} is a rollback, which never waits"
        )
    if found.step != WAITS[kind] or found.stopping:
        raise Refusal("DeploymentIsNotInReadyStateException", f"The deployment {found.id} is not in the ready state")
    engine.proceed(world, found)
    return {}


def stop_deployment(world: World, params: Params) -> Params:
    """Pending, until nothing of it runs any more; then, of the stopped deployment, Succeeded (user guide, "Stopped and
    failed deployments").
    """
    found = release(world, params["deploymentId"])
    if found.over and found.status != "Stopped":
        raise Refusal("DeploymentAlreadyCompletedException", f"The deployment {found.id} has already completed")
    if not found.over and not found.stopping:
        found.stop_with_rollback = params.get("autoRollbackEnabled")
        engine.stop(world, found)
    status, message = STOPPED if found.over else STOPPING
    return {"status": status, "statusMessage": message}
