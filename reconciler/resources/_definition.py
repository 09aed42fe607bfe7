"""What a task definition says: its spec, how AWS spells it, and the hash of what is registered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from pydantic import JsonValue

from reconciler.model import input_version, member_values
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.resource import Link
from reconciler.model.resource_type import FieldMark
from reconciler.resources import _containers, _ecs
from reconciler.resources._containers import Container, Whole

LEFT: Final = frozenset({"INACTIVE", "DELETE_IN_PROGRESS"})  # nothing starts from it any more
DEFAULT_STORAGE: Final = 20  # GiB; may not be sent
API: Final = ApiMembers(
    "ecs",
    create="RegisterTaskDefinition",
    update="RegisterTaskDefinition",
    described="TaskDefinition",
    words={
        "family": "the document's name, or `aws_name`",
        "cpu": "cpu",
        "memory": "memory",
        "taskRoleArn": "role",
        "executionRoleArn": "execution_role",
        "containerDefinitions": "containers",
        "ephemeralStorage": "ephemeral_storage",
        "runtimePlatform.cpuArchitecture": "architecture",
        "tags": "the document's `tags`",
        "volumes": "volumes",
        "pidMode": "pid_mode",
    },
    optional=dict.fromkeys(("volumes", "pidMode")),
)
LAUNCH: Final[Mapping[str, Any]] = {
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "runtimePlatform": {"operatingSystemFamily": "LINUX"},
}
"""How it is networked and launched. Where the specs do not say so, it is a task of Fargate's on Linux."""
OTHERS: Final = (
    "volumes",
    "placementConstraints",
    "inferenceAccelerators",
    "pidMode",
    "ipcMode",
    "proxyConfiguration",
    "enableFaultInjection",
    "trustedExecutionConfiguration",
)
ANSWERED: Final = (
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
)
_KNOWN: Final = frozenset({*OTHERS, *_containers.READ})
_READ: Final = frozenset({*OTHERS, *LAUNCH, *API.words, *ANSWERED})


class TaskDefinitionSpec(Whole):
    """`cpu` in units (1024 are a vCPU), `memory` in MiB, 0 for none; `ephemeral_storage` in GiB. Nothing new can be
    started from one that is not `active`. `other` is how it is launched, where that is neither Fargate's way nor said
    in `aws`."""

    family: Annotated[str, FieldMark.IMMUTABLE]
    cpu: int = 0
    memory: int = 0
    execution_role: Link = ""
    task_role: Link = ""
    architecture: str = "X86_64"
    ephemeral_storage: int = DEFAULT_STORAGE
    containers: dict[str, Container]
    active: bool = True
    aws: dict[str, JsonValue] = {}
    other: dict[str, JsonValue] = {}


def content(spec: TaskDefinitionSpec) -> str:
    """A hash of what is registered for `spec`, whose references are all resolved, and of the versions in its tags."""
    text, record = json.dumps(registered(spec), sort_keys=True), recorded(spec)
    text += json.dumps(record, sort_keys=True) if record else ""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def recorded(spec: TaskDefinitionSpec) -> dict[str, str]:
    """The tags with the versions of what its tasks read when they start, of which ECS takes the latest."""
    return input_version.recorded(
        one for container in spec.containers.values() for one in _containers.inputs(container)
    )


INPUTS: Final = frozenset({"secrets", "versions"})


def rotates(change: Change) -> bool:
    """Whether it is another version of the same secret, parameter or file, and nothing else."""
    if len(change.path) < 3 or change.path[0] != "containers" or change.path[2] not in INPUTS:
        return False
    known = isinstance(change.old, str) and isinstance(change.new, str)
    return known and input_version.rotated(change.old, change.new)


def read_spec(answer: Mapping[str, Any]) -> TaskDefinitionSpec:
    """What DescribeTaskDefinition answered, as the spec that would have made it."""
    item, record = answer["taskDefinition"], input_version.of_record(_ecs.tags_of(answer))
    more = _containers.additions(item, API, _READ)
    platform = item.get("runtimePlatform") or {}
    other: dict[str, Any] = {}
    if item.get("networkMode") != "awsvpc":
        other["networkMode"] = item.get("networkMode") or "bridge"
    if item.get("requiresCompatibilities") != ["FARGATE"]:
        other["requiresCompatibilities"] = item.get("requiresCompatibilities") or []
    if (family := platform.get("operatingSystemFamily", "LINUX")) != "LINUX":
        other["runtimePlatform"] = {"operatingSystemFamily": family}
    return TaskDefinitionSpec(
        family=item["family"],
        cpu=_containers.units(item.get("cpu")),
        memory=_containers.units(item.get("memory")),
        execution_role=item.get("executionRoleArn"),
        task_role=item.get("taskRoleArn"),
        architecture=platform.get("cpuArchitecture"),
        ephemeral_storage=(item.get("ephemeralStorage") or {}).get("sizeInGiB"),
        containers={one["name"]: _containers.read(one, record) for one in item["containerDefinitions"]},
        active=item["status"] not in LEFT,
        aws=_containers.significant(item, (*OTHERS, *more)),
        other=other,
    )


def lost_with(spec: TaskDefinitionSpec) -> frozenset[str]:
    """Those of the other members that a task of ours cannot have: another network mode, and no Fargate."""
    launched = spec.other.get("requiresCompatibilities", ["FARGATE"])
    elsewhere = isinstance(launched, list) and "FARGATE" not in launched
    return frozenset(spec.other) & ({"networkMode"} | ({"requiresCompatibilities"} if elsewhere else set()))


def registered(spec: TaskDefinitionSpec) -> dict[str, Any]:
    """What is registered, tags aside."""
    found = {
        "family": spec.family,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": str(spec.cpu or ""),
        "memory": str(spec.memory or ""),
        "executionRoleArn": spec.execution_role,
        "taskRoleArn": spec.task_role,
        "runtimePlatform": {"cpuArchitecture": spec.architecture, "operatingSystemFamily": "LINUX"},
        "ephemeralStorage": {} if spec.ephemeral_storage == DEFAULT_STORAGE else {"sizeInGiB": spec.ephemeral_storage},
        "containerDefinitions": [_containers.written(name, spec.containers[name]) for name in sorted(spec.containers)],
    }
    sent = {key: value for key, value in found.items() if value}
    kept = {name: value for name, value in spec.other.items() if name not in lost_with(spec)}
    return dict(member_values.merged(member_values.merged(sent, kept), spec.aws))


def aligned(spec: TaskDefinitionSpec, want: TaskDefinitionSpec) -> TaskDefinitionSpec:
    """`spec` with its members in the spelling of `want` where both say the same, and with those that `want` says of how
    it is launched in their place."""
    if launched := {name: spec.other.get(name, usual) for name, usual in LAUNCH.items() if name in want.aws}:
        other = {name: value for name, value in spec.other.items() if name not in launched}
        spec = spec.model_copy(update={"aws": {**spec.aws, **launched}, "other": other})
    return _each(spec, want, lambda have, said: member_values.aligned(have, said) if said else have)


def with_additions(want: TaskDefinitionSpec, spec: TaskDefinitionSpec) -> TaskDefinitionSpec:
    """`want`, as a revision that was registered for it, with the members that only `spec` has.

    The console copies tags, the hash among them. AWS may fill in more than was registered inside a member, and members
    that are new: taking those for somebody's would roll out a new version when botocore is updated.
    """

    def added(said: Mapping[str, Any], have: Mapping[str, Any]) -> Mapping[str, Any]:
        mine = member_values.without_none(said)
        return {**mine, **{name: value for name, value in have.items() if name not in mine and name in _KNOWN}}

    return _each(want, spec, added)


def _each(
    one: TaskDefinitionSpec,
    other: TaskDefinitionSpec,
    joined: Callable[[Mapping[str, Any], Mapping[str, Any]], Mapping[str, Any]],
) -> TaskDefinitionSpec:
    """`one`, with its members and those of its containers joined with those of `other`."""
    if not _has_members(one) and not _has_members(other):
        return one
    containers = {
        name: container.model_copy(update={"aws": joined(container.aws, other.containers[name].aws)})
        if name in other.containers
        else container
        for name, container in one.containers.items()
    }
    return one.model_copy(update={"aws": joined(one.aws, other.aws), "containers": containers})


def _has_members(spec: TaskDefinitionSpec) -> bool:
    return bool(spec.aws) or any(container.aws for container in spec.containers.values())
