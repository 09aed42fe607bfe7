"""UpdateService: what each deployment controller lets one change, and what starts a new deployment (API reference)."""

from __future__ import annotations

from dataclasses import replace

from reconciler.local.ecs import configuration, controller, launch, show
from reconciler.local.ecs.lookup import cluster, invalid, service
from reconciler.local.ecs.services import begin, check_count
from reconciler.local.ecs.state import Launch, Params, Service
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
    wanted_controller = params.get("deploymentController", {}).get("type", found.controller)
    if "desiredCount" in params:
        check_count(params["desiredCount"])
    sent = {key for key, value in params.items() if value is not None}
    configuration.check_controller(wanted_controller, params.get("deploymentConfiguration", {}))
    if wanted_controller != "ECS":
        _check_sent(wanted_controller, sent, params)
    config = configuration.merged(found.configuration, params.get("deploymentConfiguration"))
    controller.check(world, found, wanted_controller, config)
    rebalancing = configuration.zone_rebalancing(
        params.get("availabilityZoneRebalancing"), found.zone_rebalancing, config
    )
    wanted = found.launch
    if wanted_controller == "ECS" and wanted is not None:
        wanted = launch.changed(world, owner, wanted, params)
        configuration.check_traffic(world, config, wanted)
        _check_capacity(found.launch, wanted, params)
    resent = "loadBalancers" in params and _same_pairs(found.launch, wanted)
    _apply(found, params)
    found.configuration, found.zone_rebalancing = config, rebalancing
    if wanted_controller != found.controller:
        controller.move(world, found, wanted_controller)
    if wanted_controller == "ECS" and wanted is not None:
        if params.get("forceNewDeployment") or _starts_a_deployment(found.launch, wanted):
            begin(world, found, wanted, resent=resent)
        found.launch = wanted
    world.touch(found)
    return {"service": show.service(world, found, tags=False)}


def _starts_a_deployment(present: Launch | None, wanted: Launch) -> bool:
    """Everything does that tasks are started from, but a capacity provider strategy (API reference)."""
    return present is None or present != replace(wanted, strategy=present.strategy, launch_type=present.launch_type)


def _check_capacity(present: Launch | None, wanted: Launch, params: Params) -> None:
    """As ECS refuses it (pipe-cd/pipecd#6385, kayac/ecspresso#977), also beside what starts a deployment anyway."""
    if present is not None and present.strategy != wanted.strategy and not params.get("forceNewDeployment"):
        raise invalid(
            "When switching from launch type to capacity provider strategy on an existing service, or making a change "
            "to a capacity provider strategy on a service that is already using one, you must force a new deployment."
        )


def _same_pairs(present: Launch | None, wanted: Launch | None) -> bool:
    """Whether these are pairs of target groups, and those that the service has anyway."""
    pairs = [
        [{entry["targetGroupArn"], entry["advancedConfiguration"]["alternateTargetGroupArn"]} for entry in entries]
        for launch in (present, wanted)
        if launch
        and (entries := launch.load_balancers)
        and all((entry.get("advancedConfiguration") or {}).get("alternateTargetGroupArn") for entry in entries)
    ]
    return len(pairs) == 2 and pairs[0] == pairs[1]


def _check_sent(kind: str, sent: set[str], params: Params) -> None:
    refused = sorted(sent - ALWAYS)
    if params.get("forceNewDeployment") is False and "forceNewDeployment" in refused:
        refused.remove("forceNewDeployment")
    if not refused:
        return
    if kind == "CODE_DEPLOY" and refused[0] in CODE_DEPLOY_REFUSALS:
        raise invalid(CODE_DEPLOY_REFUSALS[refused[0]])
    instead = "AWS CodeDeploy" if kind == "CODE_DEPLOY" else "CreateTaskSet"
    raise invalid(
        f"Unable to update {refused[0]} on services with a {kind} deployment controller. Use {instead} to "
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
