"""Cluster document: where services and tasks run."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from reconciler.spec.documents.base import Block, Document, Members
from reconciler.spec.documents.values import Whole, matching, no_repeats

CapacityProvider = Literal["FARGATE", "FARGATE_SPOT"]
ECS_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"
ECS_NAME_RULE = "letters, digits, '_' and '-' only, starting with a letter or digit"


class CapacityShare(Block):
    """The share of a service that runs on a capacity provider; plain `FARGATE_SPOT` means weight 1."""

    short_form = {"enum": ["FARGATE", "FARGATE_SPOT"]}

    name: CapacityProvider
    """The capacity provider."""
    weight: Annotated[Whole, Field(ge=0, le=1000)] = 1
    """Its share of the tasks, relative to the weights of the others."""
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


class Namespace(Block):
    """A Cloud Map namespace; plain text is its name."""

    short_form = {"type": "string"}
    api = "namespace"

    name: NamespaceName
    """Its name in AWS, which services outside of the specs may refer to."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateHttpNamespace, by Cloud Map's names: its `Description`."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class Cluster(Document):
    """An ECS cluster on Fargate."""

    api = "cluster"

    kind: Literal["Cluster"] = "Cluster"
    name: EcsName
    aws_name: EcsName | None = None
    """Its name in AWS. Default: the document's name."""
    capacity_providers: Annotated[tuple[CapacityProvider, ...], AfterValidator(no_repeats)] = (
        "FARGATE",
        "FARGATE_SPOT",
    )
    """Kinds of capacity that its services and tasks may use."""
    default_strategy: CapacityShares = ()
    """Used by services and tasks that set neither `launch` nor `capacity_providers`."""
    container_insights: Literal["disabled", "enabled", "enhanced"] | None = None
    """Default: the setting of the account."""
    namespace: Namespace | None = None
    """A Cloud Map namespace of this name is created, in which services with `service_connect` find each other."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateCluster, by ECS's names, such as `configuration`."""
