"""Cluster document: where services and tasks run."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from reconciler.spec.documents.base import Block, Document
from reconciler.spec.documents.logs import LogGroupName
from reconciler.spec.documents.values import Flag, KmsKey, Whole, Words, matching, no_repeats, problem

CapacityProvider = Literal["FARGATE", "FARGATE_SPOT"]
ECS_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
ECS_NAME_RULE = "letters, digits, '_' and '-' only, starting with a letter or digit"


class CapacityShare(Block):
    """The share of a service that runs on a capacity provider; plain `FARGATE_SPOT` means weight 1."""

    short_form = {"enum": ["FARGATE", "FARGATE_SPOT"]}

    name: CapacityProvider
    weight: Annotated[Whole, Field(ge=0, le=1000)] = 1
    base: Annotated[Whole, Field(ge=0, le=100_000)] = 0
    """Number of tasks that are placed here before weights apply."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


CapacityShares: TypeAlias = Annotated[tuple[CapacityShare, ...], Field(max_length=20)]


NamespaceName = Annotated[
    str, *matching(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?", 1024, "letters, digits, '_', '.' and '-' only")
]
EcsName = Annotated[str, *matching(ECS_NAME, 255, ECS_NAME_RULE)]


class ExecLogging(Block):
    """Where sessions of ECS Exec in the cluster are logged. Without a destination, where their containers log."""

    enabled: Flag = True
    log_group: LogGroupName | None = None
    """A log group that exists."""
    bucket: Annotated[str, *matching(r"[a-z0-9][a-z0-9.-]*[a-z0-9]", 63, "the name of a bucket", 3)] | None = None
    """A bucket of S3 that exists."""
    prefix: Words | None = None
    """Of the names of objects in the bucket."""
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


class Cluster(Document):
    """An ECS cluster on Fargate."""

    kind: Literal["Cluster"] = "Cluster"
    name: EcsName
    aws_name: EcsName | None = None
    """Its name in AWS. Default: the document's name."""
    capacity_providers: Annotated[tuple[CapacityProvider, ...], AfterValidator(no_repeats)] = (
        "FARGATE",
        "FARGATE_SPOT",
    )
    default_strategy: CapacityShares = ()
    """Used by services and tasks that set neither `launch` nor `capacity_providers`."""
    container_insights: Literal["disabled", "enabled", "enhanced"] | None = None
    """Default: the setting of the account."""
    exec_logging: ExecLogging | None = None
    """Default: where the containers log. The generated task roles of services and tasks with `exec` may write it."""
    namespace: NamespaceName | None = None
    """A Cloud Map namespace of this name is created, in which services with `service_connect` find each other."""
