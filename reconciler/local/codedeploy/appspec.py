"""AppSpec of an ECS deployment: which task definition, which container behind the load balancer, which hooks.

CodeDeploy user guide, "AppSpec file structure for Amazon ECS deployments".
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import yaml

from reconciler.local.codedeploy.state import AppSpec, Params
from reconciler.local.refusal import Refusal

HOOKS = ("BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic")
INVALID = (
    "The deployment failed because the AppSpec file that specifies the deployment configuration is missing or has an "
    "invalid configuration. "
)
MALFORMED = "The input AppSpec file is a not well-formed yaml. The template cannot be parsed."
MEMBERS = {"AppSpecContent": "appSpecContent", "String": "string"}


def check(revision: Params | None) -> None:
    """What CreateDeployment refuses. What is in the AppSpec is looked at only once the deployment starts."""
    if not revision or not revision.get("revisionType"):
        raise Refusal("RevisionRequiredException", "RevisionLocation must be specified")
    kind = revision["revisionType"]
    if kind not in MEMBERS:
        raise Refusal("InvalidRevisionException", "The AWS emulator takes revisions of type AppSpecContent and String.")
    given = revision.get(MEMBERS[kind]) or {}
    if not given.get("content"):
        raise Refusal("InvalidRevisionException", f"The content of a revision of type {kind} must be specified.")
    if given.get("sha256", digest(given["content"])) != digest(given["content"]):
        raise Refusal("InvalidRevisionException", "The SHA256 of the AppSpec content does not match.")


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def read(revision: Params) -> AppSpec:
    """Raises `Refusal` with the code INVALID_REVISION, which ends the deployment."""
    document = _parse(revision[MEMBERS[revision["revisionType"]]]["content"])
    try:
        (resource,) = document["Resources"]
        ((_, target),) = resource.items()  # of any name, as AWS's own examples have it
        if target["Type"] != "AWS::ECS::Service":
            raise _invalid("The type of the resource must be AWS::ECS::Service.")
        properties = target["Properties"]
        balancer = properties["LoadBalancerInfo"]
        task_definition, container, port = (
            str(properties["TaskDefinition"]),
            str(balancer["ContainerName"]),
            int(balancer["ContainerPort"]),
        )
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise _invalid(
            "It must have one resource with the properties TaskDefinition and LoadBalancerInfo (ContainerName, "
            "ContainerPort)."
        ) from error
    return AppSpec(task_definition, container, port, _changes(properties), _hooks(document))


def _invalid(detail: str) -> Refusal:
    return Refusal("INVALID_REVISION", INVALID + detail)


def _hooks(document: dict[str, Any]) -> dict[str, str]:
    try:
        hooks = {str(name): str(target) for item in document.get("Hooks") or () for name, target in item.items()}
    except (AttributeError, TypeError) as error:
        raise _invalid("Hooks must be a list of lifecycle events and functions.") from error
    if unknown := sorted(set(hooks) - set(HOOKS)):
        raise _invalid(f"It names unknown hooks: {', '.join(unknown)}.")
    return hooks


def _parse(content: str) -> dict[str, Any]:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            document = yaml.safe_load(content)
        except yaml.YAMLError as error:
            raise _invalid(MALFORMED) from error
    if not isinstance(document, dict):
        raise _invalid(MALFORMED)
    return document


def _changes(properties: Params) -> Params:
    """What it does not name stays as the service has it."""
    changes: Params = {}
    if platform := properties.get("PlatformVersion"):
        changes["platformVersion"] = platform
    if network := (properties.get("NetworkConfiguration") or {}).get("AwsvpcConfiguration"):
        if not network.get("Subnets"):
            raise _invalid("AwsvpcConfiguration must name Subnets.")
        changes["networkConfiguration"] = {
            "awsvpcConfiguration": {
                "subnets": network["Subnets"],
                "securityGroups": network.get("SecurityGroups", []),
                "assignPublicIp": network.get("AssignPublicIp", "DISABLED"),
            }
        }
    if strategy := properties.get("CapacityProviderStrategy"):
        changes["capacityProviderStrategy"] = [
            {
                "capacityProvider": item["CapacityProvider"],
                "base": item.get("Base", 0),
                "weight": item.get("Weight", 0),
            }
            for item in strategy
        ]
    return changes
