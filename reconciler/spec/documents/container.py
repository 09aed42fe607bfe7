"""Container of a task: its image, environment, secrets, ports and health check."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from reconciler.model import duration
from reconciler.spec.documents.base import Block, Members
from reconciler.spec.documents.secret import Secret
from reconciler.spec.documents.values import (
    Duration,
    Flag,
    Port,
    Reference,
    Text,
    Whole,
    Words,
    lasting,
    matching,
    problem,
)
from reconciler.spec.messages import shown

_IMAGE = re.compile(
    r"(?P<repository>[a-z0-9]+[a-zA-Z0-9._:/-]*?)(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)


Tag = Annotated[str, *matching(r"[\w][\w.-]*", 128, "letters, digits, '_', '.' and '-' only")]


class ImageReference(Block):
    """An image: `{registry, tag}` of a Registry document, or a URI. Either is resolved to a digest at plan time."""

    short_form = {"type": "string"}

    registry: Reference | None = None
    tag: Tag | None = None
    uri: Words | None = None

    @model_validator(mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return {"uri": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_of_both(self) -> ImageReference:
        if self.uri is None:
            if self.registry is None or self.tag is None:
                missing = "registry" if self.registry is None else "tag"
                raise problem("E1103", f"an image needs '{missing}': {{registry: …, tag: …}}")
        elif self.registry is not None or self.tag is not None:
            raise problem("E1112", "an image is either {registry, tag} or a URI, not both", at=("uri",))
        elif not _IMAGE.fullmatch(self.uri):
            raise problem("E1109", f"{shown(self.uri)} is not an image such as public.ecr.aws/nginx/nginx:1.27")
        return self

    @property
    def pinned_tag(self) -> str | None:
        """The tag in the reference; None for a digest, `latest` if a URI has no tag."""
        if self.uri is None:
            return self.tag
        found = _IMAGE.fullmatch(self.uri)
        assert found is not None, "checked on the way in"
        return None if found["digest"] else found["tag"] or "latest"

    def __str__(self) -> str:
        return self.uri if self.uri is not None else f"{self.registry}:{self.tag}"


VariableName = Annotated[
    str,
    *matching(r"[A-Za-z_][A-Za-z0-9_.-]*", 255, "letters, digits, '_', '.' and '-' only, not starting with a digit"),
]
ContainerName = Annotated[str, *matching(r"[A-Za-z0-9][A-Za-z0-9_-]*", 255, "letters, digits, '_' and '-' only")]


PortName = Annotated[str, *matching(r"[a-z0-9_][a-z0-9_-]*", 64, "lower-case letters, digits, '_' and '-' only")]


class ContainerPort(Block):
    """A port that a container listens on; a plain number means tcp."""

    short_form = {"type": "integer", "minimum": 1, "maximum": 65535}

    port: Port
    protocol: Literal["tcp", "udp"] = "tcp"
    name: PortName | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return value if isinstance(value, dict | ContainerPort) else {"port": value}


class ContainerHealthCheck(Block):
    """A command that ECS runs inside the container to check its health."""

    command: Annotated[tuple[Text, ...], Field(min_length=1)]
    """[CMD, program, argument, …] or [CMD-SHELL, one line for the shell]."""
    interval: Annotated[Duration, lasting("5s", "300s")] = duration.parse("30s")
    timeout: Annotated[Duration, lasting("2s", "60s")] = duration.parse("5s")
    retries: Annotated[Whole, Field(ge=1, le=10)] = 3
    start_period: Annotated[Duration, lasting("0s", "300s")] = duration.parse("0s")


class Ulimit(Block):
    """An operating system limit for the container's processes."""

    soft: Annotated[Whole, Field(ge=0)]
    hard: Annotated[Whole, Field(ge=0)]


Condition = Literal["START", "COMPLETE", "SUCCESS", "HEALTHY"]
LimitName = Literal[
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
]


class Container(Block):
    """One container of a task."""

    api = "_containers"

    image: ImageReference
    port: Port | None = None
    """The port that the container listens on. For several, use `ports`."""
    ports: tuple[ContainerPort, ...] = ()
    command: tuple[Text, ...] = ()
    entrypoint: tuple[Text, ...] = ()
    environment: dict[VariableName, Text] = Field(default_factory=dict)
    """Plain values, visible to anyone who can read the task definition. Use `secrets` for secrets."""
    secrets: dict[VariableName, Secret] = Field(default_factory=dict)
    """ssm:/path, secretsmanager:name[:json-key[:version-stage[:version-id]]] or an ARN. Read by ECS when a task
    starts."""
    health_check: ContainerHealthCheck | None = None
    cpu: Annotated[Whole, Field(ge=0)] | None = None
    """CPU units reserved from the task's."""
    memory: Annotated[Whole, Field(ge=6)] | None = None
    """MiB; the container is killed if it uses more."""
    essential: Flag = True
    """The task stops when this container stops."""
    depends_on: dict[ContainerName, Condition] = Field(default_factory=dict)
    user: Words | None = None
    readonly_root: Flag = False
    stop_timeout: Annotated[Duration, lasting("0s", "120s")] | None = None
    """Time between SIGTERM and SIGKILL; AWS's default is 30s."""
    ulimits: dict[LimitName, Ulimit] = Field(default_factory=dict)
    aws: Members = Field(default_factory=dict)
    """Further members of ECS's ContainerDefinition, by its names, such as `linuxParameters`."""

    @model_validator(mode="after")
    def _port_or_ports(self) -> Container:
        if self.port is not None and self.ports:
            raise problem("E1112", "a container has either 'port' or 'ports', not both", at=("port",))
        return self

    @property
    def all_ports(self) -> tuple[ContainerPort, ...]:
        """`port` and `ports` together."""
        return (ContainerPort(port=self.port),) if self.port is not None else self.ports
