"""Deployment groups: one ECS service, its pair of target groups, its listeners, and how a deployment of it goes."""

from __future__ import annotations

import copy

from reconciler.local.codedeploy import traffic
from reconciler.local.codedeploy.checks import application, check_name, group, paged, tags_of
from reconciler.local.codedeploy.configs import ALL_AT_ONCE
from reconciler.local.codedeploy.group_checks import BATCH, by_name, check, service_key
from reconciler.local.codedeploy.state import Group, Params
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
WAITS = {
    "deploymentReadyOption": "waitTimeInMinutes",
    "terminateBlueInstancesOnDeploymentSuccess": "terminationWaitTimeInMinutes",
}


def create_deployment_group(world: World, params: Params) -> Params:
    owner = application(world, params["applicationName"])
    name = params["deploymentGroupName"]
    check_name(name, "DeploymentGroup")
    if (owner.name, name) in world.codedeploy.groups:
        raise Refusal("DeploymentGroupAlreadyExistsException", f"Deployment group {name} already exists")
    made = Group(world.ids.uuid(), owner.name, name, {}, tags_of(params))
    made.settings = _merged({"deploymentConfigName": ALL_AT_ONCE}, params)
    check(world, made, params)
    world.codedeploy.groups[(owner.name, name)] = made
    _associate(world, made)
    return {"deploymentGroupId": made.id}


def _merged(before: Params, params: Params) -> Params:
    """Members that are not named stay; lists are replaced. AWS fills in waits of 0 minutes, and the AWS CLI (`aws ecs
    deploy`) counts on them.
    """
    settings = {**before, **{key: copy.deepcopy(params[key]) for key in SETTINGS if key in params}}
    waits = settings.get("blueGreenDeploymentConfiguration", {})
    for option, wait in WAITS.items():
        if option in waits:
            waits[option].setdefault(wait, 0)
    return settings


def _associate(world: World, item: Group) -> None:
    """Make the production rules of the service's target group weighted ones, as CodeDeploy does at once."""
    primary = world.ecs.services[service_key(item)].primary
    arns = [by_name(world, one["name"]).arn for one in traffic.pair(item.settings)["targetGroups"]]
    live = primary.launch.load_balancers[0]["targetGroupArn"] if primary else ""
    if live in arns:
        traffic.associate(world, item.settings, live, next(arn for arn in arns if arn != live))


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
    if len(wanted) > BATCH:
        raise Refusal("BatchLimitExceededException", f"The maximum number of names is {BATCH}.")
    found = [world.codedeploy.groups.get((params["applicationName"], name)) for name in wanted]
    missing = [name for name, item in zip(wanted, found, strict=True) if item is None]
    message = f"No Deployment Group found for name: {', '.join(missing)}" if missing else None
    return {"deploymentGroupsInfo": [shown(item) for item in found if item], "errorMessage": message}


def list_deployment_groups(world: World, params: Params) -> Params:
    name = application(world, params["applicationName"]).name
    names = sorted(key[1] for key in world.codedeploy.groups if key[0] == name)
    return {"applicationName": name, **paged(names, params, "deploymentGroups")}


def update_deployment_group(world: World, params: Params) -> Params:
    """A deployment under way keeps what it has begun with."""
    found = group(world, params["applicationName"], params["currentDeploymentGroupName"])
    before = found.settings
    found.settings = _merged(before, params)
    try:
        check(world, found, params)
        new = params.get("newDeploymentGroupName", found.name)
        check_name(new, "DeploymentGroup")
        if new != found.name and (found.application, new) in world.codedeploy.groups:
            raise Refusal("DeploymentGroupAlreadyExistsException", f"Deployment group {new} already exists")
    except Refusal:
        found.settings = before
        raise
    if found.settings["loadBalancerInfo"] != before["loadBalancerInfo"]:
        _associate(world, found)
    for item in world.codedeploy.releases.values():
        if (item.application, item.group) == (found.application, found.name):
            item.group = new
    del world.codedeploy.groups[(found.application, found.name)]
    found.name = new
    world.codedeploy.groups[(found.application, new)] = found
    return {"hooksNotCleanedUp": []}


def delete_deployment_group(world: World, params: Params) -> Params:
    """Succeeds for one that is not there; leaves its service, the task sets and the listeners as they are."""
    check_name(params["deploymentGroupName"], "DeploymentGroup")
    world.codedeploy.groups.pop((params["applicationName"], params["deploymentGroupName"]), None)
    return {"hooksNotCleanedUp": []}
