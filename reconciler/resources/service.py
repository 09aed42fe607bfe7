"""An ECS service: how many tasks of which revision run where, and which target groups reach them.

A name is free again only once the earlier service has drained, which takes as long as its tasks may finish their
requests. Until then it is observed as being deleted. Under the EXTERNAL controller tasks, network and target groups
belong to task sets; ECS takes none of them for the service and shows those of the primary task set in their place.
What its answer leaves out is not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final

from reconciler import errors
from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.permissions import Permissions
from reconciler.model.resource import Calls, Desired, Link, Observed, Path
from reconciler.model.resource_type import FieldMark, OwnedBy, Replace, ResourceType, Scope
from reconciler.resources import _ecs, _gone, _service_health, _tags
from reconciler.resources._ecs import Network, Strategy, ecs

BATCH: Final = 10  # services a DescribeServices

PLATFORM_NOW: Final = (1, 4, 0)
"""ECS may answer LATEST with the version that it stands for, which has been this one or a later one since 2020."""


class Target(resource.Spec):
    """A port of a container, registered in a target group."""

    target_group: Link
    container: str
    port: int

    def __str__(self) -> str:
        return str(self.target_group)


class Deployment(resource.Spec):
    """Limits of a rolling deployment, in percent of the desired count, and what is done when its tasks keep failing."""

    min_percent: int | None = None
    max_percent: int | None = None
    circuit_breaker: bool | None = None
    rollback: bool | None = None


class ServiceSpec(resource.Spec):
    """`initial_count` is what an autoscaled service starts with, `grace_period` is in seconds.

    `starts_empty`: it is created without tasks, and its count is set once its pre-deployment task has succeeded.

    `propagate_tags` is SERVICE, TASK_DEFINITION or NONE; `controller` ECS, EXTERNAL or CODE_DEPLOY.
    """

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
    grace_period: int | None = None
    deployment: Deployment | None = None
    exec: bool | None = None
    propagate_tags: str | None = None
    controller: Annotated[str | None, FieldMark.IMMUTABLE] = None


class Service(ResourceType[ServiceSpec]):
    kind: ClassVar[str] = "service"
    Spec = ServiceSpec
    creates: ClassVar[tuple[str, ...]] = ("CreateService",)
    named_by: ClassVar[str | None] = "name"
    permissions: ClassVar[Permissions] = Permissions(
        linked_role="ecs.amazonaws.com", passes_roles_to="ecs.amazonaws.com"
    )
    inside: ClassVar[tuple[str, str] | None] = ("cluster", "cluster")
    # Tasks start at once, and need a way to their images, their secrets and their target groups.
    depends_on: ClassVar[tuple[str, ...]] = (
        "listener",
        "listener-rule",
        "route-table",
        "vpc-endpoint",
        "nat-gateway",
        "security-group-rules",
    )
    observe_after: ClassVar[tuple[str, ...]] = ("cluster",)
    volatile: ClassVar[bool] = True
    replace: ClassVar[Replace] = Replace.DELETE_FIRST
    slow_to_delete: ClassVar[bool] = True

    def in_use(self, found: Observed[ServiceSpec]) -> frozenset[str]:
        item = found.facts["item"]
        return frozenset(used for one in (item, *_versions(item)) for used in _used(one))

    def grown(self, old: Observed[ServiceSpec], new: Desired[ServiceSpec]) -> Desired[ServiceSpec]:
        """Everything but a lower desired count."""
        was, count = old.spec.desired_count, new.spec.desired_count
        if was is None or count is None or count >= was:
            return new
        return replace(new, spec=new.spec.model_copy(update={"desired_count": was}))

    def serving(self, found: Observed[ServiceSpec]) -> frozenset[str]:
        """ECS completes a deployment once its tasks are healthy in every target group of the service."""
        return (
            _service_health.target_groups(found.facts["item"]) if found.health is _service_health.READY else frozenset()
        )

    def observe(self, scope: Scope) -> Calls[list[Observed[ServiceSpec]]]:
        wanted = {
            (_ecs.last(want.spec.cluster), want.spec.name): want
            for want in scope.wanted
            if isinstance(want.spec.cluster, str)  # else there is no cluster, and so no service
        }
        names = sorted(set(wanted) | _swept(scope))
        calls = [
            ecs.describe_services(cluster=cluster, services=list(batch), include=["TAGS"])
            for cluster in sorted({cluster for cluster, _ in names})
            for batch in _ecs.batches([name for of, name in names if of == cluster], BATCH)
        ]
        answers = yield from _gone.answers(calls)
        observed = []
        for call, answer in zip(calls, answers, strict=True):
            for item in [] if answer is None else _ecs.found(call, answer, "services"):
                cluster, name, tags = _ecs.last(item["clusterArn"]), item["serviceName"], _ecs.tags_of(item)
                want = wanted.get((cluster, name))
                address = _ecs.address_of(self.kind, name, tags, want, scope)
                if address is None or item["status"] == "INACTIVE":
                    continue
                spec, unread = _read(item, None if want is None else want.spec, scope)
                health, reason = _service_health.health(item)
                observed.append(
                    Observed(
                        address,
                        item["serviceArn"],
                        spec,
                        tags,
                        health,
                        reason,
                        unread=unread,
                        facts=_service_health.facts(item, cluster),
                    )
                )
        return observed

    def create(self, new: Desired[ServiceSpec]) -> Calls[str]:
        spec = new.spec
        without = _OF_THE_TASK_SET if spec.controller == "EXTERNAL" else ()
        fields = {field: member for field, member in _MEMBERS.items() if field not in without}
        params: dict[str, Any] = {}
        for field, member in fields.items():
            if getattr(spec, field) not in (None, ()):
                params |= member(spec)
        if spec.starts_empty:
            params["desiredCount"] = 0
        try:
            answer = yield ecs.create_service(
                cluster=spec.cluster,
                serviceName=spec.name,
                launchType=None if spec.controller == "EXTERNAL" else spec.launch_type,
                schedulingStrategy="REPLICA",
                deploymentController=None if spec.controller is None else {"type": spec.controller},
                tags=_ecs.pairs(new.tags),
                **{"desiredCount": spec.initial_count, **params},
            )
        except errors.Exists:
            call = ecs.describe_services(cluster=spec.cluster, services=[spec.name], include=["TAGS"])
            found = _ecs.found(call, (yield call), "services")
            if not found or not _tags.is_this(_ecs.tags_of(found[0]), new):
                raise
            answer = {"service": found[0]}
        arn: str = answer["service"]["serviceArn"]
        return arn

    def update(self, old: Observed[ServiceSpec], new: Desired[ServiceSpec], changes: tuple[Change, ...]) -> Calls[None]:
        """Only what differs is sent: repeating the load balancers, say, would start a deployment of its own."""
        yield ecs.update_service(cluster=old.spec.cluster, service=old.id, **_changed(old.spec, new.spec, changes))

    def lost(
        self, old: Observed[ServiceSpec], new: Desired[ServiceSpec], changes: tuple[Change, ...]
    ) -> Mapping[Path, Any]:
        """The next task set is made without what those of another tool have beyond ours."""
        sets = old.facts["sets"] if any(change.rolls for change in changes) else ()
        registries = [one["serviceRegistries"] for one in sets if one.get("serviceRegistries")]
        return {("task_definition", "serviceRegistries"): registries} if registries else {}

    def delete(self, old: Observed[ServiceSpec]) -> Calls[None]:
        if not old.facts["deleting"]:
            yield from _gone.let_go(ecs.delete_service(cluster=old.spec.cluster, service=old.id, force=True))

    def update_tags(self, old: Observed[ServiceSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _ecs.update_tags(old.id, put, drop)


def _versions(item: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """ECS's deployments of a service and its task sets, those that are being drained among them."""
    return (*(item.get("deployments") or ()), *(item.get("taskSets") or ()))


def _used(version: Mapping[str, Any]) -> Iterator[str]:
    """What tasks of one version run on, by the ids, ARNs and names that ECS has for it."""
    network = (version.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    yield from (*(network.get("subnets") or ()), *(network.get("securityGroups") or ()))
    for balancer in version.get("loadBalancers") or ():
        if "targetGroupArn" in balancer:
            yield balancer["targetGroupArn"]
    for share in version.get("capacityProviderStrategy") or ():
        yield share["capacityProvider"]
    for registry in version.get("serviceRegistries") or ():
        if "registryArn" in registry:
            yield registry["registryArn"]


def _swept(scope: Scope) -> set[tuple[str, str]]:
    """Cluster and name of each service in the sweep: `…:service/cluster/name`."""
    found = set()
    for arn in scope.swept_arns("ecs", "service/"):
        _, _, rest = arn.partition(":service/")
        cluster, slash, name = rest.partition("/")
        if slash:
            found.add((cluster, name))
    return found


# -- in ECS's words


def _deployment(spec: ServiceSpec) -> dict[str, Any]:
    assert spec.deployment is not None
    limits = {"minimumHealthyPercent": spec.deployment.min_percent, "maximumPercent": spec.deployment.max_percent}
    sent: dict[str, Any] = {key: value for key, value in limits.items() if value is not None}
    enable, rollback = spec.deployment.circuit_breaker, spec.deployment.rollback
    if enable is not None or rollback is not None:  # ECS takes both or neither
        sent["deploymentCircuitBreaker"] = {"enable": bool(enable), "rollback": bool(rollback)}
    return {"deploymentConfiguration": sent}


def _targets(spec: ServiceSpec) -> dict[str, Any]:
    return {
        "loadBalancers": [
            {"targetGroupArn": item.target_group, "containerName": item.container, "containerPort": item.port}
            for item in spec.load_balancers or ()
        ]
    }


_MEMBERS: Final[Mapping[str, Callable[[ServiceSpec], dict[str, Any]]]] = {
    "task_definition": lambda spec: {"taskDefinition": spec.task_definition},
    "desired_count": lambda spec: {"desiredCount": spec.desired_count},
    "capacity_provider_strategy": lambda spec: {
        "capacityProviderStrategy": _ecs.strategy_items(spec.capacity_provider_strategy)
    },
    "platform_version": lambda spec: {"platformVersion": spec.platform_version},
    "network": lambda spec: {"networkConfiguration": _ecs.network_configuration(spec.network)},
    "load_balancers": _targets,
    "grace_period": lambda spec: {"healthCheckGracePeriodSeconds": spec.grace_period},
    "deployment": _deployment,
    "exec": lambda spec: {"enableExecuteCommand": spec.exec},
    "propagate_tags": lambda spec: {"propagateTags": spec.propagate_tags},
}
"""The member of CreateService, and of UpdateService, that each field is."""

_OF_THE_TASK_SET: Final = (
    "task_definition",
    "capacity_provider_strategy",
    "platform_version",
    "network",
    "load_balancers",
)


def _changed(old: ServiceSpec, new: ServiceSpec, changes: tuple[Change, ...]) -> dict[str, Any]:
    """The parameters of UpdateService that make `changes`.

    Raises `errors.Invalid` for what only another service could have.
    """
    fields = {change.field for change in changes}
    sent: dict[str, Any] = {}
    for field in sorted(fields - {"launch_type"}):
        sent |= _MEMBERS[field](new if field != "deployment" else _merged(old, new))
    if "launch_type" in fields:
        if old.launch_type is not None:
            raise errors.Invalid(f"ECS cannot change a service's launch type from {old.launch_type} in place")
        sent["capacityProviderStrategy"] = []  # back from capacity providers
    if "capacityProviderStrategy" in sent and not any(_ecs.STARTS_A_DEPLOYMENT[member] for member in sent):
        sent["forceNewDeployment"] = True  # else the tasks that run stay where they are
    return sent


def _merged(old: ServiceSpec, new: ServiceSpec) -> ServiceSpec:
    """`new` with only those limits that differ, and the circuit breaker whole."""
    was, will = old.deployment or Deployment(), new.deployment or Deployment()
    update = {
        name: getattr(will, name) if getattr(will, name) != getattr(was, name) else None
        for name in ("min_percent", "max_percent", "circuit_breaker", "rollback")
    }
    if update["circuit_breaker"] is not None or update["rollback"] is not None:
        for name in ("circuit_breaker", "rollback"):
            update[name] = getattr(was, name) if getattr(will, name) is None else getattr(will, name)
    return new.model_copy(update={"deployment": Deployment(**update)})


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


def _read(item: Mapping[str, Any], want: ServiceSpec | None, scope: Scope) -> tuple[ServiceSpec, frozenset[str]]:
    """A service from AWS, defaults filled in, and the fields that the answer says nothing of."""
    controller = (item.get("deploymentController") or {}).get("type", "ECS")
    unread = {field for field, member in _ANSWERED.items() if item.get(member) in (None, {})}
    if controller == "EXTERNAL" and "taskDefinition" not in item:
        unread |= {*_OF_THE_TASK_SET, "launch_type"}  # no task set is primary yet
    spec = ServiceSpec(
        cluster=_ecs.last(item["clusterArn"]),
        name=item["serviceName"],
        task_definition=item.get("taskDefinition"),
        desired_count=item["desiredCount"],
        launch_type=item.get("launchType"),
        capacity_provider_strategy=_ecs.strategy_of(item.get("capacityProviderStrategy")),
        platform_version=_platform(item.get("platformVersion"), want),
        network=_ecs.network_of(item.get("networkConfiguration")),
        load_balancers=_attached(item, want, scope),
        grace_period=item.get("healthCheckGracePeriodSeconds"),
        deployment=_limits(item.get("deploymentConfiguration") or {}),
        exec=item.get("enableExecuteCommand"),
        propagate_tags=item.get("propagateTags", "NONE"),
        controller=controller,
    )
    return spec, frozenset(unread)


def _attached(item: Mapping[str, Any], want: ServiceSpec | None, scope: Scope) -> tuple[Target, ...]:
    """Where the specs want no traffic, only target groups of the stack are shown: others are not the specs' concern."""
    unwanted = want is not None and want.load_balancers == ()
    return tuple(
        Target(target_group=one["targetGroupArn"], container=one["containerName"], port=one["containerPort"])
        for one in item.get("loadBalancers") or ()
        if "targetGroupArn" in one and not (unwanted and one["targetGroupArn"] not in scope.swept)
    )


def _limits(item: Mapping[str, Any]) -> Deployment:
    breaker = item.get("deploymentCircuitBreaker") or {}
    return Deployment(
        min_percent=item.get("minimumHealthyPercent", 100),
        max_percent=item.get("maximumPercent", 200),
        circuit_breaker=breaker.get("enable", False),
        rollback=breaker.get("rollback", False),
    )


def _platform(version: str | None, want: ServiceSpec | None) -> str | None:
    if version is None or version == "LATEST" or want is None or want.platform_version != "LATEST":
        return version
    numbers = tuple(int(part) for part in version.split(".") if part.isdecimal())
    return "LATEST" if numbers >= PLATFORM_NOW else version
