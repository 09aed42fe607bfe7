"""Cluster document: where services and tasks run."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Field, model_validator

from reconciler.spec.documents.base import Block, Document, Members, NamedInAws
from reconciler.spec.documents.logs import LogGroupName
from reconciler.spec.documents.references import RoleReference
from reconciler.spec.documents.values import (
    Architecture,
    Flag,
    KmsKey,
    Many,
    Whole,
    Words,
    matching,
    no_repeats,
    problem,
)

CapacityProvider = Literal["FARGATE", "FARGATE_SPOT"]
BUILT_IN: Final = frozenset(get_args(CapacityProvider))
_RESERVED = "(?:[aA][wW][sS]|[eE][cC][sS]|[fF][aA][rR][gG][aA][tT][eE])"
_OWN = f"(?!{_RESERVED})[A-Za-z0-9_-]+"
_OWN_RULE = "letters, digits, '_' and '-' only, not beginning with aws, ecs or fargate"
ECS_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
ECS_NAME_RULE = "letters, digits, '_' and '-' only, starting with a letter or digit"


class CapacityShare(Block):
    """The share of a service that runs on a capacity provider; plain `FARGATE_SPOT` means weight 1."""

    short_form = {"type": "string"}

    name: Annotated[
        str, *matching(f"FARGATE|FARGATE_SPOT|{_OWN}", 255, f"FARGATE, FARGATE_SPOT or a name: {_OWN_RULE}")
    ]
    """`FARGATE`, `FARGATE_SPOT`, or one of the cluster's `ec2_capacity`. Not both Fargate and EC2."""
    weight: Annotated[Whole, Field(ge=0, le=1000)] = 1
    """Its share of the tasks, relative to the weights of the others."""
    base: Annotated[Whole, Field(ge=0, le=100_000)] = 0
    """Number of tasks that are placed here before weights apply."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def on_ec2(self) -> bool:
        return self.name not in BUILT_IN


CapacityShares: TypeAlias = Annotated[tuple[CapacityShare, ...], Field(max_length=20)]


NamespaceName = Annotated[
    str, *matching(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?", 1024, "letters, digits, '_', '.' and '-' only")
]
EcsName = Annotated[str, *matching(ECS_NAME, 255, ECS_NAME_RULE)]


class ExecLogging(Block):
    """Where sessions of ECS Exec in the cluster are logged. Without a destination, where their containers log."""

    enabled: Flag = True
    """`false` logs no session."""
    log_group: LogGroupName | None = None
    """A log group that exists."""
    bucket: Annotated[str, *matching(r"[a-z0-9][a-z0-9.-]*[a-z0-9]", 63, "the name of a bucket", 3)] | None = None
    """A bucket of S3 that exists."""
    prefix: Words | None = None
    """What the names of objects in the bucket begin with."""
    encrypted: Flag = False
    """Only to destinations that are encrypted."""
    kms_key: KmsKey | None = None
    """Encrypts the session between the client and the container."""

    @model_validator(mode="after")
    def _destination(self) -> ExecLogging:
        chosen = self.log_group is not None or self.bucket is not None
        for field in ("log_group", "bucket", "encrypted"):
            if not self.enabled and getattr(self, field):
                raise problem("E1112", f"'{field}' is for sessions that are logged", at=(field,))
        if self.encrypted and not chosen:
            raise problem("E1103", "'encrypted' needs 'log_group' or 'bucket'", at=("encrypted",))
        if self.prefix is not None and self.bucket is None:
            raise problem("E1103", "'prefix' needs 'bucket'", at=("prefix",))
        return self


CapacityName = Annotated[str, *matching(_OWN, 54, _OWN_RULE)]
_IMAGE = r"ssm:/[A-Za-z0-9_./-]+|ami-[0-9a-f]{8,17}"


class Ec2Capacity(NamedInAws):
    """EC2 instances for tasks: a capacity provider with an Auto Scaling group, whose size ECS manages.

    A launch template, an instance profile and, unless `role` names one, a role are created with it.
    """

    name: CapacityName
    """The name of the capacity provider, and of what is created with it, to which the Stack's prefix and suffix are
    added. It is unique in the account and region."""
    aws_name: CapacityName | None = None
    """Their name in AWS. Default: the name here, with the Stack's prefix and suffix."""
    instance_types: Annotated[
        tuple[Annotated[str, *matching(r"[a-z0-9-]+\.[a-z0-9-]+", 64, "an instance type such as m7g.large")], ...],
        AfterValidator(no_repeats),
        Field(min_length=1, max_length=40),
    ]
    """The first that EC2 has capacity for is started, in this order. All of one architecture."""
    architecture: Architecture = "X86_64"
    """Selects the default `image`."""
    image: Annotated[str, *matching(_IMAGE, 1024, "ssm: and the name of a parameter, or the id of an image")] | None = (
        None
    )
    """`ssm:` and the parameter that holds the id of an image, which is looked up whenever an instance starts, or the id
    of an image. Default: the newest ECS-optimized image of Amazon Linux 2023."""
    min: Annotated[Whole, Field(ge=0, le=5000)] = 0
    """Minimum number of instances."""
    max: Annotated[Whole, Field(ge=1, le=5000)]
    """Maximum number of instances. A rollout runs the tasks of two versions."""
    subnets: Annotated[Many, Field(min_length=1, max_length=16)]
    """Subnets of the instances, all of one network, by name or subnet-… id."""
    security_groups: Annotated[Many, Field(min_length=1, max_length=5)]
    """Security groups of the instances. Tasks have those of their own `placement`."""
    public_ip: Flag = False
    """Gives instances a public address, in public subnets."""
    role: RoleReference | None = None
    """What the ECS agent runs as: a Role document or the ARN of a role. Default: a role with AWS's policy for it."""
    volume: Annotated[Whole, Field(ge=30, le=16384)] = 30
    """GiB of the root volume, which is encrypted."""
    target_capacity: Annotated[Whole, Field(ge=1, le=100)] = 100
    """Percentage of the instances' capacity that ECS keeps in use; below 100, the rest is ready for more tasks."""
    termination_protection: Flag = True
    """Scaling in never terminates an instance that runs tasks."""
    draining: Flag = True
    """Tasks are moved away from an instance that is to be terminated."""


class Namespace(NamedInAws):
    """A Cloud Map namespace; plain text is its name."""

    short_form = {"type": "string"}
    api = "namespace"

    name: NamespaceName
    """Its name, to which the Stack's prefix and suffix are added."""
    aws_name: NamespaceName | None = None
    """Its name in AWS, which services outside of the specs may refer to. Default: the name here, with the Stack's
    prefix and suffix."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateHttpNamespace, by Cloud Map's names: its `Description`."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class Cluster(Document):
    """An ECS cluster."""

    api = "cluster"

    kind: Literal["Cluster"] = "Cluster"
    name: EcsName
    aws_name: EcsName | None = None
    """Its name in AWS. Default: the document's name, with the Stack's prefix and suffix."""
    capacity_providers: Annotated[tuple[CapacityProvider, ...], AfterValidator(no_repeats)] = (
        "FARGATE",
        "FARGATE_SPOT",
    )
    """Those of Fargate that its services and tasks may use."""
    ec2_capacity: tuple[Ec2Capacity, ...] = ()
    """Capacity providers of the cluster's own, with EC2 instances."""
    default_strategy: CapacityShares = ()
    """Used by services and tasks that set neither `launch` nor `capacity_providers`."""
    container_insights: Literal["disabled", "enabled", "enhanced"] | None = None
    """Default: the setting of the account."""
    exec_logging: ExecLogging | None = None
    """Default: where the containers log. The generated task roles of services and tasks with `exec` may write it."""
    namespace: Namespace | None = None
    """A Cloud Map namespace of this name is created, in which services with `service_connect` find each other."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateCluster, by ECS's names, such as `configuration.managedStorageConfiguration`."""
