"""How a CodeDeploy deployment ends: succeeded, failed, stopped; and the second deployment that leads back."""

from __future__ import annotations

import copy

import orjson

from reconciler.local.codedeploy import events
from reconciler.local.codedeploy.configs import ALL_AT_ONCE
from reconciler.local.codedeploy.state import AppSpec, Group, Params, Release
from reconciler.local.ecs.state import Deployment, Service
from reconciler.local.world import World


def group_of(world: World, item: Release) -> Group | None:
    return world.codedeploy.groups.get((item.application, item.group))


def live_service(world: World, item: Release) -> Service | None:
    """The service, if CodeDeploy can still deploy it."""
    found = world.ecs.services.get(item.service)
    return found if found and found.status == "ACTIVE" and found.controller == "CODE_DEPLOY" else None


def summary(item: Release) -> Params:
    """lastAttemptedDeployment, lastSuccessfulDeployment."""
    return {
        "deploymentId": item.id,
        "status": item.status,
        "endTime": item.completed_at,
        "createTime": item.created_at,
    }


def succeed(world: World, item: Release) -> None:
    _close(world, item, "Succeeded")
    if owner := group_of(world, item):
        owner.target_revision, owner.last_successful = item.revision, summary(item)


def fail(world: World, item: Release, code: str, message: str) -> None:
    end(world, item, "Failed", "DEPLOYMENT_FAILURE", (code, message))


def end(world: World, item: Release, status: str, cause: str, error: tuple[str, str]) -> None:
    """Roll back where the deployment, else its group, says so for this cause; StopDeployment may say otherwise."""
    item.error = {"code": error[0], "message": error[1]}
    for event in item.events:
        if event.status == "InProgress":
            event.status, event.ended_at = "Failed", world.now
        elif event.status == "Pending":
            event.status = "Skipped"
    _close(world, item, status)
    rules = item.auto_rollback or item.settings.get("autoRollbackConfiguration") or {}
    wanted = rules.get("enabled", False) and cause in rules.get("events", [])
    if cause == "DEPLOYMENT_STOP_ON_REQUEST" and item.stop_with_rollback is not None:
        wanted = item.stop_with_rollback
    service = live_service(world, item)
    if wanted and item.green and not item.automatic and service and group_of(world, item):
        _roll_back(world, item, service)


def _close(world: World, item: Release, status: str) -> None:
    item.status, item.completed_at, item.since = status, world.now, world.now
    item.stopping = False
    events.state_changed(world, item)
    if owner := group_of(world, item):
        owner.last_attempted = summary(item)


def _roll_back(world: World, item: Release, service: Service) -> None:
    """A second deployment: traffic back to blue if it still lives, otherwise blue's task definition once more.

    Observed on AWS: its configuration is ECSAllAtOnce, whatever the group's is, and the two name each other.
    """
    blue = service.deployment(item.blue)
    lives = blue is not None and blue.status != "DRAINING"
    owner = group_of(world, item)
    assert owner is not None
    before = service.revisions[item.blue]
    back = Release(
        id=f"d-{world.ids.letters(9)}",
        application=item.application,
        group=item.group,
        settings=_without_waits(item.settings),
        config=ALL_AT_ONCE,
        revision=owner.target_revision or _revision(before),
        service=item.service,
        created_at=world.now,
        creator="codeDeployRollback",
        rolls_back=item.id if lives else "",
        spec=_spec(before),
    )
    if lives:
        back.blue, back.blue_group, back.green, back.green_group = (
            item.blue,
            item.blue_group,
            item.green,
            item.green_group,
        )
        back.shifted = item.shifted
    item.rollback = {
        "rollbackDeploymentId": back.id,
        "rollbackMessage": f"Deployment {item.id} terminated. Automatic rollback is triggered with a DeploymentId "
        f"{back.id}.",
    }
    back.rollback = {
        "rollbackTriggeringDeploymentId": item.id,
        "rollbackMessage": f"Deployment {back.id} is triggered to roll back deployment {item.id}.",
    }
    world.codedeploy.releases[back.id] = back
    owner.last_attempted = summary(back)
    world.touch(service)


def _without_waits(settings: Params) -> Params:
    made = copy.deepcopy(settings)
    made["blueGreenDeploymentConfiguration"] = {
        "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 0},
        "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT", "waitTimeInMinutes": 0},
    }
    return made


def _spec(before: Deployment) -> AppSpec:
    launch = before.launch
    entry = launch.load_balancers[0]
    changes: Params = {
        "platformVersion": launch.platform_version or "LATEST",
        "capacityProviderStrategy": list(launch.strategy),
    }
    if launch.network:
        changes["networkConfiguration"] = {"awsvpcConfiguration": launch.network}
    return AppSpec(launch.task_definition, entry["containerName"], entry["containerPort"], changes)


def _revision(before: Deployment) -> Params:
    """The AppSpec of a task set that no deployment of CodeDeploy has made."""
    entry = before.launch.load_balancers[0]
    properties = {
        "TaskDefinition": before.launch.task_definition,
        "LoadBalancerInfo": {"ContainerName": entry["containerName"], "ContainerPort": entry["containerPort"]},
    }
    target = {"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}
    document = orjson.dumps({"version": 0.0, "Resources": [target]}).decode()
    return {"revisionType": "AppSpecContent", "appSpecContent": {"content": document}}
