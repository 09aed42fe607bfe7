"""What the Elastic Container Service knows.

A *deployment*, a *task set* and a *service revision* are the same thing seen through three generations of the API:
tasks of one service that were started from one description. AWS numbers all three alike (`ecs-svc/<19 digits>`) and
puts that number into `startedBy` of the tasks; here they are one class, `Deployment`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.local.network import Interface

Params = dict[str, Any]
"""Parameters or an answer, spelt as AWS spells them."""
ServiceKey = tuple[str, str]
"""Cluster name, service name."""


@dataclass(slots=True, eq=False)
class Cluster:
    arn: str
    name: str
    status: str = "ACTIVE"
    settings: list[Params] = field(default_factory=list)
    configuration: Params | None = None
    capacity_providers: list[str] = field(default_factory=list)
    default_strategy: list[Params] = field(default_factory=list)
    service_connect: Params | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class TaskDefinition:
    arn: str
    family: str
    revision: int
    body: Params  # as AWS gives it back
    registered_at: datetime
    status: str = "ACTIVE"
    tags: dict[str, str] = field(default_factory=dict)
    deregistered_at: datetime | None = None
    delete_requested_at: datetime | None = None

    def container(self, name: str) -> Params | None:
        return next((item for item in self.body["containerDefinitions"] if item["name"] == name), None)


@dataclass(frozen=True, slots=True)
class Launch:
    """From what tasks are started: everything about a service that only a new deployment can change."""

    task_definition: str  # its ARN
    launch_type: str | None = None
    strategy: tuple[Params, ...] = ()
    platform_version: str | None = None
    network: Params | None = None  # awsvpcConfiguration
    load_balancers: tuple[Params, ...] = ()
    registries: tuple[Params, ...] = ()
    service_connect: Params | None = None
    volumes: tuple[Params, ...] = ()
    lattice: tuple[Params, ...] = ()


@dataclass(slots=True, eq=False)
class Container:
    name: str
    arn: str
    image: str
    essential: bool
    checked: bool  # has a health check of its own
    image_digest: str = ""
    runtime_id: str = ""
    last_status: str = "PENDING"
    health: str = "UNKNOWN"
    exit_code: int | None = None
    reason: str = ""

    @property
    def over(self) -> bool:
        return self.last_status == "STOPPED"


@dataclass(slots=True, eq=False)
class Task:
    id: str
    arn: str
    cluster: str
    group: str
    definition: TaskDefinition
    launch: Launch
    containers: list[Container]
    created_at: datetime
    started_by: str = ""
    service: ServiceKey | None = None
    deployment: Deployment | None = field(default=None, repr=False)
    provider: str = ""  # the capacity provider it was placed with
    overrides: Params = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    last_status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    launched: bool = False  # handed to the runner
    ended: bool = False  # the runner has nothing of it any more
    execute_command: bool = False
    interface: Interface | None = None
    zone: str = ""
    address: str = ""  # where it really listens
    ports: Mapping[int, int] = field(default_factory=dict)
    registered: list[tuple[str, int]] = field(default_factory=list)  # target group, port
    was_healthy: bool = False
    unhealthy: bool = False  # it is stopped because a health check failed
    counted: bool = False  # its end has been taken into the deployment's failures
    version: int = 1
    pull_started_at: datetime | None = None
    pull_stopped_at: datetime | None = None
    connected_at: datetime | None = None
    started_at: datetime | None = None
    stopping_at: datetime | None = None
    stopped_at: datetime | None = None
    execution_stopped_at: datetime | None = None
    stop_code: str = ""
    stopped_reason: str = ""
    protected_until: datetime | None = None

    @property
    def wanted(self) -> bool:
        return self.desired_status == "RUNNING"

    @property
    def running(self) -> bool:
        """As AWS counts runningCount: a task that drains still runs."""
        return self.last_status in ("RUNNING", "DEACTIVATING")

    @property
    def pending(self) -> bool:
        return self.last_status in ("PROVISIONING", "PENDING", "ACTIVATING")

    @property
    def over(self) -> bool:
        return self.last_status == "STOPPED"


@dataclass(slots=True, eq=False)
class TaskSet:
    """What a deployment has besides when the service's controller is EXTERNAL or CODE_DEPLOY."""

    arn: str
    scale: float
    external_id: str = ""
    started_by: str = ""
    stability: str = "STABILIZING"
    stability_at: datetime | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Deployment:
    number: str
    launch: Launch
    created_at: datetime
    updated_at: datetime
    status: str = "PRIMARY"
    desired: int = 0
    rollout_state: str = "IN_PROGRESS"
    rollout_reason: str = ""
    tasks: list[Task] = field(default_factory=list)
    failed_tasks: int = 0
    breaker: int = 0  # failures that count for the circuit breaker
    failures: int = 0  # in a row, for the back-off
    hold_until: datetime | None = None
    complained: str = ""  # the last event about why it does not get on
    completed: bool = False  # was once the whole service
    task_set: TaskSet | None = None
    declared: tuple[Params, ...] = ()  # native: loadBalancers as they were asked for; `launch` has the resolved ones
    images: dict[str, str] = field(default_factory=dict)  # container → digest that this deployment is pinned to

    @property
    def id(self) -> str:
        return f"ecs-svc/{self.number}"

    def wanted(self) -> list[Task]:
        return [task for task in self.tasks if task.wanted]

    def running(self) -> int:
        return sum(task.running for task in self.tasks)

    def pending(self) -> int:
        return sum(task.pending and task.wanted for task in self.tasks)

    def empty(self) -> bool:
        """Nothing of it is left but what is kept to be looked at."""
        return all(task.last_status in ("STOPPED", "DEPROVISIONING") for task in self.tasks)


@dataclass(slots=True, eq=False)
class Hook:
    """One lifecycle hook of a service deployment, once it has been reached."""

    id: str
    kind: str  # PAUSE | AWS_LAMBDA
    stage: str
    status: str
    expires_at: datetime | None = None
    timeout_action: str = "ROLLBACK"
    target_arn: str = ""
    role_arn: str = ""
    execution_id: str = ""
    details: Params = field(default_factory=dict)  # what its function is given, and has added
    reason: str = ""  # why it has failed


@dataclass(slots=True, eq=False)
class Rollout:
    """A service deployment, in the newer API's sense: one change of a service, from its first task to its end."""

    arn: str
    service: ServiceKey
    target: str  # the number of the deployment that it brings
    sources: list[str]
    configuration: Params
    created_at: datetime
    updated_at: datetime
    status: str = "PENDING"
    status_reason: str = ""
    stage: str = ""
    blue: str = ""  # native: the number of the deployment that served production when it began
    step: int = 0  # of a linear or canary shift
    since: datetime | None = None  # of the stage
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stopped_at: datetime | None = None
    hooks: list[Hook] = field(default_factory=list)
    running: list[Hook] = field(default_factory=list)  # those of the stage that it is in
    rollback: Params | None = None
    returning: list[str] = field(default_factory=list)  # stages that a rollback has still to go through
    production: dict[str, float] = field(default_factory=dict)  # native: percent that each deployment is to have
    test: dict[str, float] = field(default_factory=dict)
    tripped: bool = False  # the circuit breaker has ended it
    triggered_alarms: list[str] = field(default_factory=list)
    ignored_alarms: list[str] = field(default_factory=list)  # were in ALARM already when it began

    @property
    def over(self) -> bool:
        return self.status in ("SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")


@dataclass(slots=True, eq=False)
class Service:
    arn: str
    name: str
    cluster: str
    controller: str
    desired_count: int
    configuration: Params  # deploymentConfiguration, with AWS's defaults filled in
    created_at: datetime
    launch: Launch | None = None  # of the primary; None under EXTERNAL until there is one
    status: str = "ACTIVE"
    scheduling_strategy: str = "REPLICA"
    grace_seconds: int | None = None
    placement_constraints: list[Params] = field(default_factory=list)
    placement_strategy: list[Params] = field(default_factory=list)
    propagate_tags: str = "NONE"
    managed_tags: bool = False
    execute_command: bool = False
    zone_rebalancing: str = "DISABLED"
    role_arn: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    events: deque[Params] = field(default_factory=lambda: deque(maxlen=100))
    deployments: list[Deployment] = field(default_factory=list)  # newest first
    # every deployment there ever was, by number
    revisions: dict[str, Deployment] = field(default_factory=dict, repr=False)
    rollouts: list[Rollout] = field(default_factory=list)  # newest first
    steady: bool = False
    inactive_at: datetime | None = None
    answers_deployments: bool = False  # of another controller than ECS, whose deployment controller ECS once was

    @property
    def key(self) -> ServiceKey:
        return self.cluster, self.name

    @property
    def primary(self) -> Deployment | None:
        return next((item for item in self.deployments if item.status == "PRIMARY"), None)

    def deployment(self, number: str) -> Deployment | None:
        return next((item for item in self.deployments if item.number == number), None)

    def revision_arn(self, number: str) -> str:
        return f"{self.arn.replace(':service/', ':service-revision/', 1)}/{number}"

    @property
    def rollout(self) -> Rollout | None:
        """The service deployment that is under way."""
        return next((item for item in self.rollouts if not item.over), None)


@dataclass(slots=True, eq=False)
class EcsState:
    clusters: dict[str, Cluster] = field(default_factory=dict)
    definitions: dict[str, list[TaskDefinition]] = field(default_factory=dict)  # by family
    revisions: dict[str, int] = field(default_factory=dict)  # the newest number of each family, never given again
    services: dict[ServiceKey, Service] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    state_changes: deque[Params] = field(default_factory=lambda: deque(maxlen=1000))  # oldest first
    settings: dict[str, str] = field(default_factory=dict)
    providers: dict[str, Params] = field(default_factory=dict)  # capacity providers of one's own
    # operation, token → parameters, result
    tokens: dict[tuple[str, str], tuple[str, Any]] = field(default_factory=dict)
