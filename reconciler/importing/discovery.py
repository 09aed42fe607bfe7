"""Discovery of an account's services and of everything that they use: Describe calls, which somebody else sends.

It begins with the services of a cluster, and follows what they and their task definitions name. What may not be read
(a role, say) is left out, and is then referred to. It is one module because each step follows what the steps before it
have found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from reconciler import errors
from reconciler.importing.alarms import read_alarms
from reconciler.importing.engines import GROUP, group_id
from reconciler.importing.inventory import Inventory, ServiceFound, Thing, every_tag, repository_id, uses
from reconciler.importing.load_balancing import read_balancing
from reconciler.importing.scheduled import SCHEDULE, read_scheduled
from reconciler.importing.stacks import listed_by_stacks
from reconciler.model.ecr_image import ecr_image
from reconciler.model.resource import Batch, Calls, ServiceApi
from reconciler.model.resource_type import Scope
from reconciler.resources import _ecs, _gone
from reconciler.resources._ecs import ecs
from reconciler.resources._elb import elbv2
from reconciler.resources._scaling_fields import DIMENSION, NAMESPACE, autoscaling
from reconciler.resources._service_fields import ServiceSpec, read
from reconciler.resources.codedeploy_deployment_group import codedeploy
from reconciler.resources.log_group import NAMES_AT_ONCE, logs
from reconciler.resources.role import iam
from reconciler.resources.service import BATCH
from reconciler.resources.task_definition import read_spec

ec2 = ServiceApi("ec2")
ecr = ServiceApi("ecr")

CLUSTERS: Final = 100  # a DescribeClusters


@dataclass(slots=True)
class _Discovery:
    """What was found so far."""

    scope: Scope
    services: list[ServiceFound] = field(default_factory=list)
    things: dict[str, Thing] = field(default_factory=dict)

    def add(self, kind: str, id: str, name: str, tags: Mapping[str, str], item: Mapping[str, Any], **more: Any) -> None:
        self.things[id] = Thing(kind, id, name, tags, item, more)

    def put(self, thing: Thing, spec: ServiceSpec, definition: Thing | None, cluster: str, chosen: bool) -> None:
        """A service or a schedule, and its task definition."""
        read = None if definition is None else read_spec(definition.item)
        if chosen:
            self.things |= {one.id: one for one in (thing, definition) if one is not None}
        arn = "" if definition is None else definition.id
        self.services.append(ServiceFound(thing, spec, read, cluster, chosen, arn))


def discover(scope: Scope, clusters: Sequence[str], names: Sequence[str]) -> Calls[Inventory]:
    """The services of `clusters`, of every cluster if none is named, and what they use. `names` are the services that
    documents are to be written for; all, if none is named.

    The services of the other clusters are read as well, because they may use the same.

    Raises `errors.ReconcilerError` for a cluster or a service that does not exist.
    """
    found = _Discovery(scope)
    chosen = yield from _clusters(found, clusters)
    yield from _services(found, chosen, names)
    yield from _scheduled(found, set() if names else chosen)
    missing = sorted(set(names) - {service.name for service in found.services if service.chosen})
    if missing:
        raise errors.ReconcilerError(f"there is no service {_quoted(missing)} in {_in_words(clusters)}")
    yield from _deployment_groups(found)
    groups = {arn for service in found.services if service.chosen for arn in service.target_groups}
    found.things |= {thing.id: thing for thing in (yield from read_balancing(groups))}
    yield from _networks(found)
    yield from _roles(found)
    yield from _log_groups(found)
    yield from _repositories(found)
    yield from _scaling(found)
    watched = {name for service in found.services if service.chosen for name in service.alarms}
    found.things |= {thing.id: thing for thing in (yield from read_alarms(watched))}
    listed, logical, unasked = yield from listed_by_stacks(found.things.values())
    return Inventory(scope, tuple(found.services), found.things, listed, unasked, logical)


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _in_words(clusters: Sequence[str]) -> str:
    return f"cluster {_quoted(clusters)}" if clusters else "any cluster"


def _clusters(found: _Discovery, clusters: Sequence[str]) -> Calls[set[str]]:
    """ARNs of the clusters that were asked for."""
    arns = sorted((yield ecs.list_clusters())["clusterArns"])
    calls = [
        ecs.describe_clusters(clusters=list(batch), include=["TAGS", "SETTINGS"])
        for batch in _ecs.batches(arns, CLUSTERS)
    ]
    answers = yield Batch.of(calls)
    for call, answer in zip(calls, answers, strict=True):
        for item in _ecs.found(call, answer, "clusters"):
            if item["status"] != "INACTIVE":
                found.add("cluster", item["clusterArn"], item["clusterName"], every_tag(item.get("tags"), "key"), item)
    names = {_ecs.last(name) for name in clusters}
    chosen = {thing.id for thing in found.things.values() if not names or thing.name in names}
    missing = sorted(names - {thing.name for thing in found.things.values()})
    if missing:
        raise errors.ReconcilerError(f"there is no cluster {_quoted(missing)} in {found.scope.region}")
    return chosen


def _services(found: _Discovery, chosen: set[str], names: Sequence[str]) -> Calls[None]:
    clusters = [thing.id for thing in found.things.values() if thing.kind == "cluster"]
    answers = yield Batch.of(ecs.list_services(cluster=cluster) for cluster in clusters)
    calls = [
        ecs.describe_services(cluster=cluster, services=list(batch), include=["TAGS"])
        for cluster, answer in zip(clusters, answers, strict=True)
        for batch in _ecs.batches(sorted(answer["serviceArns"]), BATCH)
    ]
    answers = yield Batch.of(calls)
    items = [item for call, answer in zip(calls, answers, strict=True) for item in _ecs.found(call, answer, "services")]
    items = [item for item in items if item["status"] == "ACTIVE"]
    definitions = yield from _definitions(item["taskDefinition"] for item in items if item.get("taskDefinition"))
    for item in items:
        name, cluster = item["serviceName"], item["clusterArn"]
        thing = Thing("service", item["serviceArn"], name, every_tag(item.get("tags"), "key"), item)
        spec, _ = read(item, None, found.scope, {})
        definition = definitions.get(item.get("taskDefinition", ""))
        meant = cluster in chosen and (not names or name in names)
        found.put(thing, spec, definition, cluster, meant)


def _scheduled(found: _Discovery, chosen: set[str]) -> Calls[None]:
    """Scheduled tasks, which use roles, log groups and repositories as services do. `chosen` are the clusters of those
    that documents are to be written for."""
    clusters = [thing.id for thing in found.things.values() if thing.kind == "cluster"]
    items = yield from read_scheduled(clusters)
    definitions = yield from _definitions(item.definition for item in items)
    for item in items:
        thing = Thing(SCHEDULE, item.id, item.name, item.tags, item.item)
        found.put(thing, item.as_service(), definitions.get(item.definition), item.cluster, item.cluster in chosen)


def _definitions(arns: Iterable[str]) -> Calls[dict[str, Thing]]:
    wanted = sorted(set(arns))
    calls = [ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"]) for arn in wanted]
    answers = yield from _gone.answers(calls)
    return {arn: _definition(answer) for arn, answer in zip(wanted, answers, strict=True) if answer is not None}


def _definition(answer: Mapping[str, Any]) -> Thing:
    item = answer["taskDefinition"]
    return Thing(
        "task-definition", item["taskDefinitionArn"], item["family"], every_tag(answer.get("tags"), "key"), answer
    )


def _deployment_groups(found: _Discovery) -> Calls[None]:
    """Those of CodeDeploy, which knows the target groups by their names."""
    deployed = [one for one in found.services if one.chosen and one.spec.controller == "CODE_DEPLOY"]
    keys = [group_id(service) for service in deployed]
    answers = yield from _gone.answers(
        [
            codedeploy.batch_get_deployment_groups(applicationName=application, deploymentGroupNames=[name])
            for application, name in keys
        ]
    )
    for service, (application, name), answer in zip(deployed, keys, answers, strict=True):
        for item in () if answer is None else answer["deploymentGroupsInfo"]:
            found.add(GROUP, f"{application}/{name}", name, {}, item)
            pairs = (item.get("loadBalancerInfo") or {}).get("targetGroupPairInfoList") or ()
            names = [group["name"] for pair in pairs for group in pair.get("targetGroups") or ()]
            answers = yield from _gone.answers([elbv2.describe_target_groups(Names=[one]) for one in names])
            arns = [group["TargetGroupArn"] for one in answers if one for group in one["TargetGroups"]]
            watched = tuple(one["name"] for one in (item.get("alarmConfiguration") or {}).get("alarms") or ())
            found.services[found.services.index(service)] = replace(service, paired=tuple(arns), watched=watched)


def _networks(found: _Discovery) -> Calls[None]:
    """The VPCs of the services and their load balancers, and what is in them."""
    networks = [service.spec.network for service in found.services if service.chosen and service.spec.network]
    balancers = [thing.item for thing in found.things.values() if thing.kind == "load-balancer"]
    groups = {str(group) for network in networks for group in network.security_groups}
    groups |= {group for item in balancers for group in item.get("SecurityGroups") or ()}
    answers = yield from _gone.batches(lambda ids: ec2.describe_security_groups(GroupIds=ids), sorted(groups), 100)
    items = [item for answer in answers for item in answer["SecurityGroups"]]
    for item in items:
        found.add("security-group", item["GroupId"], item["GroupName"], every_tag(item.get("Tags")), item)
    vpcs = sorted({item["VpcId"] for item in items})
    if not vpcs:
        return
    inside = [{"Name": "vpc-id", "Values": vpcs}]
    calls = (
        ("vpc", "Vpcs", "VpcId", ec2.describe_vpcs(VpcIds=vpcs)),
        ("subnet", "Subnets", "SubnetId", ec2.describe_subnets(Filters=inside)),
        ("route-table", "RouteTables", "RouteTableId", ec2.describe_route_tables(Filters=inside)),
        (
            "internet-gateway",
            "InternetGateways",
            "InternetGatewayId",
            ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": vpcs}]),
        ),
    )
    answers = yield Batch.of(call for *_, call in calls)
    for (kind, answered, identifier, _), answer in zip(calls, answers, strict=True):
        for item in answer[answered]:
            tags = every_tag(item.get("Tags"))
            found.add(kind, item[identifier], tags.get("Name") or item[identifier], tags, item)


def _roles(found: _Discovery) -> Calls[None]:
    """Those that may be read, with their policies."""
    named = {id for service in found.services if service.chosen for id in uses(service) if ":role/" in id}
    for arn in sorted(named):
        name = _ecs.last(arn)
        try:
            answer = yield from _gone.answer(iam.get_role(RoleName=name))
            if answer is None:
                continue
            listed, attached = yield Batch.of(
                (iam.list_role_policies(RoleName=name), iam.list_attached_role_policies(RoleName=name))
            )
            documents = yield Batch.of(
                iam.get_role_policy(RoleName=name, PolicyName=policy) for policy in listed["PolicyNames"]
            )
        except errors.Denied:
            continue
        item = answer["Role"]
        policies = {
            "inline": {one["PolicyName"]: one["PolicyDocument"] for one in documents},
            "managed": [one["PolicyArn"] for one in attached["AttachedPolicies"]],
        }
        found.add("role", arn, name, every_tag(item.get("Tags")), item, **policies)


def _log_groups(found: _Discovery) -> Calls[None]:
    names = sorted({str(name) for service in found.services if service.chosen for name in _groups_of(service)})
    answers = yield from _gone.batches(
        lambda some: logs.describe_log_groups(logGroupIdentifiers=some), names, NAMES_AT_ONCE
    )
    items = [item for answer in answers for item in answer["logGroups"]]
    arns = [(item.get("logGroupArn") or item["arn"]).removesuffix(":*") for item in items]
    answers = yield from _gone.answers([logs.list_tags_for_resource(resourceArn=arn) for arn in arns])
    for item, answer in zip(items, answers, strict=True):
        if answer is not None:
            found.add("log-group", item["logGroupName"], item["logGroupName"], dict(answer["tags"]), item)


def _groups_of(service: ServiceFound) -> Iterator[Any]:
    if service.definition is not None:
        yield from (one.log_group for one in service.definition.containers.values() if one.log_group)


def _repositories(found: _Discovery) -> Calls[None]:
    """Those of this account and region."""
    names: set[str] = set()
    for service in found.services:
        for container in service.definition.containers.values() if service.chosen and service.definition else ():
            image = ecr_image(str(container.image))
            if image is not None and (image.account, image.region) == (found.scope.account, found.scope.region):
                names.add(image.repository)
    answers = yield from _gone.answers([ecr.describe_repositories(repositoryNames=[name]) for name in sorted(names)])
    items = [item for answer in answers if answer is not None for item in answer["repositories"]]
    answers = yield from _gone.answers([ecr.list_tags_for_resource(resourceArn=one["repositoryArn"]) for one in items])
    for item, answer in zip(items, answers, strict=True):
        id = repository_id(found.scope.account, found.scope.region, item["repositoryName"])
        lifecycle = yield from _gone.answer(ecr.get_lifecycle_policy(repositoryName=item["repositoryName"]))
        tags = every_tag((answer or {}).get("tags"))
        found.add("repository", id, item["repositoryName"], tags, item, lifecycle=lifecycle)


def _scaling(found: _Discovery) -> Calls[None]:
    chosen = {one.scaled: one for one in found.services if one.chosen and one.thing.kind != SCHEDULE}
    answers = yield Batch.of(
        autoscaling.describe_scalable_targets(
            ServiceNamespace=NAMESPACE, ResourceIds=list(batch), ScalableDimension=DIMENSION
        )
        for batch in _ecs.batches(sorted(chosen), 50)
    )
    items = [item for answer in answers for item in answer["ScalableTargets"]]
    if not items:
        return
    policies, actions = yield Batch.of(
        (
            autoscaling.describe_scaling_policies(ServiceNamespace=NAMESPACE),
            autoscaling.describe_scheduled_actions(ServiceNamespace=NAMESPACE),
        )
    )
    for item in items:
        id = item["ResourceId"]
        more = {
            "policies": _of(id, policies["ScalingPolicies"], "PolicyName"),
            "actions": _of(id, actions["ScheduledActions"], "ScheduledActionName"),
        }
        found.add("scaling", id, id, {}, item, **more)


def _of(id: str, items: Iterable[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return sorted((one for one in items if one["ResourceId"] == id), key=lambda one: str(one[name]))
