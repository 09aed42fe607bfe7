"""Shared parts of the ECS types: tags, names, networks, capacity providers, and failures inside responses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from reconciler import errors
from reconciler.model import ownership, resource
from reconciler.model.aws_event import AwsEvent
from reconciler.model.named_by_events import EventType
from reconciler.model.resource import Address, Call, Calls, Desired, Link, ServiceApi
from reconciler.model.resource_type import FieldMark, Scope
from reconciler.resources import _tags

T = TypeVar("T")

ecs = ServiceApi("ecs")

TASK_STATE = EventType("aws.ecs", "ECS Task State Change")


class Strategy(resource.Spec):
    """Share of one capacity provider: `base` tasks first, then `weight` of the sum of all weights."""

    provider: str
    weight: int = 1
    base: int = 0

    def __str__(self) -> str:
        return self.provider


class Network(resource.Spec):
    """Subnets and security groups of the network interfaces of tasks."""

    subnets: Annotated[tuple[Link, ...], FieldMark.UNORDERED]
    security_groups: Annotated[tuple[Link, ...], FieldMark.UNORDERED]
    public_ip: bool = False


def stopped_task(event: AwsEvent) -> frozenset[str]:
    """The ARN of the task that an event of a task says has stopped."""
    arn = event.detail.get("taskArn")
    return frozenset({arn}) if event.detail.get("lastStatus") == "STOPPED" and isinstance(arn, str) else frozenset()


def service_of_stopped(event: AwsEvent) -> frozenset[str]:
    """The ARN of the service of a task that has stopped: its group is `service:NAME`, in the cluster of the task."""
    group, cluster = event.detail.get("group"), event.detail.get("clusterArn")
    if not stopped_task(event) or not isinstance(group, str) or not isinstance(cluster, str):
        return frozenset()
    kind, _, name = group.partition(":")
    return frozenset({f"{cluster.replace(':cluster/', ':service/', 1)}/{name}"}) if kind == "service" else frozenset()


def activity(cluster: Mapping[str, Any]) -> tuple[Any, ...]:
    """The numbers of tasks and services in a cluster (ECS API Reference, Cluster)."""
    return tuple(cluster.get(name) for name in ("runningTasksCount", "pendingTasksCount", "activeServicesCount"))


def tags_of(item: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a response, without AWS's own.

    ECS spells them `[{"key": …, "value": …}]`, and returns them only for `include=["TAGS"]`.
    """
    return ownership.without_aws({tag["key"]: tag.get("value", "") for tag in item.get("tags") or ()})


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as ECS takes them, sorted by key."""
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def update_tags(arn: str, put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
    """Remove and then write tags of any ECS resource."""
    names = sorted(drop)
    if names:
        yield ecs.untag_resource(resourceArn=arn, tagKeys=names)
    if put:
        yield ecs.tag_resource(resourceArn=arn, tags=pairs(put))


def last(text: str) -> str:
    """The last part of an ARN, `web` of `arn:aws:ecs:…:cluster/web`; a name as it is."""
    return text.rpartition("/")[2]


def address_of(
    kind: str, name: str, tags: Mapping[str, str], want: Desired[Any] | None, scope: Scope
) -> Address | None:
    """As `_tags.address_of`."""
    return _tags.address_of(kind, name, tags, scope, want)


def found(call: Call, answer: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The items of a batch read. What ECS reports as MISSING is left out.

    Raises `errors.Ambiguous` for any other entry in `failures`: the item may exist (ECS Developer Guide, API failure
    reasons).
    """
    for failure in answer.get("failures") or ():
        reason = failure.get("reason", "")
        if reason != "MISSING":
            message = f"{failure.get('arn', '')}: {failure.get('detail') or reason or 'no reason given'}"
            raise errors.Ambiguous(message, call=str(call), code=reason)
    items: list[dict[str, Any]] = answer[key]
    return items


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`items` in groups of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def strategy_of(items: Iterable[Mapping[str, Any]] | None) -> tuple[Strategy, ...]:
    """`capacityProviderStrategy` of a response; members that are left out are 0 (ECS API Reference)."""
    return tuple(
        Strategy(provider=item["capacityProvider"], weight=item.get("weight", 0), base=item.get("base", 0))
        for item in items or ()
    )


def strategy_items(strategy: tuple[Strategy, ...] | None) -> list[dict[str, Any]] | None:
    """`capacityProviderStrategy` of a call; None if it is not declared."""
    if strategy is None:
        return None
    return [{"capacityProvider": item.provider, "weight": item.weight, "base": item.base} for item in strategy]


def listed(items: Iterable[Mapping[str, str]] | None) -> list[dict[str, str]] | None:
    """The items of a list of a call; None if it is not declared."""
    return None if items is None else [dict(item) for item in items]


def network_of(configuration: Mapping[str, Any] | None) -> Network | None:
    """`networkConfiguration` of a response; None for tasks without the network mode awsvpc."""
    inner = (configuration or {}).get("awsvpcConfiguration")
    if not inner:
        return None
    return Network(
        subnets=tuple(inner["subnets"]),
        security_groups=tuple(inner.get("securityGroups") or ()),
        public_ip=inner.get("assignPublicIp", "DISABLED") == "ENABLED",
    )


def network_configuration(network: Network | None) -> dict[str, Any] | None:
    """`networkConfiguration` of a call; None if it is not declared."""
    if network is None:
        return None
    return {
        "awsvpcConfiguration": {
            "subnets": list(network.subnets),
            "securityGroups": list(network.security_groups),
            "assignPublicIp": "ENABLED" if network.public_ip else "DISABLED",
        }
    }
