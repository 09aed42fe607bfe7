"""Deployment groups: one ECS service, its pair of target groups, its listeners, and how a deployment of it goes."""

from __future__ import annotations

from reconciler.local.codedeploy.applications import config
from reconciler.local.codedeploy.checks import application, check_name, group, tags_of
from reconciler.local.codedeploy.state import Group, Params
from reconciler.local.elb.state import TargetGroup
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

SETTINGS = (
    "alarmConfiguration",
    "autoRollbackConfiguration",
    "blueGreenDeploymentConfiguration",
    "deploymentConfigName",
    "deploymentStyle",
    "ecsServices",
    "loadBalancerInfo",
    "outdatedInstancesStrategy",
    "serviceRoleArn",
    "triggerConfigurations",
)
TERMINATION_MOST = 2880
STYLE = {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"}


def create_deployment_group(world: World, params: Params) -> Params:
    owner = application(world, params["applicationName"])
    name = params["deploymentGroupName"]
    check_name(name, "DeploymentGroup")
    if (owner.name, name) in world.codedeploy.groups:
        raise Refusal("DeploymentGroupAlreadyExistsException", f"Deployment group {name} already exists")
    settings = {key: params[key] for key in SETTINGS if key in params}
    settings.setdefault("deploymentConfigName", "CodeDeployDefault.ECSAllAtOnce")
    made = Group(world.ids.uuid(), owner.name, name, settings, tags_of(params))
    check(world, made)
    world.codedeploy.groups[(owner.name, name)] = made
    return {"deploymentGroupId": made.id}


def check(world: World, item: Group) -> None:
    """API reference, CreateDeploymentGroup, and the CodeDeploy user guide, "Create a deployment group for ECS"."""
    settings = item.settings
    config(world, settings["deploymentConfigName"])
    if settings.get("deploymentStyle") != STYLE:
        raise Refusal("InvalidDeploymentStyleException", "For ECS it must be BLUE_GREEN and WITH_TRAFFIC_CONTROL.")
    role = settings.get("serviceRoleArn", "")
    trusted = world.rest.role(role) and world.rest.role_trusts(role, "codedeploy.amazonaws.com")
    if world.checks.roles and not trusted:
        raise Refusal(
            "InvalidRoleException",
            "AWS CodeDeploy does not have the permissions required to assume the role " + role + ".",
        )
    _check_options(settings.get("blueGreenDeploymentConfiguration"))
    _check_service(world, item)
    _check_pair(world, settings)


def _check_options(options: Params | None) -> None:
    if not options or "terminateBlueInstancesOnDeploymentSuccess" not in options:
        raise Refusal(
            "InvalidBlueGreenDeploymentConfigurationException", "terminateBlueInstancesOnDeploymentSuccess is required."
        )
    if "greenFleetProvisioningOption" in options:
        raise Refusal(
            "InvalidBlueGreenDeploymentConfigurationException", "greenFleetProvisioningOption is not allowed for ECS."
        )
    terminate, ready = options["terminateBlueInstancesOnDeploymentSuccess"], options.get("deploymentReadyOption", {})
    if terminate.get("action", "TERMINATE") != "TERMINATE":
        raise Refusal("InvalidBlueGreenDeploymentConfigurationException", "For ECS the action must be TERMINATE.")
    if not 0 <= terminate.get("terminationWaitTimeInMinutes", 0) <= TERMINATION_MOST:
        raise Refusal(
            "InvalidBlueGreenDeploymentConfigurationException",
            f"terminationWaitTimeInMinutes must be between 0 and {TERMINATION_MOST}.",
        )
    if ready.get("actionOnTimeout") == "STOP_DEPLOYMENT" and not ready.get("waitTimeInMinutes"):
        raise Refusal(
            "InvalidBlueGreenDeploymentConfigurationException", "waitTimeInMinutes is required with STOP_DEPLOYMENT."
        )


def _check_service(world: World, item: Group) -> None:
    services = item.settings.get("ecsServices", [])
    if len(services) != 1:
        raise Refusal("InvalidECSServiceException", "Exactly one ECS service must be specified.")
    key = (services[0]["clusterName"], services[0]["serviceName"])
    found = world.ecs.services.get(key)
    if found is None or found.status != "ACTIVE" or found.controller != "CODE_DEPLOY":
        raise Refusal(
            "InvalidECSServiceException",
            f"The ECS service {key[1]} of cluster {key[0]} is missing, or its controller is not CODE_DEPLOY.",
        )
    for other in world.codedeploy.groups.values():
        if other is not item and service_key(other) == key:
            raise Refusal(
                "ECSServiceMappingLimitExceededException", "The ECS service is in another deployment group already."
            )


def _check_pair(world: World, settings: Params) -> None:
    pairs = settings.get("loadBalancerInfo", {}).get("targetGroupPairInfoList", [])
    if len(pairs) != 1 or len(pairs[0].get("targetGroups", [])) != 2:
        raise Refusal("InvalidTargetGroupPairException", "Exactly one pair of target groups must be specified.")
    for item in pairs[0]["targetGroups"]:
        by_name(world, item["name"])
    production = pairs[0].get("prodTrafficRoute", {}).get("listenerArns", [])
    test = pairs[0].get("testTrafficRoute", {}).get("listenerArns", [])
    if len(production) != 1 or len(test) > 1:
        raise Refusal("InvalidTargetGroupPairException", "One production and at most one test listener are allowed.")
    for arn in [*production, *test]:
        if arn not in world.elb.listeners:
            raise Refusal("InvalidTargetGroupPairException", f"The listener {arn} does not exist.")
    if production == test:
        raise Refusal("InvalidTargetGroupPairException", "The production and the test listener must be different.")


def by_name(world: World, name: str) -> TargetGroup:
    found = next((item for item in world.elb.target_groups.values() if item.name == name), None)
    if found is None:
        raise Refusal("InvalidTargetGroupPairException", f"The target group {name} does not exist.")
    return found


def service_key(item: Group) -> tuple[str, str]:
    service = item.settings["ecsServices"][0]
    return service["clusterName"], service["serviceName"]


def shown(item: Group) -> Params:
    return {
        "applicationName": item.application,
        "deploymentGroupId": item.id,
        "deploymentGroupName": item.name,
        "ec2TagFilters": [],
        "onPremisesInstanceTagFilters": [],
        "autoScalingGroups": [],
        "triggerConfigurations": [],
        "outdatedInstancesStrategy": "UPDATE",
        "terminationHookEnabled": False,
        "computePlatform": "ECS",
        "targetRevision": item.target_revision,
        "lastSuccessfulDeployment": item.last_successful,
        "lastAttemptedDeployment": item.last_attempted,
        **item.settings,
    }


def get_deployment_group(world: World, params: Params) -> Params:
    found = group(world, params["applicationName"], params["deploymentGroupName"])
    return {"deploymentGroupInfo": shown(found)}


def batch_get_deployment_groups(world: World, params: Params) -> Params:
    """Missing ones are absent, and named in `errorMessage`."""
    application(world, params["applicationName"])
    wanted = params["deploymentGroupNames"]
    found = [world.codedeploy.groups.get((params["applicationName"], name)) for name in wanted]
    missing = [name for name, item in zip(wanted, found, strict=True) if item is None]
    message = f"No Deployment Group found for name: {', '.join(missing)}" if missing else None
    return {"deploymentGroupsInfo": [shown(item) for item in found if item], "errorMessage": message}


def list_deployment_groups(world: World, params: Params) -> Params:
    name = application(world, params["applicationName"]).name
    names = sorted(key[1] for key in world.codedeploy.groups if key[0] == name)
    return {"applicationName": name, "deploymentGroups": names}


def update_deployment_group(world: World, params: Params) -> Params:
    """Members that are not named stay; lists are replaced."""
    found = group(world, params["applicationName"], params["currentDeploymentGroupName"])
    before = found.settings
    found.settings = {**before, **{key: params[key] for key in SETTINGS if key in params}}
    try:
        check(world, found)
        new = params.get("newDeploymentGroupName", found.name)
        check_name(new, "DeploymentGroup")
        if new != found.name and (found.application, new) in world.codedeploy.groups:
            raise Refusal("DeploymentGroupAlreadyExistsException", f"Deployment group {new} already exists")
    except Refusal:
        found.settings = before
        raise
    del world.codedeploy.groups[(found.application, found.name)]
    found.name = new
    world.codedeploy.groups[(found.application, new)] = found
    return {"hooksNotCleanedUp": []}


def delete_deployment_group(world: World, params: Params) -> Params:
    world.codedeploy.groups.pop((params["applicationName"], params["deploymentGroupName"]), None)
    return {"hooksNotCleanedUp": []}
