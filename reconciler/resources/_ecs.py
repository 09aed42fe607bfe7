"""What the ECS types share: tags, names, networks, capacity, and answers that are failures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, TypeVar

from reconciler import errors
from reconciler.model import ownership, resource
from reconciler.model.resource import Address, Call, Calls, Desired, Link, ServiceApi
from reconciler.model.resource_type import FieldMark, Scope

T = TypeVar("T")

ecs = ServiceApi("ecs")

STARTS_A_DEPLOYMENT: Final[Mapping[str, bool]] = {
    "taskDefinition": True,
    "networkConfiguration": True,
    "platformVersion": True,
    "loadBalancers": True,
    "serviceRegistries": True,
    "serviceConnectConfiguration": True,
    "volumeConfigurations": True,
    "vpcLatticeConfigurations": True,
    "forceNewDeployment": True,
    "desiredCount": False,
    "capacityProviderStrategy": False,
    "deploymentConfiguration": False,
    "availabilityZoneRebalancing": False,
    "placementConstraints": False,
    "placementStrategy": False,
    "healthCheckGracePeriodSeconds": False,
    "enableExecuteCommand": False,
    "enableECSManagedTags": False,
    "propagateTags": False,
}
"""Which members of UpdateService make ECS start new tasks. Source: ECS API reference, UpdateService, which says it of
each of these."""


class Strategy(resource.Spec):
    """How much of the tasks one capacity provider carries; `base` tasks go to it before the weights count."""

    provider: str
    weight: int = 1
    base: int = 0

    def __str__(self) -> str:
        return self.provider


class Network(resource.Spec):
    """Where the tasks' network interfaces are."""

    subnets: Annotated[tuple[Link, ...], FieldMark.UNORDERED]
    security_groups: Annotated[tuple[Link, ...], FieldMark.UNORDERED]
    public_ip: bool = False


def tags_of(item: Mapping[str, Any]) -> dict[str, str]:
    """ECS answers tags in lower case, as `[{"key": …, "value": …}]`, and only if asked for TAGS."""
    return ownership.without_aws({tag["key"]: tag.get("value", "") for tag in item.get("tags") or ()})


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def update_tags(arn: str, put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
    """Tags first, then untags; any ECS resource, by its ARN."""
    if put:
        yield ecs.tag_resource(resourceArn=arn, tags=pairs(put))
    names = sorted(drop)
    if names:
        yield ecs.untag_resource(resourceArn=arn, tagKeys=names)


def last(text: str) -> str:
    """The name in an ARN or in a name: `web` of `arn:aws:ecs:…:cluster/web`."""
    return text.rpartition("/")[2]


def address_of(
    kind: str, name: str, tags: Mapping[str, str], want: Desired[Any] | None, scope: Scope
) -> Address | None:
    """Of something with a name of its own: the address of the spec that names it, else, if it is ours, that in its tag.

    What is ours is never overlooked: without a usable tag it goes by its name.
    """
    if want is not None:
        return want.address
    if ownership.owner(tags) != scope.stack:
        return None
    told = ownership.address(tags)
    return told if told is not None and told.kind == kind else Address(kind, name)


def found(call: Call, answer: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """What a batch read found. MISSING is absent; after any other failure we know nothing, and say so.

    Raises `errors.Ambiguous`.
    """
    for failure in answer.get("failures") or ():
        reason = failure.get("reason", "")
        if reason != "MISSING":
            message = f"{failure.get('arn', '')}: {failure.get('detail') or reason or 'no reason given'}"
            raise errors.Ambiguous(message, call=str(call), code=reason)
    items: list[dict[str, Any]] = answer[key]
    return items


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def strategy_of(items: Iterable[Mapping[str, Any]] | None) -> tuple[Strategy, ...]:
    return tuple(
        Strategy(provider=item["capacityProvider"], weight=item.get("weight", 0), base=item.get("base", 0))
        for item in items or ()
    )


def strategy_items(strategy: tuple[Strategy, ...] | None) -> list[dict[str, Any]] | None:
    if strategy is None:
        return None
    return [{"capacityProvider": item.provider, "weight": item.weight, "base": item.base} for item in strategy]


def network_of(configuration: Mapping[str, Any] | None) -> Network | None:
    inner = (configuration or {}).get("awsvpcConfiguration")
    if not inner:
        return None
    return Network(
        subnets=tuple(inner["subnets"]),
        security_groups=tuple(inner.get("securityGroups") or ()),
        public_ip=inner.get("assignPublicIp", "DISABLED") == "ENABLED",
    )


def network_configuration(network: Network | None) -> dict[str, Any] | None:
    if network is None:
        return None
    return {
        "awsvpcConfiguration": {
            "subnets": list(network.subnets),
            "securityGroups": list(network.security_groups),
            "assignPublicIp": "ENABLED" if network.public_ip else "DISABLED",
        }
    }
