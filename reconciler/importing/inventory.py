"""What import has read of an account: services, and everything that they use. Values only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.ecr_image import ecr_image
from reconciler.model.resource_type import Scope
from reconciler.resources._elb_actions import forwards, read_action
from reconciler.resources._service_fields import ServiceSpec
from reconciler.resources.task_definition import TaskDefinitionSpec
from reconciler.spec.documents.cluster import BUILT_IN


@dataclass(frozen=True, slots=True)
class Thing:
    """One resource. `kind` is its type, `id` what AWS's calls take, `tags` are all of its tags, AWS's own included.

    `item` is what AWS answered, and `more` what it answered about its details.
    """

    kind: str
    id: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    item: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceFound:
    """A service, or a schedule that starts tasks, with the task definition that it runs. `chosen`: documents are to be
    written for it. `paired` are ARNs of the target groups between which CodeDeploy shifts its traffic, and `watched`
    the names of the alarms that it watches then."""

    thing: Thing
    spec: ServiceSpec
    definition: TaskDefinitionSpec | None
    cluster: str
    chosen: bool
    revision: str = ""
    """The ARN of its task definition."""
    paired: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.thing.id

    @property
    def name(self) -> str:
        return self.thing.name

    @property
    def alarms(self) -> tuple[str, ...]:
        """Names of the alarms that fail its deployments."""
        configuration = self.thing.item.get("deploymentConfiguration") or {}
        return (*((configuration.get("alarms") or {}).get("alarmNames") or ()), *self.watched)

    @property
    def scaled(self) -> str:
        """The id by which Application Auto Scaling knows a service."""
        return self.id.split(":", 5)[5]

    @property
    def on_ec2(self) -> bool:
        """Whether its tasks run on EC2 instances."""
        providers = {share.provider for share in self.spec.capacity_provider_strategy or ()}
        return self.spec.launch_type == "EC2" or bool(providers - BUILT_IN)

    @property
    def target_groups(self) -> tuple[str, ...]:
        """ARNs of all that its tasks may be registered in."""
        item = self.thing.item
        versions = (item, *(item.get("taskSets") or ()))
        balancers = [one for version in versions for one in version.get("loadBalancers") or ()]
        pairs = [
            (one.get("targetGroupArn"), (one.get("advancedConfiguration") or {}).get("alternateTargetGroupArn"))
            for one in balancers
        ]
        return tuple(dict.fromkeys([*(arn for pair in pairs for arn in pair if arn), *self.paired]))


@dataclass(frozen=True, slots=True)
class Inventory:
    """`things` are by id. `listed` says of ids which CloudFormation stack still lists them, `logical` as what;
    `unasked` is why CloudFormation could not be asked."""

    scope: Scope
    services: tuple[ServiceFound, ...] = ()
    things: Mapping[str, Thing] = field(default_factory=dict)
    listed: Mapping[str, str] = field(default_factory=dict)
    unasked: str = ""
    logical: Mapping[str, str] = field(default_factory=dict)

    def of(self, kind: str) -> Iterator[Thing]:
        return (thing for thing in self.things.values() if thing.kind == kind)

    @property
    def chosen(self) -> tuple[ServiceFound, ...]:
        return tuple(service for service in self.services if service.chosen)

    def users(self, id: str) -> tuple[ServiceFound, ...]:
        """The services that use a role, a log group, a repository or a cluster."""
        return tuple(service for service in self.services if id in set(uses(service)))

    def attached(self, group: str) -> tuple[ServiceFound, ...]:
        """The services whose tasks are in a target group."""
        return tuple(service for service in self.services if group in service.target_groups)

    def listeners(self, balancer: str) -> tuple[Thing, ...]:
        """By port."""
        found = [thing for thing in self.of("listener") if thing.item["LoadBalancerArn"] == balancer]
        return tuple(sorted(found, key=lambda thing: int(thing.item.get("Port", 0))))

    def rules(self, listener: str) -> tuple[Thing, ...]:
        """By priority, without the default action."""
        found = [thing for thing in self.of("listener-rule") if thing.more["listener"] == listener]
        return tuple(sorted(found, key=lambda thing: int(thing.item["Priority"])))

    def receivers(self, balancer: str) -> set[str]:
        """ARNs of all target groups that a load balancer sends requests to."""
        groups: set[str] = set()
        for listener in self.listeners(balancer):
            for actions in (
                listener.item["DefaultActions"],
                *(rule.item["Actions"] for rule in self.rules(listener.id)),
            ):
                groups |= set(sends_to(actions))
        return groups


def sends_to(actions: Any) -> tuple[str, ...]:
    """ARNs of the target groups of a listener's or a rule's actions."""
    return tuple(map(str, forwards(read_action(actions))))


def uses(service: ServiceFound) -> Iterator[str]:
    """Ids of what a service and its task definition name."""
    yield service.cluster
    yield from (alarm_id(service, name) for name in service.alarms)
    if service.definition is None:
        return
    yield from filter(None, (str(service.definition.execution_role), str(service.definition.task_role)))
    for container in service.definition.containers.values():
        if container.log_group:
            yield str(container.log_group)
        if (image := ecr_image(str(container.image))) is not None:
            yield repository_id(image.account, image.region, image.repository)


def alarm_id(service: ServiceFound, name: str) -> str:
    """The ARN of an alarm, in the service's account and region."""
    _, partition, _, region, account, *_ = service.id.split(":")
    return f"arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}"


def repository_id(account: str, region: str, name: str) -> str:
    return f"{account}/{region}/{name}"


def every_tag(items: Iterable[Mapping[str, Any]] | None, key: str = "Key") -> dict[str, str]:
    """The tags of an answer, AWS's own included, which the resource types leave out. ECS spells `key` in lower case."""
    value = "value" if key == "key" else "Value"
    return {tag[key]: tag.get(value, "") for tag in items or ()}
