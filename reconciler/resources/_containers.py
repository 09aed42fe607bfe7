"""A container as a task definition holds it, in our words and in ECS's.

A revision is made whole, so nothing in it is anybody else's to set: what the specs leave out is not left as it is but
left out of the next revision. Therefore no field here is ever None. Leaving one out gives it the value that AWS fills
in, and removing a line from the specs shows as a change back to that. `other` holds what a revision made by hand has
beyond these fields. It is empty in what the specs want, except where an adopted one is kept: then it is registered
again as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import model_validator

from reconciler.model import resource
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
    """A port that the container listens on. `name` and `app_protocol` are for Service Connect."""

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

    `secrets`: variable → the ARN of a secret, or the ARN or name of a parameter. `depends_on`: container → START,
    COMPLETE, SUCCESS or HEALTHY. Without a `log_group` the output is lost; with one, `log_region` is needed too.
    """

    image: Link
    essential: bool = True
    cpu: int = 0
    memory: int = 0
    ports: Annotated[tuple[Port, ...], FieldMark.UNORDERED] = ()
    environment: dict[str, str] = {}
    secrets: dict[str, str] = {}
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    health_check: ContainerHealthCheck = ContainerHealthCheck()
    log_group: Link = ""
    log_stream_prefix: str = ""
    log_region: str = ""
    user: str = ""
    working_directory: str = ""
    readonly_root: bool = False
    stop_timeout: int = DEFAULT_STOP_TIMEOUT
    depends_on: dict[str, str] = {}
    ulimits: dict[str, Ulimit] = {}
    other: dict[str, str] = {}


_LOG_OPTIONS: Final = {
    "awslogs-group": "log_group",
    "awslogs-region": "log_region",
    "awslogs-stream-prefix": "log_stream_prefix",
}

NOT_OURS: Final = (
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
"""What else can be registered. Members that are not listed are AWS's additions and are not looked at: taking one for
a change would register, and roll out, a new revision in every pass."""


def read(item: Mapping[str, Any]) -> Container:
    """A container definition from AWS, defaults filled in."""
    check = item.get("healthCheck") or {}
    other = significant(item, NOT_OURS)
    log = item.get("logConfiguration") or {}
    options = dict(log.get("options") or {})
    awslogs = log.get("logDriver") == "awslogs"
    logging = {field: options.pop(name, "") for name, field in _LOG_OPTIONS.items()} if awslogs else {}
    if log and not awslogs:
        other["logConfiguration"] = json.dumps(log, sort_keys=True)
    elif options or log.get("secretOptions"):
        more = {"options": options, "secretOptions": log.get("secretOptions")}
        other["logConfiguration"] = json.dumps({name: value for name, value in more.items() if value}, sort_keys=True)
    mappings = item.get("portMappings") or ()
    if ranges := [mapping for mapping in mappings if "containerPortRange" in mapping]:
        other["portMappings"] = json.dumps(ranges, sort_keys=True)
    if item.get("versionConsistency", "enabled") != "enabled":
        other["versionConsistency"] = item["versionConsistency"]
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
        secrets={entry["name"]: entry["valueFrom"] for entry in item.get("secrets") or ()},
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
        working_directory=item.get("workingDirectory"),
        readonly_root=item.get("readonlyRootFilesystem"),
        stop_timeout=item.get("stopTimeout"),
        depends_on={entry["containerName"]: entry["condition"] for entry in item.get("dependsOn") or ()},
        ulimits={
            limit["name"]: Ulimit(soft=limit["softLimit"], hard=limit["hardLimit"])
            for limit in item.get("ulimits") or ()
        },
        other=other,
    )


def written(name: str, container: Container) -> dict[str, Any]:
    """A container definition to register. What is as AWS fills it in anyway is not sent."""
    items = {
        "cpu": container.cpu,
        "memory": container.memory,
        "portMappings": [_mapping(port) for port in sorted(container.ports, key=lambda port: (port.port, str(port)))],
        "environment": [{"name": key, "value": value} for key, value in sorted(container.environment.items())],
        "secrets": [{"name": key, "valueFrom": value} for key, value in sorted(container.secrets.items())],
        "command": list(container.command),
        "entryPoint": list(container.entrypoint),
        "healthCheck": _check(container.health_check),
        "logConfiguration": _logging(container),
        "user": container.user,
        "workingDirectory": container.working_directory,
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
    others = members(container.other)
    if log := others.pop("logConfiguration", None):
        ours: dict[str, Any] = sent.get("logConfiguration") or {}
        sent["logConfiguration"] = ours | log | {"options": ours.get("options", {}) | log.get("options", {})}
    if ranges := others.pop("portMappings", None):
        sent["portMappings"] = [*sent.get("portMappings", ()), *ranges]
    sent |= others
    return {"name": name, "image": container.image, "essential": container.essential, **sent}


def significant(item: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    """Those members of `names` that say something, as text: what is empty, false or 0 all through says nothing."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for name in names
        if (value := item.get(name)) and _says_something(value)
    }


_TEXT: Final = frozenset({"hostname", "ipcMode", "pidMode", "versionConsistency"})


def members(other: Mapping[str, str]) -> dict[str, Any]:
    """What `significant` has made text of, as a call takes it."""
    return {name: text if name in _TEXT else json.loads(text) for name, text in other.items()}


def _says_something(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_says_something(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(_says_something(part) for part in value)
    return bool(value)


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
    options = {name: value for name, field in _LOG_OPTIONS.items() if (value := getattr(container, field))}
    return {"logDriver": "awslogs", "options": options}


_QUANTITY: Final = re.compile(r"\s*(\d*\.?\d+)\s*(vcpu|gb)?\s*", re.IGNORECASE)


def units(text: str | int | None) -> int:
    """CPU units, or MiB: "256" is 256, ".25 vCPU" is 256, "0.5 GB" is 512. 0 if it is empty."""
    match = _QUANTITY.fullmatch(str(text or 0))
    if match is None:
        return 0
    return round(float(match[1]) * (1024 if match[2] else 1))
