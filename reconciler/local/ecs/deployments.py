"""Service deployments and service revisions: listed, described, continued, stopped."""

from __future__ import annotations

import re

from reconciler.local.ecs.lookup import any_service, client_error, cluster, invalid, rollout
from reconciler.local.ecs.state import Deployment, Params, Rollout, Service
from reconciler.local.paging import page
from reconciler.local.refusal import Refusal
from reconciler.local.scheduler import hooks
from reconciler.local.scheduler.rolling import threshold
from reconciler.local.scheduler.rollouts import roll_back
from reconciler.local.scheduler.strategy import routed, tested
from reconciler.local.world import World

DESCRIBED_AT_ONCE = 20
LISTED_AT_ONCE = 20
LISTED_MOST = 100
HOOK_ID = re.compile(r"ecs-[a-z]+-.+")
NO_HOOK = "Provided hookId is either completed, unavailable, or not associated with the given Resource ARN"


def list_service_deployments(world: World, params: Params) -> Params:
    owner = cluster(world, params.get("cluster"))
    found = any_service(world, owner.name, params["service"])
    if found is None:
        raise Refusal("ServiceNotFoundException", "Service not found.")
    _check_controller(found)
    span, states = params.get("createdAt", {}), params.get("status")
    rows = [
        {
            "serviceDeploymentArn": item.arn,
            "serviceArn": found.arn,
            "clusterArn": owner.arn,
            "startedAt": item.started_at,
            "createdAt": item.created_at,
            "finishedAt": item.finished_at,
            "targetServiceRevisionArn": found.revision_arn(item.target),
            "status": item.status,
            "statusReason": item.status_reason or None,
        }
        for item in found.rollouts
        if (not states or item.status in states)
        and ("after" not in span or item.created_at >= span["after"])
        and ("before" not in span or item.created_at <= span["before"])
    ]
    size = params.get("maxResults", LISTED_AT_ONCE)
    if not 1 <= size <= LISTED_MOST:
        raise invalid(f"maxResults must be between 1 and {LISTED_MOST}")
    # newest first, and a page stays what it is while newer ones come: an older one has a higher place
    places = {item.arn: f"{10**8 - place:09d}" for place, item in enumerate(reversed(found.rollouts))}
    chosen, following = page(
        rows,
        params.get("nextToken"),
        size,
        lambda row: places[str(row["serviceDeploymentArn"])],
        invalid("Invalid token"),
    )
    return {"serviceDeployments": chosen, "nextToken": following}


def _check_controller(found: Service) -> None:
    if found.controller != "ECS":
        raise Refusal(
            "UnsupportedFeatureException",
            f"Service deployments are not supported for the {found.controller} deployment controller.",
        )


def describe_service_deployments(world: World, params: Params) -> Params:
    arns = params["serviceDeploymentArns"]
    if len(arns) > DESCRIBED_AT_ONCE:
        raise invalid(f"serviceDeploymentArns can have at most {DESCRIBED_AT_ONCE} items.")
    rows, failures = [], []
    for arn in arns:
        try:
            rows.append(_shown(world, *rollout(world, arn)))
        except Refusal:
            failures.append({"arn": arn, "reason": "MISSING"})
    return {"serviceDeployments": rows, "failures": failures}


def _shown(world: World, service: Service, item: Rollout) -> Params:
    target = service.revisions[item.target]
    breaker, alarms = item.configuration["deploymentCircuitBreaker"], item.configuration["alarms"]
    state = "MONITORING_COMPLETE" if item.over else "MONITORING"
    return {
        "serviceDeploymentArn": item.arn,
        "serviceArn": service.arn,
        "clusterArn": world.arn("ecs", f"cluster/{service.cluster}"),
        "createdAt": item.created_at,
        "startedAt": item.started_at,
        "finishedAt": item.finished_at,
        "stoppedAt": item.stopped_at,
        "updatedAt": item.updated_at,
        "sourceServiceRevisions": [
            _revision(service, item, service.revisions[number])
            for number in item.sources
            if number in service.revisions
        ],
        "targetServiceRevision": _revision(service, item, target),
        "status": item.status,
        "statusReason": item.status_reason or None,
        "lifecycleStage": item.stage or None,
        "lifecycleHookDetails": [
            {
                "hookId": hook.id,
                "targetType": hook.kind,
                "targetArn": hook.target_arn or None,
                "status": hook.status,
                "expiresAt": hook.expires_at,
                "timeoutAction": hook.timeout_action,
            }
            for hook in item.hooks
        ],
        "deploymentConfiguration": item.configuration,
        "rollback": item.rollback,
        "deploymentCircuitBreaker": {
            "status": "TRIGGERED" if item.tripped else state if breaker["enable"] else "DISABLED",
            "failureCount": target.breaker,
            "threshold": threshold(service),
        },
        "alarms": {
            "status": "TRIGGERED" if item.triggered_alarms else state if alarms["enable"] else "DISABLED",
            "alarmNames": alarms["alarmNames"],
            "triggeredAlarmNames": item.triggered_alarms,
        },
    }


def _revision(service: Service, item: Rollout, one: Deployment) -> Params:
    """Only a deployment that shifts traffic has weights, and only one with a test rule has those of test traffic."""
    shifts = item.configuration["strategy"] != "ROLLING" and routed(one.launch)
    return {
        "arn": service.revision_arn(one.number),
        "requestedTaskCount": one.desired,
        "runningTaskCount": one.running(),
        "pendingTaskCount": one.pending(),
        "requestedProductionTrafficWeight": item.production.get(one.number, 0.0) if shifts else None,
        "requestedTestTrafficWeight": item.test.get(one.number, 0.0) if shifts and tested(one.launch) else None,
    }


def describe_service_revisions(world: World, params: Params) -> Params:
    arns = params["serviceRevisionArns"]
    if len(arns) > DESCRIBED_AT_ONCE:
        raise invalid(f"serviceRevisionArns can have at most {DESCRIBED_AT_ONCE} items.")
    known = {
        service.revision_arn(number): (service, one)
        for service in world.ecs.services.values()
        for number, one in service.revisions.items()
    }
    rows = [_revision_shown(world, arn, *known[arn]) for arn in arns if arn in known]
    return {
        "serviceRevisions": rows,
        "failures": [{"arn": arn, "reason": "MISSING"} for arn in arns if arn not in known],
    }


def _revision_shown(world: World, arn: str, service: Service, one: Deployment) -> Params:
    family, _, number = one.launch.task_definition.rpartition("/")[2].partition(":")
    definition = next((item for item in world.ecs.definitions.get(family, []) if str(item.revision) == number), None)
    containers = definition.body["containerDefinitions"] if definition else []
    advanced = [entry.get("advancedConfiguration", {}) for entry in one.launch.load_balancers]
    return {
        "serviceRevisionArn": arn,
        "serviceArn": service.arn,
        "clusterArn": world.arn("ecs", f"cluster/{service.cluster}"),
        "taskDefinition": one.launch.task_definition,
        "capacityProviderStrategy": list(one.launch.strategy) or None,
        "launchType": None if one.launch.strategy else one.launch.launch_type,
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "loadBalancers": list(one.declared),
        "serviceRegistries": list(one.launch.registries),
        "networkConfiguration": {"awsvpcConfiguration": one.launch.network} if one.launch.network else None,
        "containerImages": [
            {
                "containerName": item["name"],
                "image": item["image"],
                "imageDigest": one.images.get(item["name"]),
            }
            for item in containers
        ],
        "guardDutyEnabled": False,
        "serviceConnectConfiguration": one.launch.service_connect,
        "volumeConfigurations": list(one.launch.volumes) or None,
        "createdAt": one.created_at,
        "resolvedConfiguration": {
            "loadBalancers": [
                {
                    "targetGroupArn": entry["targetGroupArn"],
                    "productionListenerRule": more.get("productionListenerRule"),
                }
                for entry, more in zip(one.launch.load_balancers, advanced, strict=True)
            ]
        },
    }


def continue_service_deployment(world: World, params: Params) -> Params:
    """Developer guide, "Continuing service deployments" and "Troubleshooting Amazon ECS blue/green deployments"."""
    service, found = rollout(world, params["serviceDeploymentArn"])
    action = params.get("action", "CONTINUE")
    if not HOOK_ID.fullmatch(params["hookId"]):
        raise invalid("Invalid hookId: hookId must follow the format: ecs-{hookType}-{id}")
    if found.over:
        raise invalid("Continuing a service deployment is not allowed for service deployment in terminal states.")
    hook = next((item for item in found.running if item.id == params["hookId"]), None)
    if hook is None or hook.status != "AWAITING_ACTION":
        raise client_error(NO_HOOK)
    hooks.change(world, service, found, hook, "SUCCEEDED" if action == "CONTINUE" else "FAILED")
    return {"serviceDeploymentArn": found.arn}


def stop_service_deployment(world: World, params: Params) -> Params:
    """Developer guide, "Stopping Amazon ECS service deployments": one that stops or goes back already goes on so."""
    service, found = rollout(world, params["serviceDeploymentArn"])
    if params.get("stopType", "ROLLBACK") != "ROLLBACK":
        raise invalid("Invalid stopType. Valid values are: ROLLBACK")
    if found.over:
        raise Refusal("ConflictException", f"The service deployment cannot be stopped: it is {found.status}.")
    if found.status in ("PENDING", "IN_PROGRESS"):
        if found.configuration["strategy"] == "ROLLING":
            roll_back(world, service, found, "Service deployment rolled back because a rollback was requested.")
        else:
            found.status = "ROLLBACK_REQUESTED"
        found.stopped_at = found.updated_at = world.now
        world.touch(service)
    return {"serviceDeploymentArn": found.arn}
