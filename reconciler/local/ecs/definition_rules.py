"""What a task definition must be, and what AWS makes of it.

RegisterTaskDefinition and "Task definition parameters for Fargate" (ECS developer guide): the checks. What comes back
is normalised: units converted, host ports and protocols filled in, lists that were not sent empty.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from reconciler.local.ecs.lookup import client_error
from reconciler.local.ecs.state import Params
from reconciler.local.world import World
from reconciler.model.ecr_image import ecr_image

FAMILY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,254}")
CONTAINER = re.compile(r"[A-Za-z0-9_-]{1,255}")
PORT_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]{0,63}")
CONTAINERS_MOST = 10
GIB = 1024

FARGATE_MEMORY = {  # vCPU units → MiB: "Task CPU and memory"
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}
HEALTH_DEFAULTS = {"interval": 30, "timeout": 5, "retries": 3}
HEALTH_BOUNDS = {"interval": (5, 300), "timeout": (2, 60), "retries": (1, 10), "startPeriod": (0, 300)}


def cpu_units(text: str) -> int:
    """ "256", "1 vCPU", ".25 vcpu" → CPU units."""
    if match := re.fullmatch(r"\s*(\d*\.?\d+)\s*v?cpus?\s*", text, re.IGNORECASE):
        return round(float(match[1]) * 1024)
    if text.strip().isdigit():
        return int(text)
    raise client_error("Invalid 'cpu' setting for task.")


def mebibytes(text: str) -> int:
    """ "512", "0.5 GB", "2GB" → MiB."""
    if match := re.fullmatch(r"\s*(\d*\.?\d+)\s*gi?b\s*", text, re.IGNORECASE):
        return round(float(match[1]) * GIB)
    if text.strip().isdigit():
        return int(text)
    raise client_error("Invalid 'memory' setting for task.")


def check(world: World, params: Params) -> None:
    if not FAMILY.fullmatch(params["family"]):
        raise client_error("Family contains invalid characters. It must match [a-zA-Z0-9][a-zA-Z0-9_-]*")
    containers = params["containerDefinitions"]
    if not containers:
        raise client_error("Container list cannot be empty.")
    if len(containers) > CONTAINERS_MOST:
        raise client_error(f"Task definition can have at most {CONTAINERS_MOST} containers.")
    names = [item.get("name", "") for item in containers]
    if len(set(names)) < len(names):
        raise client_error("Container.name should not be a duplicate.")
    if not any(item.get("essential", True) for item in containers):
        raise client_error("A task definition must contain at least one essential container.")
    volumes = {item.get("name", "") for item in params.get("volumes", [])}
    for item in containers:
        _check_container(item, set(names), params.get("networkMode"))
        for mount in item.get("mountPoints", []):
            if mount.get("sourceVolume") not in volumes:
                raise client_error(f"Unknown volume '{mount.get('sourceVolume')}'.")
    if "FARGATE" in params.get("requiresCompatibilities", []):
        _check_fargate(params)
    for item in containers:
        if not (params.get("memory") or item.get("memory") or item.get("memoryReservation")):
            raise client_error(
                f"Invalid setting for container '{item['name']}'. At least one of 'memory' or 'memoryReservation' "
                "must be specified."
            )
    for role in ("executionRoleArn", "taskRoleArn"):
        if world.checks.roles and params.get(role) and world.rest.role(params[role]) is None:
            raise client_error("Role is not valid")


def _check_container(item: Params, names: set[str], network_mode: str | None) -> None:
    if not CONTAINER.fullmatch(item.get("name", "")):
        raise client_error("Container.name contains invalid characters.")
    if not item.get("image"):
        raise client_error("Container.image should not be null or empty.")
    ports = [(one.get("containerPort"), one.get("protocol", "tcp")) for one in item.get("portMappings", [])]
    for mapping in item.get("portMappings", []):
        port, host = mapping.get("containerPort"), mapping.get("hostPort")
        if port is not None and not 1 <= port <= 65535:
            raise client_error(f"Invalid container port {port}: it must be between 1 and 65535.")
        if network_mode == "awsvpc" and host not in (None, 0, port):
            raise client_error(
                "When networkMode=awsvpc, the host ports and container ports in port mappings must match."
            )
        if mapping.get("name") and not PORT_NAME.fullmatch(mapping["name"]):
            raise client_error("Port mapping name is invalid: a-z, 0-9, _ and -, not beginning with -, at most 64.")
    if len(set(ports)) < len(ports) and network_mode == "awsvpc":
        raise client_error("Duplicate container ports are not allowed with networkMode=awsvpc.")
    for dependency in item.get("dependsOn", []):
        if dependency["containerName"] not in names or dependency["containerName"] == item["name"]:
            raise client_error(
                f"Container '{item['name']}' depends on '{dependency['containerName']}', which is not there."
            )
    health = item.get("healthCheck")
    if health is not None:
        if not health.get("command"):
            raise client_error("Health check command must not be empty.")
        for key, (low, high) in HEALTH_BOUNDS.items():
            if key in health and not low <= health[key] <= high:
                raise client_error(f"Health check {key} must be between {low} and {high}.")


def check_size(cpu: int, memory: int) -> None:
    if memory not in FARGATE_MEMORY.get(cpu, ()):
        raise client_error("No Fargate configuration exists for given values.")


def _check_fargate(params: Params) -> None:
    if params.get("networkMode") != "awsvpc":
        raise client_error("Fargate only supports network mode 'awsvpc'.")
    if not params.get("cpu"):
        raise client_error("Fargate requires that 'cpu' be defined at the task level.")
    if not params.get("memory"):
        raise client_error("Fargate requires that 'memory' be defined at the task level.")
    cpu, memory = cpu_units(params["cpu"]), mebibytes(params["memory"])
    check_size(cpu, memory)
    containers = params["containerDefinitions"]
    if sum(item.get("cpu", 0) for item in containers) > cpu:
        raise client_error("The sum of all container cpu values cannot be greater than the value of the task cpu.")
    for item in containers:
        needed = item.get("memory") or item.get("memoryReservation") or 0
        if needed > memory:
            raise client_error("Invalid setting for container: memory is greater than the task's memory.")
        if item.get("privileged"):
            raise client_error("Fargate does not support privileged containers.")
        if item.get("stopTimeout", 0) > 120:
            raise client_error("Fargate supports a stopTimeout of at most 120 seconds.")
        _check_execution_role(item, params)
    storage = params.get("ephemeralStorage")
    if storage and not 21 <= storage["sizeInGiB"] <= 200:
        raise client_error("Ephemeral storage must be between 21 and 200 GiB.")


def _check_execution_role(container: Params, params: Params) -> None:
    if params.get("executionRoleArn"):
        return
    needs = "Fargate requires task definition to have execution role ARN to support"
    if container.get("logConfiguration", {}).get("logDriver") == "awslogs":
        raise client_error(f"{needs} log driver awslogs.")
    if ecr_image(container["image"]):
        raise client_error(f"{needs} ECR images.")
    if container.get("secrets"):
        raise client_error(f"{needs} secrets.")


def normalised(params: Params) -> Params:
    """The body as DescribeTaskDefinition gives it back."""
    body: Params = {key: copy.deepcopy(value) for key, value in params.items() if key != "tags"}
    body["containerDefinitions"] = [
        _container(item, params.get("networkMode")) for item in body["containerDefinitions"]
    ]
    body["volumes"] = [_volume(item) for item in body.get("volumes", [])]
    body.setdefault("placementConstraints", [])
    body.setdefault("networkMode", "bridge")
    body.setdefault("enableFaultInjection", False)
    if body.get("cpu"):
        body["cpu"] = str(cpu_units(body["cpu"]))
    if body.get("memory"):
        body["memory"] = str(mebibytes(body["memory"]))
    if "requiresCompatibilities" in body:
        body["requiresCompatibilities"] = sorted(body["requiresCompatibilities"])
    fits = body["networkMode"] == "awsvpc" and bool(body.get("cpu")) and bool(body.get("memory"))
    body["compatibilities"] = ["EC2", "FARGATE"] if fits else ["EXTERNAL", "EC2"]
    body["requiresAttributes"] = [{"name": name} for name in _attributes(body)]
    return {key: value for key, value in body.items() if value is not None}


def _container(item: Params, network_mode: str | None) -> Params:
    """Nothing is added inside what was sent but ports and times: Terraform compares the rest as it stands
    (hashicorp/terraform-provider-aws internal/service/ecs/container_definitions.go, reduce), and quoted answers have no
    more (awsdocs/amazon-ecs-developer-guide#140, aws/amazon-ecs-cli#741, fabfuel/ecs-deploy#107).
    """
    item.setdefault("cpu", 0)
    item.setdefault("essential", True)
    for key in ("portMappings", "environment", "mountPoints", "volumesFrom", "systemControls"):
        item.setdefault(key, [])
    for mapping in item["portMappings"]:
        mapping.setdefault("protocol", "tcp")
        if network_mode in ("awsvpc", "host"):
            mapping["hostPort"] = mapping.get("containerPort")
        else:
            mapping.setdefault("hostPort", 0)
    item["environment"] = sorted(item["environment"], key=lambda entry: str(entry.get("name", "")))
    if "secrets" in item:
        item["secrets"] = sorted(item["secrets"], key=lambda entry: str(entry["name"]))
    if "healthCheck" in item:
        item["healthCheck"] = {**HEALTH_DEFAULTS, **item["healthCheck"]}
    return item


def _volume(item: Params) -> Params:
    if "efsVolumeConfiguration" in item:
        item["efsVolumeConfiguration"].setdefault("rootDirectory", "/")
    elif not set(item) - {"name"}:
        item["host"] = {}
    return item


def _attributes(body: Params) -> list[str]:
    prefix = "com.amazonaws.ecs.capability"
    names = {f"{prefix}.docker-remote-api.1.18"}
    containers: list[dict[str, Any]] = body["containerDefinitions"]
    if body["networkMode"] == "awsvpc":
        names.add("ecs.capability.task-eni")
    if body.get("taskRoleArn"):
        names.add(f"{prefix}.task-iam-role")
    if any(item.get("logConfiguration", {}).get("logDriver") == "awslogs" for item in containers):
        names |= {f"{prefix}.logging-driver.awslogs", "ecs.capability.execution-role-awslogs"}
    if any(ecr_image(item["image"]) for item in containers):
        names |= {f"{prefix}.ecr-auth", "ecs.capability.execution-role-ecr-pull"}
    if any(item.get("secrets") for item in containers):
        names.add("ecs.capability.secrets.ssm.environment-variables")
    if any(item.get("healthCheck") for item in containers):
        names.add("ecs.capability.container-health-check")
    return sorted(names)
