"""UpdateService: what each deployment controller lets one change, and what starts a new deployment (API reference)."""

from __future__ import annotations

from reconciler.local.ecs import configuration, launch, show
from reconciler.local.ecs.lookup import cluster, invalid, service
from reconciler.local.ecs.services import begin, check_count
from reconciler.local.ecs.state import Params, Service
from reconciler.local.world import World

ALWAYS = {
    "cluster",
    "service",
    "desiredCount",
    "deploymentConfiguration",
    "healthCheckGracePeriodSeconds",
    "placementConstraints",
    "placementStrategy",
    "enableECSManagedTags",
    "propagateTags",
    "enableExecuteCommand",
    "deploymentController",
    "availabilityZoneRebalancing",
}
"""What every controller takes. The API reference leaves out `enableExecuteCommand`; deployers in use send it."""
STARTS_DEPLOYMENT = (
    "taskDefinition",
    "networkConfiguration",
    "platformVersion",
    "loadBalancers",
    "serviceRegistries",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "capacityProviderStrategy",
)
CODE_DEPLOY_REFUSALS = {
    "taskDefinition": "Unable to update task definition on services with a CODE_DEPLOY deployment controller. Use AWS "
    "CodeDeploy to trigger a new deployment.",
    "forceNewDeployment": "Cannot force a new deployment on services with a CODE_DEPLOY deployment controller. Use AWS "
    "CodeDeploy to trigger a new deployment.",
    "networkConfiguration": "Unable to update network parameters on services with a CODE_DEPLOY deployment controller. "
    "Use AWS CodeDeploy to trigger a new deployment.",
}


def update_service(world: World, params: Params) -> Params:
    found = service(world, params)
    owner = cluster(world, params.get("cluster"))
    controller = params.get("deploymentController", {}).get("type", found.controller)
    _check_controller(world, found, controller)
    if "desiredCount" in params:
        check_count(params["desiredCount"])
    sent = {key for key, value in params.items() if value is not None}
    configuration.check_controller(controller, params.get("deploymentConfiguration", {}))
    if controller != "ECS":
        _check_sent(controller, sent, params)
    config = configuration.merged(found.configuration, params.get("deploymentConfiguration"))
    rebalancing = configuration.zone_rebalancing(
        params.get("availabilityZoneRebalancing"), found.zone_rebalancing, config
    )
    wanted = found.launch
    if controller == "ECS" and wanted is not None:
        wanted = launch.changed(world, owner, wanted, params)
        configuration.check_traffic(world, config, wanted)
    _apply(found, params)
    found.configuration, found.zone_rebalancing = config, rebalancing
    if controller != found.controller:
        _adopt(found, controller)
    if controller == "ECS" and wanted is not None:
        differs = wanted != found.launch and any(key in params for key in STARTS_DEPLOYMENT)
        if differs or params.get("forceNewDeployment"):
            begin(world, found, wanted)
    world.touch(found)
    return {"service": show.service(world, found, tags=False)}


def _check_controller(world: World, found: Service, controller: str) -> None:
    """From CODE_DEPLOY to another one is documented; while something is deployed, or any other way, it is refused."""
    if controller == found.controller:
        return
    active = any(item.service == found.key and not item.over for item in world.codedeploy.releases.values())
    if found.controller != "CODE_DEPLOY" or active or len(found.deployments) > 1:
        raise invalid(
            f"Unable to update the deployment controller from {found.controller} to {controller} for this service."
        )


def _adopt(found: Service, controller: str) -> None:
    """The one task set is the external controller's, or becomes the first deployment of the ECS controller."""
    found.controller = controller
    if controller == "EXTERNAL":
        return
    for deployment in found.deployments:
        deployment.task_set, deployment.status = None, "PRIMARY"
        deployment.rollout_state, deployment.completed = "COMPLETED", True
        deployment.declared = deployment.launch.load_balancers


def _check_sent(controller: str, sent: set[str], params: Params) -> None:
    refused = sorted(sent - ALWAYS)
    if params.get("forceNewDeployment") is False and "forceNewDeployment" in refused:
        refused.remove("forceNewDeployment")
    if not refused:
        return
    if controller == "CODE_DEPLOY" and refused[0] in CODE_DEPLOY_REFUSALS:
        raise invalid(CODE_DEPLOY_REFUSALS[refused[0]])
    instead = "AWS CodeDeploy" if controller == "CODE_DEPLOY" else "CreateTaskSet"
    raise invalid(
        f"Unable to update {refused[0]} on services with a {controller} deployment controller. Use {instead} to "
        "trigger a new deployment."
    )


def _apply(found: Service, params: Params) -> None:
    """What changes in place."""
    found.desired_count = params.get("desiredCount", found.desired_count)
    found.grace_seconds = params.get("healthCheckGracePeriodSeconds", found.grace_seconds)
    found.placement_constraints = params.get("placementConstraints", found.placement_constraints)
    found.placement_strategy = params.get("placementStrategy", found.placement_strategy)
    found.managed_tags = params.get("enableECSManagedTags", found.managed_tags)
    found.propagate_tags = params.get("propagateTags", found.propagate_tags)
    found.execute_command = params.get("enableExecuteCommand", found.execute_command)
