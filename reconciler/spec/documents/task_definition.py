"""Task definition and placement: the blocks that Service and Task share."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from reconciler.spec.documents.base import Block, Members
from reconciler.spec.documents.container import Container, ContainerName
from reconciler.spec.documents.logs import Logs
from reconciler.spec.documents.references import Ids, RoleReference
from reconciler.spec.documents.role import Statement
from reconciler.spec.documents.secret import SecretReference
from reconciler.spec.documents.values import Architecture, Flag, KmsKey, Whole, matching, no_repeats, problem
from reconciler.spec.documents.volume import Volume, VolumeName
from reconciler.spec.messages import shown

KmsKeys = Annotated[tuple[KmsKey, ...], AfterValidator(no_repeats)]


_SPREAD = r"zone|instance|attribute:[A-Za-z0-9_./-]+"
DISTINCT: Final = "distinct_instance"
Constraint = Annotated[str, *matching(r".+", 2000, "distinct_instance, or an expression")]


class TaskDefinition(Block):
    """A task: containers that start and stop together and share an address."""

    api = "_definition"

    cpu: Annotated[Whole, Field(ge=1)] | None = None
    """CPU units; 1024 are one vCPU. Fargate offers 256, 512, 1024, 2048, 4096, 8192 and 16384. Optional on EC2."""
    memory: Annotated[Whole, Field(ge=1)] | None = None
    """MiB. For the combinations with cpu see `reconciler explain E5001`. Optional on EC2, if each container has it."""
    containers: dict[ContainerName, Container]
    """Its containers, by name."""
    logs: Logs | None = None
    """Default: the containers' output is discarded."""
    role: RoleReference | None = None
    """Permissions of the application: a Role document or the ARN of a role."""
    execution_role: RoleReference | None = None
    """Permissions of ECS to start the task. Default: a role with exactly what the task needs is created."""
    role_statements: tuple[Statement, ...] = ()
    """Permissions of the application, for a generated role instead of a Role document."""
    execution_role_statements: tuple[Statement, ...] = ()
    """Further permissions of ECS to start the task, such as ecr:BatchImportUpstreamImage for a pull-through cache."""
    kms_keys: KmsKeys = ()
    """ARNs of the customer managed KMS keys that the task's secrets or log group are encrypted with. The generated
    execution role may decrypt with them."""
    architecture: Architecture = "X86_64"
    """CPU architecture of the images."""
    ephemeral_storage: Annotated[Whole, Field(ge=21, le=200)] | None = None
    """GiB; the default is 20. Only on Fargate."""
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
        options = () if self.logs is None else self.logs.secret_options.values()
        of_containers = (one for container in self.containers.values() for one in container.references)
        return (*of_containers, *(one.value_from for one in options))


class Choice(Block):
    """How ECS chooses instances for tasks: one of the fields. Plain `random` is without an order."""

    short_form = {"const": "random"}

    spread: Annotated[str, *matching(_SPREAD, 128, "zone, instance or attribute:NAME")] | None = None
    """Evenly over availability zones (`zone`), instances (`instance`) or the values of an attribute."""
    binpack: Literal["cpu", "memory"] | None = None
    """On the instances with the least of it left, so that as few as possible are needed."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        if value == "random":
            return {}
        if not isinstance(value, dict):
            raise problem("E1107", f"expected random, {{spread: …}} or {{binpack: …}}, found {shown(value)}")
        if len(value) != 1:
            raise problem("E1112", "each item is one of random, {spread: …} and {binpack: …}")
        return value


class Placement(Block):
    """The subnets and security groups of tasks, and on EC2 how instances are chosen for them."""

    subnets: Annotated[Ids, Field(min_length=1, max_length=16)]
    """Subnets of one network, by name or subnet-… id."""
    security_groups: Annotated[Ids, Field(min_length=1, max_length=5)]
    """Security groups of the tasks, by name or sg-… id."""
    public_ip: Flag = False
    """Gives tasks a public address. Without it, a task in a public subnet cannot reach the internet. Only on Fargate.
    """
    strategy: Annotated[tuple[Choice, ...], Field(max_length=5)] | None = None
    """On EC2: how instances are chosen, the first item first. Default for a new service: spread over the
    availability zones. An empty list is no order."""
    constraints: Annotated[tuple[Constraint, ...], AfterValidator(no_repeats), Field(max_length=10)] | None = None
    """On EC2: `distinct_instance`, or an expression of ECS's cluster query language that instances have to match, such
    as `attribute:ecs.instance-type =~ m7g.*`."""
