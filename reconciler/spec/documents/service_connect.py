"""Service Connect of a service: the names by which other services reach it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reconciler.spec.documents.base import Block
from reconciler.spec.documents.container import ContainerName
from reconciler.spec.documents.references import RoleReference
from reconciler.spec.documents.values import Duration, Flag, Port, Words, lasting, matching

DiscoveryName = Annotated[str, *matching(r"[a-z0-9_][a-z0-9_-]*", 64, "lower-case letters, digits, '_' and '-' only")]
DnsName = Annotated[
    str, *matching(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?", 127, "lower-case letters, digits, '_', '.' and '-' only")
]
Arn = Annotated[str, *matching(r"arn:[\x21-\x7e]+", 2048, "an ARN")]


class TestHeader(Block):
    """A header by which requests reach the new version while it is being tested."""

    name: Annotated[str, *matching(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", 256, "the name of an HTTP header")]
    """Name of the header."""
    value: Words | None = None
    """Its exact value."""


class Alias(Block):
    """The name and the port by which clients reach the service."""

    name: DnsName | None = None
    """Default: the service's `name` in the namespace."""
    port: Port | None = None
    """Default: the container's port."""
    test_header: TestHeader | None = None
    """Requests with it go to the new version during a deployment by `engine: ecs_native`. Not for tcp."""


class Timeouts(Block):
    """`0s` is no timeout."""

    idle: Annotated[Duration, lasting("0s", "24h")] | None = None
    """Time after which a connection without requests is closed. Default: 5m, and 1h for tcp."""
    request: Annotated[Duration, lasting("0s", "24h")] | None = None
    """Time for a whole response. Default: 15s. Not for tcp."""


class Tls(Block):
    """Encrypts the traffic between the tasks. Certificates come from AWS Private Certificate Authority."""

    certificate_authority: Arn
    """ARN of the private certificate authority."""
    role: RoleReference
    """A Role, or an ARN, that ecs.amazonaws.com can assume to issue the certificates."""
    kms_key: Arn | None = None
    """Encrypts the private keys. Default: the key of AWS Secrets Manager."""


class ConnectedService(Block):
    """A port of the service under a name that other services in the namespace use."""

    name: DiscoveryName | None = None
    """Default: the name of the port, else that of the container and the port."""
    container: ContainerName | None = None
    """Optional if the task has one container."""
    port: Port | None = None
    """The container's port; optional if it has only one."""
    protocol: Literal["tcp", "http", "http2", "grpc"] = "tcp"
    """The proxy retries requests and has metrics of them for all but tcp. ECS does not change that of a name."""
    alias: Alias = Field(default_factory=Alias)
    """What clients write in their configuration, such as http://api:8080. Each is unique in the namespace."""
    timeouts: Timeouts | None = None
    """Time limits of connections and requests. Default: those of ECS."""
    tls: Tls | None = None
    """Encrypts the traffic to it. Default: it is not encrypted."""


class ServiceConnect(Block):
    """Connects the service's tasks to the other services of a namespace by their names.

    ECS runs a proxy beside each task. Without `services` the service is a client only.
    """

    namespace: Arn | None = None
    """ARN of a Cloud Map namespace. Default: the cluster's `namespace`."""
    services: Annotated[tuple[ConnectedService, ...], Field(max_length=20)] = ()
    """The ports that other services reach by a name."""
    logs: Flag = True
    """Whether the proxy logs to the log group of the service, if it has one."""
