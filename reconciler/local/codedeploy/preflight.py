"""What CodeDeploy checks before it creates the replacement task set: the AppSpec, the role, the service, the listeners.

CodeDeploy user guide, "Error codes for AWS CodeDeploy" and "Troubleshoot Amazon ECS deployment issues".
"""

from __future__ import annotations

from reconciler.local.codedeploy import appspec, traffic
from reconciler.local.codedeploy.ends import group_of, live_service
from reconciler.local.codedeploy.group_checks import by_name
from reconciler.local.codedeploy.state import Release
from reconciler.local.ecs.lookup import definition
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

Problem = tuple[str, str]
"""An error's code and message (ErrorInformation)."""


def gone(world: World, item: Release) -> Problem | None:
    """What a deployment needs all along, and has lost."""
    if item.application not in world.codedeploy.applications:
        return "APPLICATION_MISSING", f"The application {item.application} is missing."
    if group_of(world, item) is None:
        return "DEPLOYMENT_GROUP_MISSING", f"The deployment group {item.group} is missing."
    service = live_service(world, item)
    if service is None or service.primary is None:
        cluster, name = item.service
        return "INVALID_ECS_SERVICE", f"The ECS service {name} in the cluster {cluster} cannot be deployed."
    return None


def problem(world: World, item: Release) -> Problem | None:
    """Why the deployment fails at its start; sets its AppSpec, its blue task set and its target groups."""
    if found := gone(world, item) or _role(world, item):
        return found
    try:
        item.spec = item.spec or appspec.read(item.revision)
        if definition(world, item.spec.task_definition) is None:
            return "INVALID_REVISION", f"The task definition {item.spec.task_definition} does not exist."
        _check_traffic(world, item)
    except Refusal as refusal:
        return refusal.code, refusal.message
    for event in item.events:
        event.hook = item.spec.hooks.get(event.name, "")
    return None


def _role(world: World, item: Release) -> Problem | None:
    arn = item.settings["serviceRoleArn"]
    if not world.checks.roles:
        return None
    if not world.rest.role(arn):
        return (
            "IAM_ROLE_MISSING",
            "The deployment failed because no service role exists with the service role name specified for the "
            "deployment group. Make sure you are using the correct service role name.",
        )
    if not world.rest.role_trusts(arn, "codedeploy.amazonaws.com"):
        return "IAM_ROLE_PERMISSIONS", f"CodeDeploy does not have the permissions required to assume the role {arn}."
    return None


def _check_traffic(world: World, item: Release) -> None:
    blue = world.ecs.services[item.service].primary
    assert blue is not None
    item.blue, item.blue_group = blue.number, blue.launch.load_balancers[0]["targetGroupArn"]
    try:
        arns = [by_name(world, one["name"]).arn for one in traffic.pair(item.settings)["targetGroups"]]
    except Refusal as refusal:
        raise traffic.invalid(refusal.message) from refusal
    if item.blue_group not in arns:
        raise traffic.invalid("The target group of the primary task set is not one of the deployment group's")
    item.green_group = next(arn for arn in arns if arn != item.blue_group)
    traffic.check(world, item)
