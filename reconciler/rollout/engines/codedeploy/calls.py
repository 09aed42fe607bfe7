"""AWS calls of the CodeDeploy engine: each action is one write, and those that could do harm are refused by CodeDeploy
itself once a deployment has moved on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler import errors
from reconciler.model import codedeploy_names
from reconciler.model.resource import Calls, ServiceApi
from reconciler.rollout import describe, listener_weights, task_set_calls
from reconciler.rollout.actions import DeleteTaskSet, RolloutAction, SetPrimary
from reconciler.rollout.engines.codedeploy.actions import (
    CreateDeployment,
    ShiftTraffic,
    StopDeployment,
    TerminateOriginal,
)
from reconciler.rollout.engines.codedeploy.facts import description
from reconciler.rollout.release import Release, RolloutTarget

codedeploy = ServiceApi("codedeploy")


def names(subject: RolloutTarget) -> dict[str, str]:
    """Application and deployment group of the service."""
    cluster, _, service = subject.service.rpartition(":service/")[2].partition("/")
    return {
        "applicationName": codedeploy_names.application(cluster, service),
        "deploymentGroupName": codedeploy_names.deployment_group(cluster, service),
    }


def carry_out(decision: RolloutAction, subject: RolloutTarget) -> Calls[None]:
    match decision:
        case SetPrimary():
            yield from task_set_calls.make_primary(decision, subject)
        case DeleteTaskSet():
            yield from task_set_calls.delete(decision, subject)
        case CreateDeployment():
            content = app_spec(subject, decision.task_definition, (yield from _capacity(decision, subject)))
            sha256 = hashlib.sha256(content.encode()).hexdigest()
            yield codedeploy.create_deployment(
                **names(subject),
                description=description(decision.release, decision.attempt),
                deploymentConfigName=decision.config,
                overrideAlarmConfiguration={"enabled": False} if decision.task_definition else None,
                revision={
                    "revisionType": "AppSpecContent",
                    "appSpecContent": {"content": content, "sha256": sha256},
                },
            )
        case ShiftTraffic():
            yield codedeploy.continue_deployment(deploymentId=decision.id, deploymentWaitType="READY_WAIT")
        case TerminateOriginal():
            yield from _check_served(decision, subject)
            yield codedeploy.continue_deployment(deploymentId=decision.id, deploymentWaitType="TERMINATION_WAIT")
        case StopDeployment():
            yield codedeploy.stop_deployment(deploymentId=decision.id, autoRollbackEnabled=True)
        case _:
            raise TypeError(f"the codedeploy engine makes no AWS call for {type(decision).__name__}")


def _check_served(decision: TerminateOriginal, subject: RolloutTarget) -> Calls[None]:
    """Production weights are read again right before the original tasks go. Raises `errors.StalePlan`."""
    assert subject.production is not None
    weights = yield from listener_weights.now_at(subject, subject.production)
    if weights is None or weights[decision.slot]:
        raise errors.StalePlan(f"blue receives production traffic now; deployment {decision.id} was not continued")


def _capacity(decision: CreateDeployment, subject: RolloutTarget) -> Calls[list[dict[str, Any]]]:
    """The capacity providers to name. An AppSpec has no launch type, and what it leaves out stays as it is, so that a
    service which has capacity providers is given the one that is the same.
    """
    release = subject.release
    if release.capacity or decision.task_definition:
        return describe.capacity_of(release)
    (item,) = describe.listed((yield describe.described(subject.cluster, [subject.service])))
    return describe.providers_of(release) if item.get("capacityProviderStrategy") else []


def app_spec(subject: RolloutTarget, task_definition: str = "", capacity: Iterable[Mapping[str, Any]] = ()) -> str:
    """The AppSpec of a release, on capacity providers or with the launch type of the service; of a previous one, whose
    placement stays that of the service, by its revision.
    """
    release = subject.release
    target: dict[str, Any] = {
        "TaskDefinition": release.task_definition,
        "LoadBalancerInfo": {"ContainerName": release.container, "ContainerPort": release.port},
    }
    if task_definition:
        prefix = subject.service.partition(":service/")[0]
        target["TaskDefinition"] = f"{prefix}:task-definition/{task_definition}"
    else:
        target |= _placement(release, capacity)
    service = {"TargetService": {"Type": "AWS::ECS::Service", "Properties": target}}
    return json.dumps({"version": "0.0", "Resources": [service]}, sort_keys=True)


def _placement(release: Release, capacity: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What is left out stays as it is in production, so that the platform version is sent also where it is AWS's. ECS
    refuses it for instances, which have none.
    """
    found: dict[str, Any] = {"PlatformVersion": release.platform_version or "LATEST"} if release.on_fargate else {}
    if release.subnets:
        found["NetworkConfiguration"] = {
            "AwsvpcConfiguration": {
                "Subnets": list(release.subnets),
                "SecurityGroups": list(release.security_groups),
                "AssignPublicIp": "ENABLED" if release.public_ip else "DISABLED",
            }
        }
    shares = [
        {"CapacityProvider": one["capacityProvider"], "Weight": one["weight"], "Base": one["base"]} for one in capacity
    ]
    return found | ({"CapacityProviderStrategy": shares} if shares else {})
