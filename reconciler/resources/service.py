"""An ECS service: how many tasks of which revision run where, and which target groups reach them.

A name is free again only once the earlier service has drained, which takes as long as its tasks may finish their
requests. Until then it is observed as being deleted. Under the EXTERNAL controller tasks, network and target groups
belong to task sets; ECS takes none of them for the service and shows those of the primary task set in their place.
What its answer leaves out is not compared.

It is one module because every method reads the same answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from reconciler import errors
from reconciler.model import member_values, members, service_connect
from reconciler.model.diff import Change
from reconciler.model.other_tools import CLOUDFORMATION, CloudFormationImport, TerraformImport
from reconciler.model.permissions import Permissions
from reconciler.model.quota import Quota
from reconciler.model.resource import Calls, Desired, Observed, Path
from reconciler.model.resource_type import Depth, Replace, ResourceType, Scope
from reconciler.model.service_description import with_task_sets
from reconciler.model.tagging import TagRules
from reconciler.resources import (
    _ecs,
    _gone,
    _service_deployment,
    _service_engine,
    _service_health,
    _service_hooks,
    _tags,
)
from reconciler.resources._ecs import ecs
from reconciler.resources._service_deployment import Deployment, Pair
from reconciler.resources._service_deployment import load_balancers as paired_load_balancers
from reconciler.resources._service_deployment import written as deployment_configuration
from reconciler.resources._service_events import ServiceEvents
from reconciler.resources._service_fields import (
    API,
    MEMBERS,
    OF_THE_TASK_SET,
    REBALANCED,
    ServiceSpec,
    Target,
    balanced,
    changed,
    read,
    with_deployment,
)
from reconciler.resources._service_hooks import FunctionHook, in_order
from reconciler.resources._service_hooks import details as hook_details

__all__ = [
    "Deployment",
    "FunctionHook",
    "Pair",
    "Service",
    "ServiceSpec",
    "Target",
    "deployment_configuration",
    "hook_details",
    "in_order",
    "pair_changes",
    "paired_load_balancers",
]

BATCH: Final = 10  # services a DescribeServices
TO_ECS: Final = ("infrastructure_role", "volume_role", "deployment.hooks.role", "service_connect.services.tls.role")
"""The fields with the roles that ECS itself works with."""


def _services_beside(cluster: str) -> Calls[int]:
    clusters = (yield ecs.describe_clusters(clusters=[cluster]))["clusters"]
    return sum(int(item.get("activeServicesCount", 0)) for item in clusters)


class Service(ServiceEvents[ServiceSpec], ResourceType[ServiceSpec]):
    kind: ClassVar[str] = "service"
    quotas: ClassVar[tuple[Quota, ...]] = (
        Quota(
            "ecs",
            "Services per cluster",
            5000,
            "L-9EF96962",
            count=_services_beside,
            within=lambda spec: spec.cluster,
        ),
        Quota("ecs", "Tasks per service", 5000, amount=lambda spec: spec.desired_count or 0),
        Quota(
            "vpc",
            "Security groups per network interface",
            5,
            "L-2AFB9258",
            amount=lambda spec: 0 if spec.network is None else len(spec.network.security_groups),
        ),
    )
    Spec = ServiceSpec
    not_exported: ClassVar[Mapping[str, str]] = {
        CLOUDFORMATION: "task sets, where the service has them, belong to a deployment: with a rolling engine, "
        "CloudFormation can deploy it",
    }
    creates: ClassVar[tuple[str, ...]] = ("CreateService",)
    named_by: ClassVar[str | None] = "name"
    tag_rules: ClassVar[TagRules] = TagRules(added=33)  # the state of its rollouts, and requests for the stack
    permissions: ClassVar[Permissions] = Permissions(
        linked_role="ecs.amazonaws.com", passes=dict.fromkeys(TO_ECS, "ecs.amazonaws.com")
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
        "cluster-capacity",
        "alarm",
    )
    observe_after: ClassVar[tuple[str, ...]] = ("cluster",)
    volatile: ClassVar[bool] = True
    replace: ClassVar[Replace] = Replace.DELETE_FIRST
    slow_to_delete: ClassVar[bool] = True

    def in_use(self, found: Observed[ServiceSpec]) -> frozenset[str]:
        item = found.facts["item"]
        used = (used for one in (item, *_versions(item)) for used in _used(one))
        roles = (hook["roleArn"] for hook in _service_hooks.functions(item) if "roleArn" in hook)
        return frozenset((*used, *roles, *found.facts["task_definitions"]))

    def grown(self, old: Observed[ServiceSpec], new: Desired[ServiceSpec]) -> Desired[ServiceSpec]:
        """Everything but a lower desired count."""
        was, count = old.spec.desired_count, new.spec.desired_count
        lowered = was is not None and count is not None and count < was
        return replace(new, spec=new.spec.model_copy(update={"desired_count": was})) if lowered else new

    def serving(self, found: Observed[ServiceSpec]) -> frozenset[str]:
        """ECS completes a deployment once its tasks are healthy in every target group of the service. Of a pair between
        which it shifts traffic, that is the one behind which it has started the deployment.
        """
        item = found.facts["item"]
        if found.health is not _service_health.READY:
            return frozenset()
        shifted = any(one.get("advancedConfiguration") for one in item.get("loadBalancers") or ())
        return self.in_production(found) if shifted else _service_health.target_groups(item)

    def in_production(self, found: Observed[ServiceSpec]) -> frozenset[str]:
        primary = (one for one in found.facts.get("sets", ()) if one.get("status") == "PRIMARY")
        alone = found.facts.get("groups", {}) if len(found.facts.get("deployments", ())) == 1 else {}
        sets = frozenset(group for one in primary for group in _service_health.target_groups(one))
        return sets | frozenset(alone.values())

    def rolled_out(
        self, found: Observed[ServiceSpec], new: Desired[ServiceSpec], changes: tuple[Change, ...]
    ) -> tuple[Change, ...]:
        return _service_engine.rolled_out(found, new, changes)

    def in_terraform(self, found: Observed[ServiceSpec]) -> Iterator[TerraformImport]:
        cluster, name = found.facts["cluster"], found.id.rpartition("/")[2]
        yield TerraformImport("aws_ecs_service", f"{cluster}/{name}")
        for one in found.facts["sets"]:
            ids = (one["id"], found.id, found.facts["item"]["clusterArn"])
            yield TerraformImport("aws_ecs_task_set", ",".join(ids), one["id"].rpartition("/")[2])

    def in_cloudformation(self, found: Observed[ServiceSpec]) -> Iterator[CloudFormationImport]:
        item, cluster = found.facts["item"], {"Cluster": found.facts["cluster"]}
        properties: dict[str, Any] = {**cluster, "ServiceName": found.id.rpartition("/")[2]}
        if item.get("deploymentController"):
            properties["DeploymentController"] = {"Type": item["deploymentController"]["type"]}
        if item.get("taskDefinition"):
            properties["TaskDefinition"] = item["taskDefinition"]
        yield CloudFormationImport("AWS::ECS::Service", {"ServiceArn": found.id, **cluster}, properties)

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
        every = (item for answer in answers if answer is not None for item in answer.get("services") or ())
        fast = scope.depth is Depth.FAST
        shown = (item for item in every if not fast or len(item.get("deployments") or ()) > 1)
        groups = yield from _service_deployment.groups(shown)
        observed = []
        for call, answer in zip(calls, answers, strict=True):
            for item in (yield from with_task_sets([] if answer is None else _ecs.found(call, answer, "services"))):
                cluster, name, tags = _ecs.last(item["clusterArn"]), item["serviceName"], _ecs.tags_of(item)
                want = wanted.get((cluster, name))
                address = _ecs.address_of(self.kind, name, tags, want, scope)
                if address is None or item["status"] == "INACTIVE":
                    continue
                said, whole = {} if want is None else want.spec.aws, with_deployment(item)
                left = {} if want is None else members.left(API, said, whole, tags)
                if not balanced(item):
                    left.pop(REBALANCED, None)  # ECS would refuse what it starts with otherwise
                seen = members.seen(API, member_values.merged(said, members.laid(left)), whole, tags, address)
                spec, unread = read(item, None if want is None else want.spec, scope, seen)
                others = (path for path in members.unstated(API, said, whole) if path not in left)
                facts = _service_health.facts(item, cluster) | {"unstated": tuple(others)}
                facts[members.LEFT] = {(members.FIELD, *path): value for path, value in left.items()}
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
                        facts={**facts, "groups": _of_its(item, groups)},
                    )
                )
        return observed

    def create(self, new: Desired[ServiceSpec]) -> Calls[str]:
        spec = new.spec
        without = OF_THE_TASK_SET if spec.controller == "EXTERNAL" else ()
        fields = {field: member for field, member in MEMBERS.items() if field not in without}
        params: dict[str, Any] = {}
        for field, member in fields.items():
            if getattr(spec, field) not in (None, (), service_connect.OFF):
                params |= member(spec)
        later = API.rolls if spec.controller == "EXTERNAL" else ()
        params = member_values.merged(params, {name: value for name, value in spec.aws.items() if name not in later})
        if spec.starts_empty:
            params["desiredCount"] = 0
        if spec.pair is not None and spec.infrastructure_role is not None:
            params["loadBalancers"] = yield from paired_load_balancers(spec.pair, spec.infrastructure_role)
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
        """Only what differs is sent: repeating the load balancers, say, would start a deployment of its own.

        ECS Exec is a call of its own: UpdateService's reference does not list it for services whose deployments
        somebody else controls, though PipeCD sends it (pipe-cd/pipecd pkg/app/piped/platformprovider/ecs/client.go).
        """
        where = {"cluster": old.spec.cluster, "service": old.id}
        others = tuple(change for change in changes if change.field != "exec")
        if others:
            yield ecs.update_service(**where, **changed(old.spec, new.spec, others, old.facts["item"]))
        if len(others) == len(changes):
            return
        try:
            yield ecs.update_service(**where, enableExecuteCommand=new.spec.exec)
        except errors.Invalid as refusal:
            raise errors.Declined(f"`exec` stays as it is: {refusal}", fields=frozenset({"exec"})) from refusal

    def lost(
        self, old: Observed[ServiceSpec], new: Desired[ServiceSpec], changes: tuple[Change, ...]
    ) -> Mapping[Path, Any]:
        """The next task set is made without what those of another tool have beyond ours."""
        sets = old.facts["sets"] if any(change.rolls for change in changes) else ()
        registries = [one["serviceRegistries"] for one in sets if one.get("serviceRegistries")]
        return {("task_definition", "serviceRegistries"): registries} if registries else {}

    def delete(self, old: Observed[ServiceSpec]) -> Calls[None]:
        """Task sets that somebody else controls go first: DeleteService's reference says nothing of them."""
        if old.facts["deleting"]:
            return
        where = {"cluster": old.spec.cluster, "service": old.id}
        for one in old.facts["sets"] if old.spec.controller == "EXTERNAL" else ():
            if one["status"] != "DRAINING":
                yield from _gone.let_go(ecs.delete_task_set(**where, taskSet=one["id"], force=True))
        yield from _gone.let_go(ecs.delete_service(**where, force=True))

    def update_tags(self, old: Observed[ServiceSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        yield from _ecs.update_tags(old.id, put, drop)


def _of_its(item: Mapping[str, Any], groups: Mapping[str, str]) -> dict[str, str]:
    """Deployment → the target group behind which ECS has started it, of this service."""
    return {one["id"]: groups[one["id"]] for one in item.get("deployments") or () if one["id"] in groups}


def _versions(item: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """ECS's deployments of a service and its task sets, those that are being drained among them."""
    return (*(item.get("deployments") or ()), *(item.get("taskSets") or ()))


def _used(version: Mapping[str, Any]) -> Iterator[str]:
    """What tasks of one version run on, by the ids, ARNs and names that ECS has for it."""
    network = (version.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    yield from (*(network.get("subnets") or ()), *(network.get("securityGroups") or ()))
    for balancer in version.get("loadBalancers") or ():
        advanced = balancer.get("advancedConfiguration") or {}
        names = ("alternateTargetGroupArn", "productionListenerRule", "testListenerRule", "roleArn")
        yield from filter(None, (balancer.get("targetGroupArn"), *(advanced.get(name) for name in names)))
    for share in version.get("capacityProviderStrategy") or ():
        yield share["capacityProvider"]
    connected = version.get("serviceConnectConfiguration") or {}
    if connected.get("namespace"):
        yield connected["namespace"]
    for registry in version.get("serviceRegistries") or ():
        if "registryArn" in registry:
            yield registry["registryArn"]


def _swept(scope: Scope) -> set[tuple[str, str]]:
    """Cluster and name of each service in the sweep: `…:service/cluster/name`."""
    parts = (arn.partition(":service/")[2].partition("/") for arn in scope.swept_arns("ecs", "service/"))
    return {(cluster, name) for cluster, slash, name in parts if slash}


lost_parts = _service_deployment.lost_parts
PAIR_TYPES = _service_deployment.PAIR_TYPES


def pair_changes(
    item: Mapping[str, Any],
    spec: ServiceSpec,
    known: Collection[str],
    rules: Collection[str],
    answering: Collection[str],
) -> tuple[str, ...]:
    """What of the declared pair of target groups a service from AWS, whose traffic ECS shifts, does not have."""
    return _service_deployment.pair_changes(item, spec.pair, spec.infrastructure_role, known, rules, answering)
