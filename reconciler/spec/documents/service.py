"""Service document: tasks that keep running, receive requests through a load balancer, and are deployed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from reconciler.model import duration
from reconciler.spec.documents.alarm import StandardAlarms
from reconciler.spec.documents.base import Block, Document, Members, Named
from reconciler.spec.documents.cluster import CapacityShares, EcsName
from reconciler.spec.documents.container import ContainerName
from reconciler.spec.documents.listener_rule import ListenerName, Match
from reconciler.spec.documents.scaling import Scaling
from reconciler.spec.documents.service_connect import ServiceConnect
from reconciler.spec.documents.task_definition import Placement, TaskDefinition
from reconciler.spec.documents.values import (
    ClusterReference,
    Duration,
    Flag,
    Port,
    Reference,
    Whole,
    lasting,
    matching,
    no_repeats,
    problem,
)

PlatformVersion = Literal["LATEST", "1.4.0"]
TargetGroupName = Annotated[
    str, *matching(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?", 32, "letters, digits and inner '-' only")
]
_PATH = r"/[\x21-\x7e]*"


class TargetHealthCheck(Block):
    """The load balancer's health check of the tasks. All fields are always sent to AWS."""

    path: Annotated[str, *matching(_PATH, 1024, "a path begins with / and has no spaces")] = "/"
    interval: Annotated[Duration, lasting("5s", "300s")] = duration.parse("10s")
    timeout: Annotated[Duration, lasting("2s", "120s")] = duration.parse("5s")
    healthy_threshold: Annotated[Whole, Field(ge=2, le=10)] = 2
    unhealthy_threshold: Annotated[Whole, Field(ge=2, le=10)] = 2
    matcher: Annotated[
        str,
        *matching(
            r"[2-4]\d\d(?:(?:,[2-4]\d\d)*|-[2-4]\d\d)",
            128,
            "status codes from 200 to 499, such as 200, 200,204 or 200-299",
        ),
    ] = "200"


class TargetGroup(Named):
    """A target group; plain text is its name."""

    short_form = {"type": "string"}

    name: TargetGroupName
    aws_name: TargetGroupName | None = None
    """Its name in AWS. Default: its name here."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    def __str__(self) -> str:
        return self.name


class Traffic(Block):
    """How requests reach the service's tasks."""

    api = "target_group"

    load_balancer: Reference
    container: ContainerName
    port: Port | None = None
    """The container's port; optional if it has only one."""
    target_groups: Annotated[tuple[TargetGroup, ...], AfterValidator(no_repeats), Field(min_length=1, max_length=2)]
    """One for rolling deployments; two for blue/green, canary and linear ones, which alternate between them."""
    health_check: TargetHealthCheck = Field(default_factory=TargetHealthCheck)
    deregistration_delay: Annotated[Duration, lasting("0s", "3600s")] = duration.parse("300s")
    """Time for a task to finish its requests before it is stopped."""
    match: Match = Field(default_factory=Match)
    listener: ListenerName = "production"
    test_listener: ListenerName = "test"
    """Where a new version is tested before it receives production traffic; for blue/green, canary and linear."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateTargetGroup for each of the target groups, by ELB's names, such as `ProtocolVersion`
    and `Attributes`."""


class Service(Document):
    """Tasks that keep running.

    A change of `task`, `placement` or `platform_version` creates a new version, which is rolled out as `deployment`
    declares.
    """

    api = "_service_fields"

    kind: Literal["Service"] = "Service"
    name: EcsName
    aws_name: EcsName | None = None
    """Its name in AWS, and the one that derived names begin with. Default: the document's name."""
    cluster: ClusterReference
    task: TaskDefinition
    desired_count: Annotated[Whole, Field(ge=0, le=5000)] = 1
    placement: Placement
    traffic: Traffic | None = None
    deployment: Reference | None = None
    """A DeploymentStrategy. Default: ECS's rolling deployment with a circuit breaker."""
    scaling: Scaling | None = None
    service_connect: ServiceConnect | None = None
    """Connects it to other services by their names. Only for deployments that ECS runs."""
    exec: Flag = False
    """Allows opening a shell in a task with ECS Exec."""
    grace_period: Annotated[Duration, lasting("0s", "24h")] | None = None
    """Time after a task's start in which failing load balancer health checks are ignored."""
    launch: Literal["FARGATE"] | None = None
    capacity_providers: CapacityShares = ()
    """Instead of `launch`. Default: the cluster's default strategy, or FARGATE if it has none."""
    platform_version: PlatformVersion = "LATEST"
    managed_tags: Flag = False
    """Tags each task with its cluster and its service."""
    propagate_tags: Literal["service", "task_definition"] | None = None
    """Where tasks take their tags from. Default: they have none but ECS's."""
    availability_zone_rebalancing: Flag = True
    """Moves tasks when Availability Zones have different numbers of them."""
    alarms: StandardAlarms | None = None
    """`standard` creates CloudWatch alarms: CPU and memory above 90 percent for five minutes, and for each target group
    unhealthy targets, or more than ten 5xx responses a minute, for three minutes."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateService, by ECS's names, such as `serviceRegistries`."""

    @model_validator(mode="after")
    def _one_way_to_launch(self) -> Service:
        if self.launch is not None and self.capacity_providers:
            raise problem("E1112", "a service has either 'launch' or 'capacity_providers', not both", at=("launch",))
        return self
