"""Container of a task: its image, environment, secrets, ports and health check.

It is one module because these are the fields of one block, with the rules that hold between them.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from reconciler.model import duration
from reconciler.spec.documents.base import Block, Members
from reconciler.spec.documents.environment_file import FollowedFile, each_once
from reconciler.spec.documents.logs import ContainerLogs, Firelens
from reconciler.spec.documents.references import LOOKUP_SCHEMA, looked_up
from reconciler.spec.documents.secret import ContainerSecret, Credentials, SecretReference
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
    no_repeats,
    problem,
    text,
)
from reconciler.spec.documents.volume import AbsolutePath, Mount, MountsFrom, Tmpfs
from reconciler.spec.messages import shown

_TAG = r"[\w][\w.-]{0,127}"
TAG = re.compile(_TAG, re.ASCII)
IMAGE = re.compile(
    rf"(?P<repository>[a-z0-9]+[a-zA-Z0-9._:/-]*?)(?::(?P<tag>{_TAG}))?(?:@(?P<digest>sha256:[0-9a-f]{{64}}))?",
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
        elif not IMAGE.fullmatch(self.uri):
            raise problem("E1109", f"{shown(self.uri)} is not an image such as public.ecr.aws/nginx/nginx:1.27")
        return self

    @property
    def pinned_tag(self) -> str | None:
        """The tag in the reference; None for a digest, `latest` if a URI has no tag."""
        if self.uri is None:
            return self.tag
        found = IMAGE.fullmatch(self.uri)
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


class LookedUp(str):
    """A value of a variable that others publish, by its source."""


def _variable(value: Any) -> str:
    if isinstance(value, LookedUp):
        return value
    found = looked_up(value) if isinstance(value, dict) else value
    return LookedUp(found) if isinstance(value, dict) and isinstance(found, str) else text(found)


Variable: TypeAlias = Annotated[
    str,
    PlainValidator(_variable),
    WithJsonSchema({"anyOf": [{"type": ["string", "number", "boolean"]}, LOOKUP_SCHEMA]}),
]
"""The value of a variable, or where it is looked up."""


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


class Restart(Block):
    """Restarts the container when it ends, without a new task; plain `true` means as AWS does it."""

    short_form = {"type": "boolean"}

    enabled: Flag = True
    """Whether it is restarted at all."""
    ignored_exit_codes: Annotated[
        tuple[Annotated[Whole, Field(ge=0, le=255)], ...], AfterValidator(no_repeats), Field(max_length=50)
    ] = ()
    """Exit codes after which it is not restarted."""
    attempt_period: Annotated[Duration, lasting("60s", "1800s")] | None = None
    """Time that the container must have run to be restarted; AWS's default is 300s."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return value if isinstance(value, dict | Restart) else {"enabled": value}


Capability = Annotated[str, *matching(r"[A-Z_]+", 32, "the name of a Linux capability, such as NET_RAW")]


def _addable(value: Any) -> Any:
    name = text(value)
    if name != "SYS_PTRACE":
        raise problem("E1107", f"Fargate adds no capability but SYS_PTRACE, and not {shown(name)}")
    return name


class Capabilities(Block):
    """Linux capabilities of the container's processes, beyond or without Docker's defaults."""

    add: Annotated[
        tuple[Annotated[str, BeforeValidator(_addable), WithJsonSchema({"enum": ["SYS_PTRACE"]})], ...],
        AfterValidator(no_repeats),
    ] = ()
    """Those beyond Docker's defaults. Fargate adds SYS_PTRACE only."""
    drop: Annotated[tuple[Capability, ...], AfterValidator(no_repeats)] = ()
    """Those of Docker's defaults that the container does not get, such as NET_RAW."""


Sysctl = Annotated[
    str,
    *matching(
        r"net\.[a-z0-9_.-]+|fs\.mqueue\.[a-z_]+|kernel\.(?:msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)",
        255,
        "a kernel parameter with a namespace, such as net.core.somaxconn",
    ),
]


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
    environment: dict[VariableName, Variable] = Field(default_factory=dict)
    """Plain values, visible to anyone who can read the task definition. Use `secrets` for secrets. A value that others
    publish is written as `{lookup: ssm:/path}` or `{lookup: "cloudformation:EXPORT"}`."""
    secrets: dict[VariableName, ContainerSecret] = Field(default_factory=dict)
    """ssm:/path, secretsmanager:name[:json-key[:version-stage[:version-id]]] or an ARN. Read by ECS when a task
    starts; in a service, a new version is a release."""
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
    mounts: tuple[Mount, ...] = ()
    """Volumes of the task, and where the container has them."""
    volumes_from: tuple[MountsFrom, ...] = ()
    """Containers whose mounts this one has as well."""
    tmpfs: tuple[Tmpfs, ...] = ()
    """File systems in memory, which nothing is left of when the container stops."""
    logs: ContainerLogs | None = None
    """Instead of the task's `logs`."""
    firelens: Firelens | None = None
    """Makes the container the log router of its task."""
    environment_files: Annotated[tuple[FollowedFile, ...], AfterValidator(each_once), Field(max_length=10)] = ()
    """ARNs of files in S3 with a variable a line. ECS reads them when a task starts; `environment` comes first. In
    a service, a new version of one is a release."""
    registry_credentials: Credentials | None = None
    """The secret of Secrets Manager with the user name and password of the image's registry. Not for ECR."""
    restart: Restart | None = None
    """Restarts the container when it ends, without a new task."""
    labels: dict[Words, Text] = Field(default_factory=dict)
    """Docker labels."""
    init: Flag = False
    """Runs an init process that forwards signals and reaps processes."""
    capabilities: Capabilities | None = None
    """Linux capabilities, beyond or without Docker's defaults."""
    start_timeout: Annotated[Duration, lasting("2s", "120s")] | None = None
    """Time for the conditions of `depends_on` to be met by this container."""
    memory_reservation: Annotated[Whole, Field(ge=6)] | None = None
    """MiB that are reserved; the container may use more, up to `memory`."""
    working_directory: AbsolutePath | None = None
    """Where its commands run. Default: that of the image."""
    interactive: Flag = False
    """Keeps standard input open."""
    tty: Flag = False
    """Allocates a terminal."""
    system_controls: dict[Sysctl, Words] = Field(default_factory=dict)
    """Kernel parameters, by name."""
    aws: Members = Field(default_factory=dict)
    """Further members of ECS's ContainerDefinition, by its names, such as `versionConsistency`."""

    @model_validator(mode="after")
    def _port_or_ports(self) -> Container:
        if self.port is not None and self.ports:
            raise problem("E1112", "a container has either 'port' or 'ports', not both", at=("port",))
        return self

    @property
    def references(self) -> tuple[SecretReference, ...]:
        """What ECS reads from SSM or Secrets Manager to start the container."""
        options = () if self.logs is None else self.logs.secret_options.values()
        credentials = () if self.registry_credentials is None else (self.registry_credentials,)
        return (*(one.value_from for one in (*self.secrets.values(), *options)), *credentials)

    @property
    def all_ports(self) -> tuple[ContainerPort, ...]:
        """`port` and `ports` together."""
        return (ContainerPort(port=self.port),) if self.port is not None else self.ports
