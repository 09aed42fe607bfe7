"""The fields of an ECS service, and what they are called in the calls and answers of ECS.

It is one module because a field is written and read by the same names, and both are told here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import JsonValue

from reconciler import errors
from reconciler.model import member_values, members, resource, service_connect
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.resource import Link
from reconciler.model.resource_type import FieldMark, OwnedBy, Scope
from reconciler.model.service_connect import ServiceConnect
from reconciler.model.service_description import on_fargate_alone
from reconciler.resources import _ecs, _service_deployment, _service_hooks
from reconciler.resources._ecs import Network, Strategy
from reconciler.resources._service_deployment import Deployment, Pair

PLATFORM_NOW: Final = (1, 4, 0)
"""ECS may answer LATEST with the version that it stands for, which has been this one or a later one since 2020."""

_ROLLOUT: Final = "the rollout of the service decides it, by the DeploymentStrategy"

OF_A_DEPLOYMENT: Final = ("serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations")
"""Members that ECS shows of a deployment, and not of the service."""

STARTS_ALONE: Final = ("serviceRegistries", *OF_A_DEPLOYMENT)
"""Members that no word says whose change starts a deployment, and which only services of the ECS controller have."""

NOT_UNDER: Final[Mapping[str, tuple[str, ...]]] = {
    "EXTERNAL": (*OF_A_DEPLOYMENT, "deploymentConfiguration"),
    "CODE_DEPLOY": (*STARTS_ALONE, "deploymentConfiguration"),
}
"""Members that a service cannot have whose deployments somebody else controls, by the controller. Under the external
one `serviceRegistries` belong to the task sets."""

UNBALANCED: Final = 100
"""`maximumPercent` up to which ECS refuses rebalancing across Availability Zones, which a new service has otherwise
(ECS developer guide, "Balancing an Amazon ECS service across Availability Zones")."""


_DEPLOYMENT: Final = "deploymentConfiguration"
_BREAKER: Final = f"{_DEPLOYMENT}.deploymentCircuitBreaker"
REBALANCED: Final = ("availabilityZoneRebalancing",)
_CONNECTED: Final = ("enabled", "namespace", "services", "logConfiguration")

API: Final = ApiMembers(
    "ecs",
    create="CreateService",
    update="UpdateService",
    described="Service",
    words={
        "cluster": "cluster",
        "serviceName": "the document's name, or `aws_name`",
        "taskDefinition": "task",
        "desiredCount": "desired_count",
        "launchType": "launch",
        "capacityProviderStrategy": "capacity_providers",
        "platformVersion": "platform_version",
        "networkConfiguration": "placement",
        "loadBalancers": "traffic",
        "healthCheckGracePeriodSeconds": "grace_period",
        "enableExecuteCommand": "exec",
        **{f"serviceConnectConfiguration.{one}": "service_connect" for one in _CONNECTED},
        "deploymentController": "the type of its DeploymentStrategy",
        "deploymentConfiguration.minimumHealthyPercent": "`rolling.min_percent` of its DeploymentStrategy",
        "deploymentConfiguration.maximumPercent": "`rolling.max_percent` of its DeploymentStrategy",
        "deploymentConfiguration.deploymentCircuitBreaker.enable": "`rolling.circuit_breaker` of its "
        "DeploymentStrategy",
        "deploymentConfiguration.deploymentCircuitBreaker.rollback": "`rolling.rollback` of its DeploymentStrategy",
        "deploymentConfiguration.lifecycleHooks": "`hooks` of its DeploymentStrategy",
        "placementStrategy": "placement.strategy",
        "placementConstraints": "placement.constraints",
        "tags": "the document's `tags`",
        "enableECSManagedTags": "managed_tags",
        "propagateTags": "propagate_tags",
        "availabilityZoneRebalancing": "availability_zone_rebalancing",
        "volumeConfigurations": "`ebs` of the task's volumes",
        f"{_DEPLOYMENT}.alarms": "`rolling.alarms` of its DeploymentStrategy",
        f"{_BREAKER}.resetOnHealthyTask": "`rolling.reset_on_healthy_task` of its DeploymentStrategy",
        f"{_BREAKER}.thresholdConfiguration": "`rolling.failure_threshold` of its DeploymentStrategy",
    },
    optional={
        "enableECSManagedTags": False,
        "propagateTags": "NONE",
        "availabilityZoneRebalancing": "ENABLED",
        "volumeConfigurations": [],
        "placementStrategy": [],
        "placementConstraints": [],
        f"{_DEPLOYMENT}.alarms": {"alarmNames": [], "enable": False, "rollback": False},
        f"{_BREAKER}.resetOnHealthyTask": True,
        f"{_BREAKER}.thresholdConfiguration": {"type": "BOUNDED_PERCENT", "value": 50},
    },
    owned={
        "clientToken": "the service's name makes its creation repeatable",
        "role": "ECS uses its service-linked role",
        "schedulingStrategy": "a Service runs a number of tasks, not one on each instance",
        "deploymentConfiguration.strategy": _ROLLOUT,
        "deploymentConfiguration.bakeTimeInMinutes": _ROLLOUT,
        "deploymentConfiguration.linearConfiguration": _ROLLOUT,
        "deploymentConfiguration.canaryConfiguration": _ROLLOUT,
    },
    rolls=frozenset(STARTS_ALONE),
    elsewhere={name: f"deployments.{name}" for name in OF_A_DEPLOYMENT},
    others=(
        "serviceRegistries",
        "volumeConfigurations",
        "vpcLatticeConfigurations",
        "serviceConnectConfiguration.accessLogConfiguration",
        "serviceConnectConfiguration.containerConfigurations",
        "enableECSManagedTags",
        "deploymentConfiguration.alarms",
    ),
)


class Target(resource.Spec):
    """A port of a container, registered in a target group."""

    target_group: Link
    container: str
    port: int

    def __str__(self) -> str:
        return str(self.target_group)


class ServiceSpec(resource.Spec):
    """`initial_count` is what an autoscaled service starts with, `grace_period` is in seconds.

    `first_load_balancers` is what a service starts with whose target group CodeDeploy changes with each deployment.

    `pair` are the target groups between which ECS shifts traffic, with `infrastructure_role`.

    `starts_empty`: it is created without tasks, and its count is set once its pre-deployment task has succeeded.

    `volume_role` manages the volumes of its tasks. `controller` is ECS, EXTERNAL or CODE_DEPLOY.
    """

    api: ClassVar[ApiMembers] = API

    cluster: Annotated[Link, FieldMark.IMMUTABLE]
    name: Annotated[str, FieldMark.IMMUTABLE]
    task_definition: Annotated[Link | None, FieldMark.ROLLS] = None
    desired_count: int | None = None
    initial_count: Annotated[int | None, OwnedBy("autoscaler")] = None
    starts_empty: Annotated[bool, OwnedBy("rollout")] = False
    launch_type: Annotated[str | None, FieldMark.ROLLS] = None
    capacity_provider_strategy: Annotated[tuple[Strategy, ...] | None, FieldMark.UNORDERED, FieldMark.ROLLS] = None
    platform_version: Annotated[str | None, FieldMark.ROLLS] = None
    network: Annotated[Network | None, FieldMark.ROLLS] = None
    load_balancers: Annotated[tuple[Target, ...] | None, FieldMark.UNORDERED, FieldMark.ROLLS] = None
    first_load_balancers: Annotated[tuple[Target, ...] | None, OwnedBy("rollout")] = None
    grace_period: int | None = None
    deployment: Deployment | None = None
    exec: bool | None = None
    service_connect: Annotated[ServiceConnect | None, FieldMark.ROLLS] = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}
    pair: Annotated[Pair | None, OwnedBy("rollout")] = None
    infrastructure_role: Annotated[Link | None, OwnedBy("rollout")] = None
    volume_role: Annotated[Link | None, OwnedBy("rollout")] = None
    controller: Annotated[str | None, FieldMark.IMMUTABLE] = None


# -- in ECS's words


def _deployment(spec: ServiceSpec) -> dict[str, Any]:
    assert spec.deployment is not None
    sent = _service_deployment.written(spec.deployment)
    unbalanced = spec.deployment.max_percent is not None and spec.deployment.max_percent <= UNBALANCED
    return {"deploymentConfiguration": sent} | ({"availabilityZoneRebalancing": "DISABLED"} if unbalanced else {})


def _targets(spec: ServiceSpec) -> dict[str, Any]:
    return {
        "loadBalancers": [
            {"targetGroupArn": item.target_group, "containerName": item.container, "containerPort": item.port}
            for item in spec.load_balancers or spec.first_load_balancers or ()
        ]
    }


MEMBERS: Final[Mapping[str, Callable[[ServiceSpec], dict[str, Any]]]] = {
    "task_definition": lambda spec: {"taskDefinition": spec.task_definition},
    "desired_count": lambda spec: {"desiredCount": spec.desired_count},
    "capacity_provider_strategy": lambda spec: {
        "capacityProviderStrategy": _ecs.strategy_items(spec.capacity_provider_strategy)
    },
    "platform_version": lambda spec: {"platformVersion": spec.platform_version},
    "network": lambda spec: {"networkConfiguration": _ecs.network_configuration(spec.network)},
    "load_balancers": _targets,
    "first_load_balancers": _targets,
    "grace_period": lambda spec: {"healthCheckGracePeriodSeconds": spec.grace_period},
    "deployment": _deployment,
    "exec": lambda spec: {"enableExecuteCommand": spec.exec},
    "service_connect": lambda spec: {"serviceConnectConfiguration": service_connect.member(spec.service_connect)},
}
"""The member of CreateService, and of UpdateService, that each field is."""

OF_THE_TASK_SET: Final = (
    "task_definition",
    "capacity_provider_strategy",
    "platform_version",
    "network",
    "load_balancers",
)


def changed(old: ServiceSpec, new: ServiceSpec, changes: tuple[Change, ...], item: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of UpdateService that make `changes` to `item`.

    Raises `errors.Invalid` for what only another service could have.
    """
    fields = {change.field for change in changes}
    sent: dict[str, Any] = {}
    for field in sorted(fields - {"launch_type", "aws"}):
        if field == "deployment":
            update = _service_deployment.merged(old.deployment or Deployment(), new.deployment or Deployment())
            sent |= _deployment(new.model_copy(update={"deployment": update}))
            if update.hooks is not None:
                hooks = [*_service_hooks.written(update.hooks), *_service_hooks.pauses(item)]
                sent["deploymentConfiguration"]["lifecycleHooks"] = hooks
        else:
            sent |= MEMBERS[field](new)
    if "deployment" in fields and _balanced_again(old, new):
        sent["availabilityZoneRebalancing"] = "ENABLED"
    sent = member_values.merged(sent, _beside(sent, new.aws))
    if "aws" in fields:
        sent = member_values.merged(
            sent, members.changed(API, new.aws, with_deployment(item), [one.path for one in changes])
        )
    if "launch_type" in fields:
        if old.launch_type is not None:
            raise errors.Invalid(f"ECS cannot change a service's launch type from {old.launch_type} in place")
        if new.launch_type != "FARGATE":
            raise errors.Invalid("ECS cannot move a service from capacity providers to the launch type EC2 in place")
        # ECS takes an empty strategy only where the service was created with a launch type, which it does not show
        sent["capacityProviderStrategy"] = [{"capacityProvider": new.launch_type, "weight": 1, "base": 0}]
    if "capacityProviderStrategy" in sent:
        sent["forceNewDeployment"] = True  # ECS refuses it otherwise (pipe-cd/pipecd#6385, kayac/ecspresso#977)
    return sent


def _beside(sent: Mapping[str, Any], aws: Mapping[str, Any]) -> dict[str, Any]:
    """What `aws` has of the members that are `sent` for other fields: ECS takes each as a whole."""
    found = {name: aws[name] for name in REBALANCED if name in sent and name in aws}
    breaker = aws.get("deploymentConfiguration", {}).get("deploymentCircuitBreaker")
    if breaker and "deploymentCircuitBreaker" in sent.get("deploymentConfiguration", {}):
        found["deploymentConfiguration"] = {"deploymentCircuitBreaker": breaker}
    return found


def balanced(item: Mapping[str, Any]) -> bool:
    """Whether ECS can rebalance the tasks of a service."""
    most: int = (item.get("deploymentConfiguration") or {}).get("maximumPercent", 200)
    return most > UNBALANCED


def _balanced_again(old: ServiceSpec, new: ServiceSpec) -> bool:
    """Whether ECS can rebalance the tasks from now on, and could not before: it is on then, as in a new service."""
    was, will = old.deployment or Deployment(), new.deployment or Deployment()
    return was.max_percent is not None and was.max_percent <= UNBALANCED < (will.max_percent or 0)


# -- in ours

_ANSWERED: Final = {
    "task_definition": "taskDefinition",
    "platform_version": "platformVersion",
    "network": "networkConfiguration",
    "grace_period": "healthCheckGracePeriodSeconds",
    "deployment": "deploymentConfiguration",
    "exec": "enableExecuteCommand",
}
"""Members without which an answer says nothing of the field."""


def with_deployment(item: Mapping[str, Any]) -> dict[str, Any]:
    """A service from AWS, with the members that are shown of its newest deployment or primary task set."""
    versions = (*(item.get("deployments") or ()), *(item.get("taskSets") or ()))
    primary: Mapping[str, Any] = next((one for one in versions if one.get("status") == "PRIMARY"), {})
    shown = {**item, **{name: primary[name] for name in STARTS_ALONE if primary.get(name)}}
    return shown | ({"placementStrategy": placed} if (placed := placement_strategy(item)) else {})


def placement_strategy(item: Mapping[str, Any]) -> list[dict[str, str]]:
    """As it is sent: ECS answers CPU and MEMORY in capitals (hashicorp/terraform-provider-aws
    internal/service/ecs/service.go, flattenServicePlacementStrategies)."""
    found = item.get("placementStrategy") or ()
    return [one | ({"field": one["field"].lower()} if one["type"] == "binpack" else {}) for one in found]


def read(
    item: Mapping[str, Any], want: ServiceSpec | None, scope: Scope, seen: dict[str, Any]
) -> tuple[ServiceSpec, frozenset[str]]:
    """A service from AWS, defaults filled in, and the fields that the answer says nothing of."""
    controller = (item.get("deploymentController") or {}).get("type", "ECS")
    unread = {field for field, member in _ANSWERED.items() if item.get(member) in (None, {})}
    if controller == "EXTERNAL" and "taskDefinition" not in item:
        unread |= {*OF_THE_TASK_SET, "launch_type"}  # no task set is primary yet
    strategy = item.get("capacityProviderStrategy") or ()
    plain = want is not None and want.launch_type == "FARGATE" and on_fargate_alone(strategy)
    spec = ServiceSpec(
        cluster=_ecs.last(item["clusterArn"]),
        name=item["serviceName"],
        task_definition=item.get("taskDefinition"),
        desired_count=item["desiredCount"],
        launch_type="FARGATE" if plain else item.get("launchType"),
        capacity_provider_strategy=_ecs.strategy_of(strategy),
        platform_version=_platform(item.get("platformVersion"), want),
        network=_ecs.network_of(item.get("networkConfiguration")),
        load_balancers=_attached(item, want, scope),
        grace_period=item.get("healthCheckGracePeriodSeconds"),
        deployment=_service_deployment.read(item.get("deploymentConfiguration") or {}),
        exec=item.get("enableExecuteCommand"),
        service_connect=service_connect.read(_newest(item).get("serviceConnectConfiguration")),
        aws=seen,
        controller=controller,
    )
    return spec, frozenset(unread)


def _newest(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The deployment with what the service was last asked for."""
    return next((one for one in item.get("deployments") or () if one.get("status") == "PRIMARY"), {})


def _attached(item: Mapping[str, Any], want: ServiceSpec | None, scope: Scope) -> tuple[Target, ...]:
    """Where the specs want no traffic, only target groups of the stack are shown: others are not the specs' concern."""
    unwanted = want is not None and want.load_balancers == ()
    return tuple(
        Target(target_group=one["targetGroupArn"], container=one["containerName"], port=one["containerPort"])
        for one in item.get("loadBalancers") or ()
        if "targetGroupArn" in one and not (unwanted and one["targetGroupArn"] not in scope.swept)
    )


def _platform(version: str | None, want: ServiceSpec | None) -> str | None:
    if version is None or version == "LATEST" or want is None or want.platform_version != "LATEST":
        return version
    numbers = tuple(int(part) for part in version.split(".") if part.isdecimal())
    return "LATEST" if numbers >= PLATFORM_NOW else version
