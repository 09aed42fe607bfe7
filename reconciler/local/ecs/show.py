"""Services, deployments and task sets as ECS describes them."""

from __future__ import annotations

from reconciler.local.ecs import configuration
from reconciler.local.ecs.launch import NEWEST_PLATFORM, fargate
from reconciler.local.ecs.lookup import shown_tags
from reconciler.local.ecs.state import Deployment, Launch, Params, Service
from reconciler.local.scheduler import sets
from reconciler.local.world import World


def service(world: World, item: Service, *, tags: bool) -> Params:
    by_sets = item.controller != "ECS"
    active = item.status == "ACTIVE"
    return {
        "serviceArn": item.arn,
        "serviceName": item.name,
        "clusterArn": world.arn("ecs", f"cluster/{item.cluster}"),
        "loadBalancers": list(item.launch.load_balancers) if item.launch else [],
        "serviceRegistries": list(item.launch.registries) if item.launch else [],
        "status": item.status,
        "desiredCount": item.desired_count,
        "runningCount": sum(one.running() for one in item.deployments),
        "pendingCount": sum(one.pending() for one in item.deployments),
        **_placement(item.launch, platform_as_asked=True),
        "taskDefinition": item.launch.task_definition if item.launch else None,
        "deploymentConfiguration": configuration.shown(item.controller, item.configuration),
        "taskSets": [task_set(world, item, one, tags=False) for one in item.deployments]
        if by_sets and not item.answers_deployments
        else None,
        "deployments": _deployments(item),
        "roleArn": item.role_arn,
        "events": list(item.events),
        "createdAt": item.created_at,
        "currentServiceDeployment": item.rollout.arn if active and item.rollout else None,
        "currentServiceRevisions": [_revision_summary(item, one) for one in item.deployments]
        if not by_sets and active
        else None,
        "placementConstraints": item.placement_constraints,
        "placementStrategy": [_placed(one) for one in item.placement_strategy],
        "networkConfiguration": _network(item.launch),
        "healthCheckGracePeriodSeconds": item.grace_seconds,
        "schedulingStrategy": item.scheduling_strategy,
        "deploymentController": {"type": item.controller},
        "tags": shown_tags(item.tags) if tags else None,
        "createdBy": f"arn:aws:iam::{world.account}:root",
        "enableECSManagedTags": item.managed_tags,
        "propagateTags": item.propagate_tags,
        "enableExecuteCommand": item.execute_command,
        "availabilityZoneRebalancing": item.zone_rebalancing,
    }


def _deployments(item: Service) -> list[Params] | None:
    """CodeDeploy's service has task sets and no such member (cloud-custodian/cloud-custodian#9351).

    A service that ECS has deployed once goes on answering its task sets as deployments, whoever controls it (developer
    guide, "Updating Amazon ECS service parameters").
    """
    if item.controller == "ECS" or item.answers_deployments:
        return [deployment(one) for one in item.deployments]
    return None if item.controller == "CODE_DEPLOY" else []


def _placement(launch: Launch | None, *, platform_as_asked: bool) -> Params:
    if launch is None:
        return {}
    platform = (launch.platform_version or "LATEST") if platform_as_asked else NEWEST_PLATFORM
    return {
        "launchType": None if launch.strategy else launch.launch_type,
        "capacityProviderStrategy": list(launch.strategy) or None,
        "platformVersion": platform if fargate(launch) else None,
        "platformFamily": "Linux" if fargate(launch) else None,
    }


def _network(launch: Launch | None) -> Params | None:
    return {"awsvpcConfiguration": launch.network} if launch and launch.network else None


def _revision_summary(item: Service, one: Deployment) -> Params:
    return {
        "arn": item.revision_arn(one.number),
        "requestedTaskCount": one.desired,
        "runningTaskCount": one.running(),
        "pendingTaskCount": one.pending(),
    }


def deployment(one: Deployment) -> Params:
    return {
        "id": one.id,
        "status": "ACTIVE" if one.status == "DRAINING" else one.status,  # the status of a task set
        "taskDefinition": one.launch.task_definition,
        "desiredCount": one.desired,
        "pendingCount": one.pending(),
        "runningCount": one.running(),
        "failedTasks": one.failed_tasks,
        "createdAt": one.created_at,
        "updatedAt": one.updated_at,
        **_placement(one.launch, platform_as_asked=False),
        "networkConfiguration": _network(one.launch),
        # only of "services that use the rolling update (ECS) deployment type" (API reference, Deployment)
        "rolloutState": None if one.task_set else one.rollout_state,
        "rolloutStateReason": None if one.task_set else one.rollout_reason,
        "serviceConnectConfiguration": one.launch.service_connect,
        "volumeConfigurations": list(one.launch.volumes) or None,
        "vpcLatticeConfigurations": list(one.launch.lattice) or None,
    }


def task_set(world: World, item: Service, one: Deployment, *, tags: bool) -> Params:
    assert one.task_set is not None
    return {
        "id": one.id,
        "taskSetArn": one.task_set.arn,
        "serviceArn": item.arn,
        "clusterArn": world.arn("ecs", f"cluster/{item.cluster}"),
        "startedBy": one.task_set.started_by or None,
        "externalId": one.task_set.external_id or None,
        "status": one.status,
        "taskDefinition": one.launch.task_definition,
        "computedDesiredCount": sets.computed(item, one),
        "pendingCount": one.pending(),
        "runningCount": one.running(),
        "createdAt": one.created_at,
        "updatedAt": one.updated_at,
        **_placement(one.launch, platform_as_asked=False),
        "networkConfiguration": _network(one.launch),
        "loadBalancers": list(one.launch.load_balancers),
        "serviceRegistries": list(one.launch.registries),
        "scale": {"value": 0.0 if one.status == "DRAINING" else one.task_set.scale, "unit": "PERCENT"},
        "stabilityStatus": one.task_set.stability,
        "stabilityStatusAt": one.task_set.stability_at or one.created_at,
        "tags": shown_tags(one.task_set.tags) if tags else None,
    }


def _placed(choice: Params) -> Params:
    """CPU and MEMORY are answered in capitals, however they were sent."""
    return {**choice, "field": choice["field"].upper()} if choice["type"] == "binpack" else choice
