"""AppSpec of an ECS deployment: which task definition, which container behind the load balancer, which hooks.

CodeDeploy user guide, "AppSpec file structure for Amazon ECS deployments".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson
import yaml

from reconciler.local.codedeploy.state import Params
from reconciler.local.refusal import Refusal

HOOKS = ("BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic")


@dataclass(frozen=True, slots=True)
class AppSpec:
    task_definition: str
    container: str
    port: int
    changes: Params  # in the words of CreateTaskSet
    hooks: dict[str, str]


def read(revision: Params | None) -> AppSpec:
    kind = (revision or {}).get("revisionType", "")
    if revision is None or kind not in ("AppSpecContent", "String"):
        raise Refusal("InvalidRevisionException", "The AWS emulator takes revisions of type AppSpecContent and String.")
    given = revision.get("appSpecContent") or revision.get("string") or {}
    content = given.get("content", "")
    if given.get("sha256") not in (None, "", hashlib.sha256(content.encode()).hexdigest()):
        raise Refusal("InvalidRevisionException", "The SHA256 of the AppSpec content does not match.")
    document = _parse(content)
    try:
        properties = document["Resources"][0]["TargetService"]["Properties"]
        balancer = properties["LoadBalancerInfo"]
        task_definition, container, port = (
            properties["TaskDefinition"],
            balancer["ContainerName"],
            balancer["ContainerPort"],
        )
    except (KeyError, IndexError, TypeError) as error:
        raise Refusal(
            "InvalidRevisionException",
            "The AppSpec must have a TargetService with TaskDefinition and LoadBalancerInfo.",
        ) from error
    hooks = {name: target for item in document.get("Hooks") or [] for name, target in item.items()}
    if unknown := sorted(set(hooks) - set(HOOKS)):
        raise Refusal("InvalidRevisionException", f"The AppSpec names unknown hooks: {', '.join(unknown)}.")
    return AppSpec(task_definition, container, int(port), _changes(properties), hooks)


def _parse(content: str) -> dict[str, Any]:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            document = yaml.safe_load(content)
        except yaml.YAMLError as error:
            raise Refusal("InvalidRevisionException", "The AppSpec is neither JSON nor YAML.") from error
    if not isinstance(document, dict):
        raise Refusal("InvalidRevisionException", "The AppSpec is not a mapping.")
    return document


def _changes(properties: Params) -> Params:
    """What it does not name stays as the service has it."""
    changes: Params = {}
    if platform := properties.get("PlatformVersion"):
        changes["platformVersion"] = platform
    if network := (properties.get("NetworkConfiguration") or {}).get("AwsvpcConfiguration"):
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
