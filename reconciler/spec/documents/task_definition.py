"""Task definition and placement: the blocks that Service and Task share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from reconciler.spec.documents.base import Block, Members
from reconciler.spec.documents.container import Container, ContainerName
from reconciler.spec.documents.role import Statement
from reconciler.spec.documents.values import Flag, Many, Reference, Whole, matching, no_repeats, problem
from reconciler.spec.messages import joined

RETENTIONS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""Days that CloudWatch Logs can keep log lines."""


def _retention(days: int) -> int:
    if days not in RETENTIONS:
        nearest = min(RETENTIONS, key=lambda allowed: (abs(allowed - days), allowed))
        raise problem(
            "E1107", f"logs can be kept for {joined(map(str, RETENTIONS))} days, not {days}", hint=f"{nearest}?"
        )
    return days


Retention = Annotated[Whole, AfterValidator(_retention), Field(json_schema_extra={"enum": list(RETENTIONS)})]
LogGroupName = Annotated[str, *matching(r"[.\-_/#A-Za-z0-9]+", 512, "letters, digits and . - _ / # only")]


KmsKey = Annotated[
    str,
    *matching(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+", 2048, "the ARN of a KMS key, not of an alias"),
]
KmsKeys = Annotated[tuple[KmsKey, ...], AfterValidator(no_repeats)]


class Logs(Block):
    """Where the containers' output is stored: CloudWatch Logs."""

    api = "log_group"

    retention_days: Retention | None = None
    """Default: log lines never expire."""
    group: LogGroupName | None = None
    """Name of the log group. Default: /ecs/ and the document's name."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateLogGroup, by CloudWatch's names, such as `kmsKeyId`."""


class TaskDefinition(Block):
    """A Fargate task: containers that start and stop together and share an address."""

    api = "_definition"

    cpu: Whole
    """CPU units; 1024 are one vCPU. Fargate offers 256, 512, 1024, 2048, 4096, 8192 and 16384."""
    memory: Whole
    """MiB. For the combinations with cpu see `reconciler explain E5001`."""
    containers: dict[ContainerName, Container]
    """Its containers, by name."""
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
    """CPU architecture of the images."""
    ephemeral_storage: Annotated[Whole, Field(ge=21, le=200)] | None = None
    """GiB; the default is 20."""
    aws: Members = Field(default_factory=dict)
    """Further members of RegisterTaskDefinition, by ECS's names, such as `volumes`."""

    @model_validator(mode="after")
    def _generated_roles(self) -> TaskDefinition:
        for role, fields in (
            ("role", ("role_statements",)),
            ("execution_role", ("execution_role_statements", "kms_keys")),
        ):
            for field in fields:
                if getattr(self, field) and getattr(self, role) is not None:
                    raise problem("E1112", f"{field} is for a generated role, and not for {role}", at=(field,))
        secrets = any(container.secrets for container in self.containers.values())
        if self.kms_keys and self.logs is None and not secrets:
            raise problem("E1103", "'kms_keys' needs logs, or secrets in a container", at=("kms_keys",))
        return self


class Placement(Block):
    """The subnets and security groups of tasks."""

    subnets: Annotated[Many, Field(min_length=1, max_length=16)]
    """Subnets of one network, by name or subnet-… id."""
    security_groups: Annotated[Many, Field(min_length=1, max_length=5)]
    """Security groups of the tasks, by name or sg-… id."""
    public_ip: Flag = False
    """Gives tasks a public address. Without it, a task in a public subnet cannot reach the internet."""
