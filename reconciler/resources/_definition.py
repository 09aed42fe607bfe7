"""What a task definition says: its spec, how AWS spells it, and the hash of what is registered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from reconciler.model.resource import Link
from reconciler.model.resource_type import FieldMark
from reconciler.resources import _containers
from reconciler.resources._containers import Container, Whole

LEFT: Final = frozenset({"INACTIVE", "DELETE_IN_PROGRESS"})  # nothing starts from it any more
DEFAULT_STORAGE: Final = 20  # GiB; may not be sent
NOT_OURS: Final = (
    "volumes",
    "placementConstraints",
    "inferenceAccelerators",
    "pidMode",
    "ipcMode",
    "proxyConfiguration",
    "enableFaultInjection",
    "trustedExecutionConfiguration",
)


class TaskDefinitionSpec(Whole):
    """`cpu` in units (1024 are a vCPU), `memory` in MiB, `ephemeral_storage` in GiB. Nothing new can be started from
    one that is not `active`."""

    family: Annotated[str, FieldMark.IMMUTABLE]
    cpu: int
    memory: int
    execution_role: Link = ""
    task_role: Link = ""
    architecture: str = "X86_64"
    os: str = "LINUX"
    ephemeral_storage: int = DEFAULT_STORAGE
    containers: dict[str, Container]
    active: bool = True
    other: dict[str, str] = {}


def content(spec: TaskDefinitionSpec) -> str:
    """A hash of what is registered for `spec`, whose references are all resolved."""
    return hashlib.sha256(json.dumps(registered(spec), sort_keys=True).encode()).hexdigest()[:32]


def read_spec(answer: Mapping[str, Any]) -> TaskDefinitionSpec:
    """What DescribeTaskDefinition answered, as the spec that would have made it."""
    item = answer["taskDefinition"]
    other = _containers.significant(item, NOT_OURS)
    if item.get("networkMode") != "awsvpc":
        other["networkMode"] = item.get("networkMode") or "bridge"
    if item.get("requiresCompatibilities") != ["FARGATE"]:
        other["requiresCompatibilities"] = json.dumps(item.get("requiresCompatibilities") or [])
    platform = item.get("runtimePlatform") or {}
    return TaskDefinitionSpec(
        family=item["family"],
        cpu=_containers.units(item.get("cpu")),
        memory=_containers.units(item.get("memory")),
        execution_role=item.get("executionRoleArn"),
        task_role=item.get("taskRoleArn"),
        architecture=platform.get("cpuArchitecture"),
        os=platform.get("operatingSystemFamily"),
        ephemeral_storage=(item.get("ephemeralStorage") or {}).get("sizeInGiB"),
        containers={one["name"]: _containers.read(one) for one in item["containerDefinitions"]},
        active=item["status"] not in LEFT,
        other=other,
    )


def lost_with(spec: TaskDefinitionSpec) -> frozenset[str]:
    """Those of the other members that a task of ours cannot have: another network mode, and no Fargate."""
    elsewhere = "FARGATE" not in spec.other.get("requiresCompatibilities", "FARGATE")
    return frozenset(spec.other) & ({"networkMode"} | ({"requiresCompatibilities"} if elsewhere else set()))


def registered(spec: TaskDefinitionSpec) -> dict[str, Any]:
    """What is registered, tags aside."""
    found = {
        "family": spec.family,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": str(spec.cpu),
        "memory": str(spec.memory),
        "executionRoleArn": spec.execution_role,
        "taskRoleArn": spec.task_role,
        "runtimePlatform": {"cpuArchitecture": spec.architecture, "operatingSystemFamily": spec.os},
        "ephemeralStorage": {} if spec.ephemeral_storage == DEFAULT_STORAGE else {"sizeInGiB": spec.ephemeral_storage},
        "containerDefinitions": [_containers.written(name, spec.containers[name]) for name in sorted(spec.containers)],
    }
    others = _containers.members({name: text for name, text in spec.other.items() if name not in lost_with(spec)})
    return {key: value for key, value in found.items() if value} | others
