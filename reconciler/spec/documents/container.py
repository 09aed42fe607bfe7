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
    """A Registry document."""
    tag: Tag | None = None
    """Tag of an image in the Registry. It is resolved to a digest at plan time."""
    uri: Words | None = None
    """Instead of `registry` and `tag`: an image such as public.ecr.aws/nginx/nginx:1.27."""

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
    """The port's number."""
    protocol: Literal["tcp", "udp"] = "tcp"
    """Its protocol."""
    name: PortName | None = None
    """Name by which Service Connect refers to it. Default: it has none."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return value if isinstance(value, dict | ContainerPort) else {"port": value}


class ContainerHealthCheck(Block):
    """A command that ECS runs inside the container to check its health."""

    command: Annotated[tuple[Text, ...], Field(min_length=1)]
    """[CMD, program, argument, …] or [CMD-SHELL, one line for the shell]."""
    interval: Annotated[Duration, lasting("5s", "300s")] = duration.parse("30s")
    """Time between two checks."""
    timeout: Annotated[Duration, lasting("2s", "60s")] = duration.parse("5s")
    """Time after which a check has failed."""
    retries: Annotated[Whole, Field(ge=1, le=10)] = 3
    """Failed checks in a row after which the container is unhealthy."""
    start_period: Annotated[Duration, lasting("0s", "300s")] = duration.parse("0s")
    """Time after the start in which failed checks do not count."""


class Ulimit(Block):
    """An operating system limit for the container's processes."""

    soft: Annotated[Whole, Field(ge=0)]
    """What applies, until a process raises it."""
    hard: Annotated[Whole, Field(ge=0)]
    """What a process may raise it to."""


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
    """The image: `{registry: …, tag: …}`, or a URI."""
    port: Port | None = None
    """The port that the container listens on. For several, use `ports`."""
    ports: tuple[ContainerPort, ...] = ()
    """The ports that the container listens on."""
    command: tuple[Text, ...] = ()
    """Overrides the command of the image: a list of arguments."""
    entrypoint: tuple[Text, ...] = ()
    """Overrides the entry point of the image."""
    environment: dict[VariableName, Text] = Field(default_factory=dict)
    """Plain values, visible to anyone who can read the task definition. Use `secrets` for secrets."""
    secrets: dict[VariableName, Secret] = Field(default_factory=dict)
    """ssm:/path, secretsmanager:name[:json-key[:version-stage[:version-id]]] or an ARN. Read by ECS when a task
    starts."""
    health_check: ContainerHealthCheck | None = None
    """How ECS checks the container. Default: not at all, whatever the image says."""
    cpu: Annotated[Whole, Field(ge=0)] | None = None
    """CPU units reserved from the task's."""
    memory: Annotated[Whole, Field(ge=6)] | None = None
    """MiB; the container is killed if it uses more."""
    essential: Flag = True
    """The task stops when this container stops."""
    depends_on: dict[ContainerName, Condition] = Field(default_factory=dict)
    """Containers of the task that have to have reached a condition before this one starts."""
    user: Words | None = None
    """User that the processes run as. Default: that of the image."""
    readonly_root: Flag = False
    """Makes the root file system read-only."""
    stop_timeout: Annotated[Duration, lasting("0s", "120s")] | None = None
    """Time between SIGTERM and SIGKILL; AWS's default is 30s."""
    ulimits: dict[LimitName, Ulimit] = Field(default_factory=dict)
    """Limits of the operating system, by name."""
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
