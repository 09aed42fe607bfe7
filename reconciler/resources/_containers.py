"""A container as a task definition holds it, in our words and in ECS's.

A revision is made whole, so nothing in it is anybody else's to set: what the specs leave out is not left as it is but
left out of the next revision. Therefore no field here is ever None. Leaving one out gives it the value that AWS fills
in, and removing a line from the specs shows as a change back to that. `aws` holds the members beyond these fields, by
ECS's names: those that the specs say, and those that a revision made elsewhere has, which are registered again as they
are (model/members.py).

It is one module because what is read and what is written of a container are two sides of one table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import JsonValue, model_validator

from reconciler.model import input_version, member_values, resource
from reconciler.model.members import ApiMembers
from reconciler.model.resource import Link
from reconciler.model.resource_type import FieldMark

DEFAULT_STOP_TIMEOUT: Final = 30


class Whole(resource.Spec):
    """A spec in which None means the default."""

    @model_validator(mode="before")
    @classmethod
    def _left_out(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return {name: item for name, item in value.items() if item is not None}


class Port(resource.Spec):
    """A port that the container listens on. `name` and `app_protocol` are for Service Connect; without the latter ECS
    takes its protocol for TCP (ECS API reference, PortMapping)."""

    whole: ClassVar[bool] = True

    port: int
    protocol: str = "tcp"
    name: str | None = None
    app_protocol: str | None = None

    def __str__(self) -> str:
        return f"{self.port}/{self.protocol}"


class ContainerHealthCheck(Whole):
    """A command that ECS runs in the container; none when `command` is empty. Times in seconds."""

    command: tuple[str, ...] = ()
    interval: int = 30
    timeout: int = 5
    retries: int = 3
    start_period: int = 0


class Ulimit(resource.Spec):
    soft: int
    hard: int


class Container(Whole):
    """`cpu` in units and `memory` in MiB are of the task's, 0 without limit; `stop_timeout` in seconds.

    `secrets`: variable → the ARN of a secret, or the ARN or name of a parameter, with its version as far as it is known
    (model/input_version.py). `versions`: the same of what `aws` names, files and secret options of logs.

    `depends_on`: container → START, COMPLETE, SUCCESS or HEALTHY. Without a `log_group` the output is lost; with one,
    `log_region` is needed too.
    """

    image: Link
    essential: bool = True
    cpu: int = 0
    memory: int = 0
    ports: Annotated[tuple[Port, ...], FieldMark.UNORDERED] = ()
    environment: dict[str, Link] = {}
    secrets: dict[str, Link] = {}
    versions: Annotated[dict[str, Link] | None, FieldMark.PARTIAL] = None
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    health_check: ContainerHealthCheck = ContainerHealthCheck()
    log_group: Link = ""
    log_stream_prefix: str = ""
    log_region: str = ""
    user: str = ""
    readonly_root: bool = False
    stop_timeout: int = DEFAULT_STOP_TIMEOUT
    depends_on: dict[str, str] = {}
    ulimits: dict[str, Ulimit] = {}
    aws: dict[str, JsonValue] = {}


LOG_OPTIONS: Final = {
    "awslogs-group": "log_group",
    "awslogs-region": "log_region",
    "awslogs-stream-prefix": "log_stream_prefix",
}

OPTIONAL: Final[Mapping[str, str]] = {
    "mountPoints": "mounts",
    "volumesFrom": "volumes_from",
    "logConfiguration": "logs",
    "firelensConfiguration": "firelens",
    "environmentFiles": "environment_files",
    "repositoryCredentials": "registry_credentials",
    "restartPolicy": "restart",
    "dockerLabels": "labels",
    "linuxParameters.initProcessEnabled": "init",
    "linuxParameters.capabilities": "capabilities",
    "linuxParameters.tmpfs": "tmpfs",
    "startTimeout": "start_timeout",
    "memoryReservation": "memory_reservation",
    "workingDirectory": "working_directory",
    "interactive": "interactive",
    "pseudoTerminal": "tty",
    "systemControls": "system_controls",
}
"""Members that a field sets where it is stated, with the field."""

API: Final = ApiMembers(
    "ecs",
    create="RegisterTaskDefinition",
    update="RegisterTaskDefinition",
    described="TaskDefinition",
    inside="containerDefinitions",
    words={
        "name": "its name in `containers`",
        "image": "image",
        "essential": "essential",
        "cpu": "cpu",
        "memory": "memory",
        "environment": "environment",
        "secrets": "secrets",
        "command": "command",
        "entryPoint": "entrypoint",
        "healthCheck": "health_check",
        "user": "user",
        "readonlyRootFilesystem": "readonly_root",
        "stopTimeout": "stop_timeout",
        "dependsOn": "depends_on",
        "ulimits": "ulimits",
        "portMappings.name": "ports",
        "portMappings.hostPort": "ports",
        **OPTIONAL,
    },
    owned={
        "privileged": "Fargate runs no privileged containers",
        "linuxParameters.sharedMemorySize": "Fargate does not support it",
    },
    optional=dict.fromkeys(OPTIONAL),
)

OTHERS: Final = (
    "workingDirectory",
    "repositoryCredentials",
    "memoryReservation",
    "links",
    "restartPolicy",
    "environmentFiles",
    "mountPoints",
    "volumesFrom",
    "linuxParameters",
    "startTimeout",
    "hostname",
    "disableNetworking",
    "privileged",
    "dnsServers",
    "dnsSearchDomains",
    "extraHosts",
    "dockerSecurityOptions",
    "interactive",
    "pseudoTerminal",
    "dockerLabels",
    "systemControls",
    "resourceRequirements",
    "firelensConfiguration",
    "credentialSpecs",
)
"""What else can be registered. Members that are not listed are AWS's additions since; whether one can be registered
again is asked of ECS's model."""

READ: Final = frozenset({*OTHERS, "logConfiguration", "portMappings", "versionConsistency"})
_SAID: Final = frozenset(path for path in API.words if "." not in path)


def read(item: Mapping[str, Any], record: Mapping[str, str]) -> Container:
    """A container definition from AWS, defaults filled in. `record`: the versions that tags have."""
    check = item.get("healthCheck") or {}
    aws = significant(item, (*OTHERS, *additions(item, API, READ | _SAID)))
    log = item.get("logConfiguration") or {}
    options = dict(log.get("options") or {})
    awslogs = log.get("logDriver") == "awslogs"
    logging = {field: options.pop(name, "") for name, field in LOG_OPTIONS.items()} if awslogs else {}
    if log and not awslogs:
        aws["logConfiguration"] = log
    elif options or log.get("secretOptions"):
        more = {"options": options, "secretOptions": log.get("secretOptions")}
        aws["logConfiguration"] = {name: value for name, value in more.items() if value}
    mappings = item.get("portMappings") or ()
    if ranges := [mapping for mapping in mappings if "containerPortRange" in mapping]:
        aws["portMappings"] = ranges
    if item.get("versionConsistency", "enabled") != "enabled":
        aws["versionConsistency"] = item["versionConsistency"]
    return Container(
        image=item["image"],
        essential=item.get("essential"),
        cpu=item.get("cpu"),
        memory=item.get("memory"),
        ports=tuple(
            Port(
                port=mapping.get("containerPort", 0),
                protocol=mapping.get("protocol", "tcp"),
                name=mapping.get("name"),
                app_protocol=mapping.get("appProtocol"),
            )
            for mapping in mappings
            if "containerPortRange" not in mapping
        ),
        environment={entry["name"]: entry.get("value", "") for entry in item.get("environment") or ()},
        secrets={
            entry["name"]: input_version.versioned(entry["valueFrom"], record) for entry in item.get("secrets") or ()
        },
        versions=_versions(item, record),
        command=tuple(item.get("command") or ()),
        entrypoint=tuple(item.get("entryPoint") or ()),
        health_check=ContainerHealthCheck(
            command=tuple(check.get("command") or ()),
            interval=check.get("interval"),
            timeout=check.get("timeout"),
            retries=check.get("retries"),
            start_period=check.get("startPeriod"),
        ),
        **logging,
        user=item.get("user"),
        readonly_root=item.get("readonlyRootFilesystem"),
        stop_timeout=item.get("stopTimeout"),
        depends_on={entry["containerName"]: entry["condition"] for entry in item.get("dependsOn") or ()},
        ulimits={
            limit["name"]: Ulimit(soft=limit["softLimit"], hard=limit["hardLimit"])
            for limit in item.get("ulimits") or ()
        },
        aws=aws,
    )


def written(name: str, container: Container) -> dict[str, Any]:
    """A container definition to register. What is as AWS fills it in anyway is not sent."""
    items = {
        "cpu": container.cpu,
        "memory": container.memory,
        "portMappings": [_mapping(port) for port in sorted(container.ports, key=lambda port: (port.port, str(port)))],
        "environment": [{"name": key, "value": value} for key, value in sorted(container.environment.items())],
        "secrets": [
            {"name": key, "valueFrom": input_version.plain(value)} for key, value in sorted(container.secrets.items())
        ],
        "command": list(container.command),
        "entryPoint": list(container.entrypoint),
        "healthCheck": _check(container.health_check),
        "logConfiguration": _logging(container),
        "user": container.user,
        "readonlyRootFilesystem": container.readonly_root,
        "dependsOn": [
            {"containerName": key, "condition": value} for key, value in sorted(container.depends_on.items())
        ],
        "ulimits": [
            {"name": key, "softLimit": limit.soft, "hardLimit": limit.hard}
            for key, limit in sorted(container.ulimits.items())
        ],
    }
    sent: dict[str, Any] = {key: value for key, value in items.items() if value}
    if container.stop_timeout != DEFAULT_STOP_TIMEOUT:
        sent["stopTimeout"] = container.stop_timeout
    others: dict[str, Any] = dict(container.aws)
    ranges = others.pop("portMappings", None) or ()
    if ranges:
        sent["portMappings"] = [*sent.get("portMappings", ()), *ranges]
    base = {"name": name, "image": container.image, "essential": container.essential, **sent}
    return dict(member_values.merged(base, others))


def inputs(container: Container) -> Iterator[str]:
    """What its tasks read when they start, with the versions that are known."""
    yield from (str(value) for value in (*container.secrets.values(), *(container.versions or {}).values()))


def _versions(item: Mapping[str, Any], record: Mapping[str, str]) -> dict[str, Link] | None:
    """Of what its tasks read beside secrets in variables."""
    options = (item.get("logConfiguration") or {}).get("secretOptions") or ()
    named = [*(item.get("environmentFiles") or ()), *options]
    references = [str(one.get("value") or one.get("valueFrom")) for one in named] if record else []
    found = {one: input_version.versioned(one, record) for one in references}
    return {one: known for one, known in found.items() if known != one} or None


def significant(item: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Those members of `names` that say something: what is empty, false or 0 all through says nothing."""
    return {name: value for name in names if member_values.says_something(value := item.get(name))}


def additions(item: Mapping[str, Any], api: ApiMembers, known: frozenset[str]) -> list[str]:
    """The members that say something, can be registered, and are not among `known`: AWS has added them since."""
    new = [name for name, value in item.items() if name not in known and member_values.says_something(value)]
    return [name for name in new if name in api.shape.members] if new else []


def _mapping(port: Port) -> dict[str, Any]:
    found = {"containerPort": port.port, "protocol": port.protocol, "name": port.name, "appProtocol": port.app_protocol}
    return {key: value for key, value in found.items() if value is not None}


def _check(check: ContainerHealthCheck) -> dict[str, Any] | None:
    if not check.command:
        return None
    return {
        "command": list(check.command),
        "interval": check.interval,
        "timeout": check.timeout,
        "retries": check.retries,
        "startPeriod": check.start_period,
    }


def _logging(container: Container) -> dict[str, Any] | None:
    if not container.log_group:
        return None
    options = {name: value for name, field in LOG_OPTIONS.items() if (value := getattr(container, field))}
    return {"logDriver": "awslogs", "options": options}


_QUANTITY: Final = re.compile(r"\s*(\d*\.?\d+)\s*(vcpu|gb)?\s*", re.IGNORECASE)


def units(text: str | int | None) -> int:
    """CPU units, or MiB: "256" is 256, ".25 vCPU" is 256, "0.5 GB" is 512. 0 if it is empty."""
    match = _QUANTITY.fullmatch(str(text or 0))
    if match is None:
        return 0
    return round(float(match[1]) * (1024 if match[2] else 1))
