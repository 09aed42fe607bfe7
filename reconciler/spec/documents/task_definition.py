"""Task definition and placement: the blocks that Service and Task share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from reconciler.spec.documents.base import Block, Members
from reconciler.spec.documents.container import Container, ContainerName
from reconciler.spec.documents.logs import Logs
from reconciler.spec.documents.role import Statement
from reconciler.spec.documents.secret import SecretReference
from reconciler.spec.documents.values import Flag, KmsKey, Many, Reference, Whole, no_repeats, problem
from reconciler.spec.documents.volume import Volume, VolumeName

KmsKeys = Annotated[tuple[KmsKey, ...], AfterValidator(no_repeats)]


class TaskDefinition(Block):
    """A Fargate task: containers that start and stop together and share an address."""

    api = "_definition"

    cpu: Whole
    """CPU units; 1024 are one vCPU. Fargate offers 256, 512, 1024, 2048, 4096, 8192 and 16384."""
    memory: Whole
    """MiB. For the combinations with cpu see `reconciler explain E5001`."""
    containers: dict[ContainerName, Container]
    logs: Logs | None = None
    """Default: the containers' output is discarded."""
    role: Reference | None = None
    """Permissions of the application: a Role document or the ARN of a role."""
    execution_role: Reference | None = None
    """Permissions of ECS to start the task. Default: a role with exactly what the task needs is created."""
    role_statements: tuple[Statement, ...] = ()
    """Permissions of the application, for a generated role instead of a Role document."""
    execution_role_statements: tuple[Statement, ...] = ()
    """Further permissions of ECS to start the task, such as ecr:BatchImportUpstreamImage for a pull-through cache."""
    kms_keys: KmsKeys = ()
    """ARNs of the customer managed KMS keys that the task's secrets or log group are encrypted with. The generated
    execution role may decrypt with them."""
    architecture: Literal["X86_64", "ARM64"] = "X86_64"
    ephemeral_storage: Annotated[Whole, Field(ge=21, le=200)] | None = None
    """GiB; the default is 20."""
    volumes: dict[VolumeName, Volume] = Field(default_factory=dict)
    """By name. The containers mount them with `mounts`."""
    pid_mode: Literal["task"] | None = None
    """`task`: the containers see each other's processes. Default: each container sees its own."""
    aws: Members = Field(default_factory=dict)
    """Further members of RegisterTaskDefinition, by ECS's names, such as `enableFaultInjection`."""

    @model_validator(mode="after")
    def _generated_roles(self) -> TaskDefinition:
        for role, fields in (
            ("role", ("role_statements",)),
            ("execution_role", ("execution_role_statements", "kms_keys")),
        ):
            for field in fields:
                if getattr(self, field) and getattr(self, role) is not None:
                    raise problem("E1112", f"{field} is for a generated role, and not for {role}", at=(field,))
        if self.kms_keys and not (self.logs is not None and self.logs.stored) and not any(self.secrets):
            raise problem("E1103", "'kms_keys' needs logs, or secrets in a container", at=("kms_keys",))
        return self

    @property
    def secrets(self) -> tuple[SecretReference, ...]:
        """Everything that ECS reads from SSM or Secrets Manager to start the task."""
        options = () if self.logs is None else tuple(self.logs.secret_options.values())
        return (*(one for container in self.containers.values() for one in container.references), *options)


class Placement(Block):
    """The subnets and security groups of tasks."""

    subnets: Annotated[Many, Field(min_length=1, max_length=16)]
    security_groups: Annotated[Many, Field(min_length=1, max_length=5)]
    public_ip: Flag = False
    """Gives tasks a public address. Without it, a task in a public subnet cannot reach the internet."""
