"""Service document: tasks that keep running, receive requests through a load balancer, and are deployed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from reconciler.model import duration
from reconciler.spec.documents.alarm import StandardAlarms
from reconciler.spec.documents.base import Block, Document, Members
from reconciler.spec.documents.cluster import CapacityShares, EcsName
from reconciler.spec.documents.container import Container, ContainerName
from reconciler.spec.documents.domain import Domains
from reconciler.spec.documents.listener_rule import ListenerReference, Match
from reconciler.spec.documents.references import LOOKUP, NAMED, ClusterReference, LoadBalancerReference
from reconciler.spec.documents.scaling import Scaling
from reconciler.spec.documents.service_connect import ServiceConnect
from reconciler.spec.documents.sign_in import SignIn
from reconciler.spec.documents.spot import Spot
from reconciler.spec.documents.target_group import Stickiness, TargetGroup, TargetHealthCheck
from reconciler.spec.documents.task_definition import Placement, TaskDefinition
from reconciler.spec.documents.values import (
    Duration,
    Flag,
    Line,
    Port,
    Reference,
    Whole,
    lasting,
    literal,
    no_repeats,
    problem,
)

PlatformVersion = Literal["LATEST", "1.4.0"]


class Forwarding(Block):
    """How requests reach one port of the service's tasks."""

    api = "target_group"

    load_balancer: LoadBalancerReference
    """The LoadBalancer document; or one that others own, by its ARN or as `{name: …}`. The stack adds rules to the
    listeners of that one, for which it needs a `match`, and writes nothing else of it."""
    container: ContainerName
    """The container that receives the requests."""
    port: Port | None = None
    """The container's port; optional if it has only one."""
    target_groups: Annotated[tuple[TargetGroup, ...], AfterValidator(no_repeats), Field(min_length=1, max_length=1)]
    """A single target group, which nothing else forwards to."""
    protocol: Literal["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP"] = "HTTP"
    """How the load balancer connects to the tasks; AWS checks no certificate of theirs. A network load balancer uses
    TCP, TLS, UDP, or TCP_UDP, which is both on one port."""
    protocol_version: Literal["HTTP1", "HTTP2", "GRPC"] = "HTTP1"
    """What tasks receive. HTTP2 and GRPC need an HTTPS listener."""
    ip_address_type: Literal["ipv4", "ipv6"] | None = None
    """The addresses of the tasks that the load balancer connects to; ipv6 needs a dual-stack load balancer, and tasks
    in dual-stack subnets. It cannot be changed: name other target groups for it. Default: ipv4."""
    health_check: TargetHealthCheck = Field(default_factory=TargetHealthCheck)
    """How the load balancer checks the tasks."""
    deregistration_delay: Annotated[Duration, lasting("0s", "3600s")] = duration.parse("300s")
    """Time for a task to finish its requests before it is stopped."""
    stickiness: Stickiness | None = None
    """Sends a client's requests to the task that answered its first one. Default: off."""
    slow_start: Annotated[Duration, lasting("30s", "15m")] | None = None
    """Time in which the share of a new task grows to that of the others. Default: none."""
    algorithm: Literal["round_robin", "least_outstanding_requests", "weighted_random"] | None = None
    """How the load balancer selects a task. Default: round_robin."""
    anomaly_mitigation: Flag | None = None
    """Sends fewer requests to tasks whose responses stand out as faulty; needs the algorithm weighted_random."""
    cross_zone: Flag | None = None
    """Whether requests go to tasks of all Availability Zones. Default: as the load balancer has it."""
    attributes: dict[str, Line] = Field(default_factory=dict)
    """Further attributes by AWS's own keys, such as target_group_health.dns_failover.minimum_healthy_targets.count."""
    match: Match = Field(default_factory=Match)
    """The requests that the service takes. Default: all that no other service takes."""
    domain: Domains = ()
    """Domains by which users reach the service, such as app.example.com: their certificates, records in Route 53, and
    HTTPS. If `listener` uses HTTP, it sends requests to HTTPS from then on."""
    sign_in: SignIn | None = None
    """Has users sign in at the load balancer before their requests reach the service; not at the test listener. Needs a
    listener for HTTPS. Default: none."""
    listener: ListenerReference = "production"
    """The listener for production traffic. Of a load balancer that others own: its port, its ARN, or a lookup of one,
    such as `{lookup: ssm:/path}`."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateTargetGroup for each of the target groups, by ELB's names, such as `TargetType`."""

    @property
    def outside(self) -> bool:
        """Whether others own the load balancer and its listeners."""
        return literal(self.load_balancer, "arn:", NAMED, LOOKUP)

    def sign_in_at(self, listener: str) -> SignIn | None:
        """Whether users sign in at a listener: where requests of users come in, and not where versions are tested."""
        return self.sign_in if listener == self.listener else None

    @property
    def of_connections(self) -> bool:
        """Whether the load balancer forwards connections or datagrams, of which it does not read the requests."""
        return self.protocol not in ("HTTP", "HTTPS")

    @property
    def transports(self) -> frozenset[str]:
        """What reaches the container's port."""
        return {"UDP": frozenset({"udp"}), "TCP_UDP": frozenset({"tcp", "udp"})}.get(self.protocol, frozenset({"tcp"}))

    def ports_of(self, container: Container) -> list[int]:
        """The ports of a container that it can be sent to. ECS takes one protocol for each, whatever reaches it."""
        return list(dict.fromkeys(port.port for port in container.all_ports if port.protocol in self.transports))

    @property
    def health_protocol(self) -> str:
        return self.health_check.protocol or ("TCP" if self.of_connections else "HTTP")

    @property
    def health_path(self) -> str:
        """Empty where a connection is enough."""
        if self.health_protocol == "TCP":
            return ""
        return self.health_check.path or ("/AWS.ALB/healthcheck" if self.protocol_version == "GRPC" else "/")

    @property
    def matcher(self) -> str:
        if self.health_protocol == "TCP":
            return ""
        return self.health_check.matcher or ("12" if self.protocol_version == "GRPC" else "200")

    @model_validator(mode="after")
    def _how_tasks_are_selected(self) -> Forwarding:
        if self.slow_start is not None and self.algorithm not in (None, "round_robin"):
            message = f"'slow_start' needs the algorithm round_robin, not {self.algorithm}"
            raise problem("E1112", message, at=("slow_start",))
        if self.anomaly_mitigation and self.algorithm != "weighted_random":
            raise problem("E1103", "'anomaly_mitigation' needs algorithm: weighted_random", at=("anomaly_mitigation",))
        return self


class Traffic(Forwarding):
    """How requests reach the service's tasks."""

    target_groups: Annotated[tuple[TargetGroup, ...], AfterValidator(no_repeats), Field(min_length=1, max_length=2)]
    """One for rolling deployments; two for blue/green, canary and linear ones, which alternate between them."""
    test_listener: ListenerReference = "test"
    """Where a new version is tested before it receives production traffic; for blue/green, canary and linear. Of a load
    balancer that others own: its port, or its ARN."""


class Service(Document):
    """Tasks that keep running.

    A change of `task`, `placement` or `platform_version` creates a new version, which is rolled out as `deployment`
    declares.
    """

    api = "_service_fields"

    kind: Literal["Service"] = "Service"
    name: EcsName
    aws_name: EcsName | None = None
    """Its name in AWS, and the one that derived names begin with. Default: the document's name, with the Stack's prefix
    and suffix."""
    cluster: ClusterReference
    """The Cluster that it runs in; or one that others own, by its ARN or as `{name: …}`."""
    task: TaskDefinition
    """Its task definition."""
    desired_count: Annotated[Whole, Field(ge=0, le=5000)] = 1
    """Number of tasks. With `scaling`, only at creation."""
    placement: Placement
    """Where its tasks run."""
    traffic: Traffic | None = None
    """How requests reach it. Default: not through a load balancer."""
    additional_traffic: Annotated[tuple[Forwarding, ...], Field(max_length=4)] = ()
    """Further ports, listeners or load balancers, for rolling deployments. Each needs a target group of its own."""
    deployment: Reference | None = None
    """A DeploymentStrategy. Default: ECS's rolling deployment with a circuit breaker."""
    scaling: Scaling | None = None
    """Lets AWS change the number of tasks. Default: it is `desired_count`."""
    service_connect: ServiceConnect | None = None
    """Connects it to other services by their names. Only for deployments that ECS runs."""
    exec: Flag = False
    """Allows opening a shell in a task with ECS Exec."""
    grace_period: Annotated[Duration, lasting("0s", "24h")] | None = None
    """Time after a task's start in which failing load balancer health checks are ignored."""
    launch: Literal["FARGATE", "EC2"] | None = None
    """The launch type. `EC2`: instances that have joined the cluster, without a capacity provider. Default: that of
    `capacity_providers`, or of the cluster."""
    capacity_providers: CapacityShares = ()
    """Instead of `launch`. Default: the cluster's default strategy, or FARGATE if it has none."""
    spot: Spot | None = None
    """Instead of both: Fargate Spot, and on demand while there is no Spot capacity. For rolling deployments."""
    platform_version: PlatformVersion = "LATEST"
    """Version of the Fargate platform."""
    managed_tags: Flag = False
    """Tags each task with its cluster and its service."""
    propagate_tags: Literal["service", "task_definition"] | None = None
    """Where tasks take their tags from. Default: they have none but ECS's."""
    availability_zone_rebalancing: Flag = True
    """Moves tasks when Availability Zones have different numbers of them."""
    alarms: StandardAlarms | None = None
    """`standard` creates CloudWatch alarms: CPU and memory above 90 percent for five minutes, and for each target group
    unhealthy targets, or (of HTTP) more than ten 5xx responses a minute, for three minutes."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateService, by ECS's names, such as `serviceRegistries`."""

    @property
    def forwardings(self) -> tuple[tuple[tuple[str | int, ...], Forwarding], ...]:
        """All of its traffic, each with the path to it."""
        first = () if self.traffic is None else ((("traffic",), self.traffic),)
        return (*first, *((("additional_traffic", index), one) for index, one in enumerate(self.additional_traffic)))

    @model_validator(mode="after")
    def _first_traffic(self) -> Service:
        if self.additional_traffic and self.traffic is None:
            raise problem("E1103", "'additional_traffic' comes after 'traffic'", at=("additional_traffic",))
        return self

    @model_validator(mode="after")
    def _one_way_to_launch(self) -> Service:
        if self.launch is not None and self.capacity_providers:
            raise problem("E1112", "a service has either 'launch' or 'capacity_providers', not both", at=("launch",))
        other = "launch" if self.launch is not None else "capacity_providers" if self.capacity_providers else ""
        if self.spot is not None and other:
            raise problem("E1112", f"a service has either 'spot' or '{other}', not both", at=("spot",))
        return self
