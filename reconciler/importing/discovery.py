"""Discovery of an account's services and of everything that they use: Describe calls, which somebody else sends.

It begins with the services of a cluster, and follows what they and their task definitions name. What may not be read
(a role, say) is left out, and is then referred to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from reconciler import errors
from reconciler.importing.inventory import Inventory, ServiceFound, Thing, repository_id, uses
from reconciler.model.ecr_image import ecr_image
from reconciler.model.resource import Batch, Calls, ServiceApi
from reconciler.model.resource_type import Scope
from reconciler.resources import _ecs, _gone
from reconciler.resources._ecs import ecs
from reconciler.resources._elb import TAGS_AT_ONCE, elbv2
from reconciler.resources._scaling_fields import DIMENSION, NAMESPACE, autoscaling
from reconciler.resources._service_fields import read
from reconciler.resources.log_group import NAMES_AT_ONCE, logs
from reconciler.resources.role import iam
from reconciler.resources.service import BATCH
from reconciler.resources.task_definition import TaskDefinitionSpec, read_spec

ec2 = ServiceApi("ec2")
ecr = ServiceApi("ecr")
cloudformation = ServiceApi("cloudformation")

LEFT: Final = frozenset({"DELETE_COMPLETE", "DELETE_SKIPPED"})
"""Of a resource that a stack does not manage any more: deleted, or retained."""

CLUSTERS: Final = 100  # a DescribeClusters

REFERRED: Final = ("subnet", "security-group")
"""Kinds that most services share, and that CloudFormation is only asked about with their VPC."""


@dataclass(slots=True)
class _Discovery:
    """What was found so far."""

    scope: Scope
    services: list[ServiceFound] = field(default_factory=list)
    things: dict[str, Thing] = field(default_factory=dict)

    def add(self, kind: str, id: str, name: str, tags: Mapping[str, str], item: Mapping[str, Any], **more: Any) -> None:
        self.things[id] = Thing(kind, id, name, tags, item, more)


def discover(scope: Scope, clusters: Sequence[str], names: Sequence[str]) -> Calls[Inventory]:
    """The services of `clusters`, of every cluster if none is named, and what they use. `names` are the services that
    documents are to be written for; all, if none is named.

    The services of the other clusters are read as well, because they may use the same.

    Raises `errors.ReconcilerError` for a cluster or a service that does not exist.
    """
    found = _Discovery(scope)
    chosen = yield from _clusters(found, clusters)
    yield from _services(found, chosen, names)
    missing = sorted(set(names) - {service.name for service in found.services if service.chosen})
    if missing:
        raise errors.ReconcilerError(f"there is no service {_quoted(missing)} in {_in_words(clusters)}")
    yield from _load_balancing(found)
    yield from _networks(found)
    yield from _roles(found)
    yield from _log_groups(found)
    yield from _repositories(found)
    yield from _scaling(found)
    listed, unasked = yield from _listed_by_stacks(found.things.values())
    return Inventory(scope, tuple(found.services), found.things, listed, unasked)


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
                found.add("cluster", item["clusterArn"], item["clusterName"], _all(item.get("tags"), "key"), item)
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
        thing = Thing("service", item["serviceArn"], name, _all(item.get("tags"), "key"), item)
        spec, _ = read(item, None, found.scope, {})
        definition = definitions.get(item.get("taskDefinition", ""))
        meant = cluster in chosen and (not names or name in names)
        found.things |= {thing.id: thing} if meant else {}
        found.services.append(ServiceFound(thing, spec, definition, cluster, meant))


def _definitions(arns: Iterable[str]) -> Calls[dict[str, TaskDefinitionSpec]]:
    wanted = sorted(set(arns))
    answers = yield from _gone.answers([ecs.describe_task_definition(taskDefinition=arn) for arn in wanted])
    return {arn: read_spec(answer) for arn, answer in zip(wanted, answers, strict=True) if answer is not None}


# -- load balancing


def _load_balancing(found: _Discovery) -> Calls[None]:
    """The target groups of the services, and the whole of each load balancer that sends requests to them."""
    groups = sorted({arn for service in found.services if service.chosen for arn in service.target_groups})
    answers = yield from _gone.batches(_describe_groups, groups, TAGS_AT_ONCE)
    items = {item["TargetGroupArn"]: item for answer in answers for item in answer["TargetGroups"]}
    details = yield from _gone.answers([elbv2.describe_target_group_attributes(TargetGroupArn=arn) for arn in items])
    balancers = sorted({arn for item in items.values() for arn in item.get("LoadBalancerArns") or ()})
    answers = yield from _gone.batches(_describe_balancers, balancers, TAGS_AT_ONCE)
    found_balancers = {item["LoadBalancerArn"]: item for answer in answers for item in answer["LoadBalancers"]}
    attributes = yield from _gone.answers(
        [elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn) for arn in found_balancers]
    )
    answers = yield from _gone.answers([elbv2.describe_listeners(LoadBalancerArn=arn) for arn in found_balancers])
    listeners = {item["ListenerArn"]: item for answer in answers if answer for item in answer["Listeners"]}
    certificates = yield from _gone.answers(
        [
            elbv2.describe_listener_certificates(ListenerArn=arn)
            for arn in listeners
            if listeners[arn].get("Certificates")
        ]
    )
    by_listener = dict(zip([arn for arn in listeners if listeners[arn].get("Certificates")], certificates, strict=True))
    answers = yield from _gone.answers([elbv2.describe_rules(ListenerArn=arn) for arn in listeners])
    rules = [
        (listener, item)
        for listener, answer in zip(listeners, answers, strict=True)
        for item in (answer or {"Rules": ()})["Rules"]
        if not item.get("IsDefault")
    ]
    tags = yield from _elb_tags([*items, *found_balancers, *listeners, *(item["RuleArn"] for _, item in rules)])
    for arn, answer in zip(items, details, strict=True):
        name = items[arn]["TargetGroupName"]
        found.add("target-group", arn, name, tags.get(arn, {}), items[arn], attributes=answer)
    for arn, answer in zip(found_balancers, attributes, strict=True):
        item = found_balancers[arn]
        found.add("load-balancer", arn, item["LoadBalancerName"], tags.get(arn, {}), item, attributes=answer)
    for arn, item in listeners.items():
        name = f"{item['LoadBalancerArn'].split('/')[-2]}:{item.get('Port', 0)}"
        found.add("listener", arn, name, tags.get(arn, {}), item, certificates=by_listener.get(arn))
    for listener, item in rules:
        arn = item["RuleArn"]
        found.add("listener-rule", arn, item["Priority"], tags.get(arn, {}), item, listener=listener)


def _describe_groups(arns: list[str]) -> Any:
    return elbv2.describe_target_groups(TargetGroupArns=arns)


def _describe_balancers(arns: list[str]) -> Any:
    return elbv2.describe_load_balancers(LoadBalancerArns=arns)


def _elb_tags(arns: Sequence[str]) -> Calls[dict[str, dict[str, str]]]:
    answers = yield from _gone.batches(_describe_tags, arns, TAGS_AT_ONCE)
    return {one["ResourceArn"]: _all(one["Tags"]) for answer in answers for one in answer["TagDescriptions"]}


def _describe_tags(arns: list[str]) -> Any:
    return elbv2.describe_tags(ResourceArns=arns)


# -- the rest


def _networks(found: _Discovery) -> Calls[None]:
    networks = [service.spec.network for service in found.services if service.chosen and service.spec.network]
    subnets = sorted({str(subnet) for network in networks for subnet in network.subnets})
    groups = sorted({str(group) for network in networks for group in network.security_groups})
    balancers = [thing.item for thing in found.things.values() if thing.kind == "load-balancer"]
    subnets += sorted({zone["SubnetId"] for item in balancers for zone in item["AvailabilityZones"]} - {*subnets})
    groups += sorted({group for item in balancers for group in item.get("SecurityGroups") or ()} - {*groups})
    answers = yield from _gone.batches(lambda ids: ec2.describe_subnets(SubnetIds=ids), subnets, 100)
    for item in (item for answer in answers for item in answer["Subnets"]):
        tags = _all(item.get("Tags"))
        found.add("subnet", item["SubnetId"], tags.get("Name", ""), tags, item)
    answers = yield from _gone.batches(lambda ids: ec2.describe_security_groups(GroupIds=ids), groups, 100)
    for item in (item for answer in answers for item in answer["SecurityGroups"]):
        found.add("security-group", item["GroupId"], item["GroupName"], _all(item.get("Tags")), item)


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
        found.add("role", arn, name, _all(item.get("Tags")), item, **policies)


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
        tags = _all((answer or {}).get("tags"))
        found.add("repository", id, item["repositoryName"], tags, item, lifecycle=lifecycle)


def _scaling(found: _Discovery) -> Calls[None]:
    chosen = {service.id.split(":", 5)[5]: service for service in found.services if service.chosen}
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
            "policies": [one for one in policies["ScalingPolicies"] if one["ResourceId"] == id],
            "actions": [one for one in actions["ScheduledActions"] if one["ResourceId"] == id],
        }
        found.add("scaling", id, id, {}, item, **more)


# -- CloudFormation


def _listed_by_stacks(things: Iterable[Thing]) -> Calls[tuple[dict[str, str], str]]:
    """Ids → the stack that still lists them, and why CloudFormation could not be asked. Its tags stay on what a stack
    has retained, and cannot be removed: they do not tell.
    """
    listed: dict[str, str] = {}
    for thing in things:
        physical = {"cluster": thing.name, "role": thing.name, "repository": thing.name}.get(thing.kind, thing.id)
        if thing.kind in REFERRED or thing.kind == "scaling":
            continue
        try:
            answer = yield cloudformation.describe_stack_resources(PhysicalResourceId=physical)
        except (errors.Denied, errors.Unserved) as error:
            return listed, str(error)
        except errors.Invalid:
            continue  # no stack has ever had it
        for resource in answer["StackResources"]:
            if resource.get("PhysicalResourceId") == physical and resource.get("ResourceStatus") not in LEFT:
                listed[thing.id] = resource["StackName"]
    return listed, ""


def _all(items: Iterable[Mapping[str, Any]] | None, key: str = "Key") -> dict[str, str]:
    """Every tag, AWS's own included."""
    value = "value" if key == "key" else "Value"
    return {tag[key]: tag.get(value, "") for tag in items or ()}
