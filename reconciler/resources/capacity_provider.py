"""A capacity provider: an Auto Scaling group as a place where ECS runs tasks, with the number of its instances.

Its id is its name, by which clusters, services and tasks refer to it. A deleted one is answered for a while, as
INACTIVE. ECS has no error code for a name that is taken, and none for one that is gone, so it is asked first.

It is bound to one Auto Scaling group by the group's ARN. A group that is created again under the same name has another
ARN, and needs another capacity provider (UpdateCapacityProvider has no member for the group).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar

from reconciler import errors
from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.other_tools import TerraformImport
from reconciler.model.permissions import Permissions
from reconciler.model.resource import Batch, Calls, Desired, Link, Observed, ResourceHealth
from reconciler.model.resource_type import FieldMark, Replace, ResourceType, Scope
from reconciler.resources import _ecs, _gone, _tags
from reconciler.resources._ecs import ecs

BATCH = 100


class CapacityProviderSpec(resource.Spec):
    """`target_capacity` is the percentage of the instances' capacity that ECS keeps in use. Instances with tasks are
    not terminated by scaling in where it has `termination_protection`, and are drained first with `draining`."""

    name: Annotated[str, FieldMark.IMMUTABLE]
    group: Annotated[Link, FieldMark.IMMUTABLE]
    target_capacity: int
    termination_protection: bool
    draining: bool


class CapacityProvider(ResourceType[CapacityProviderSpec]):
    kind: ClassVar[str] = "capacity-provider"
    Spec = CapacityProviderSpec
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::ECS::CapacityProvider", "Name")
    creates: ClassVar[tuple[str, ...]] = ("CreateCapacityProvider",)
    named_by: ClassVar[str | None] = "name"
    permissions: ClassVar[Permissions] = Permissions(linked_role="ecs.amazonaws.com")
    observe_after: ClassVar[tuple[str, ...]] = ("cluster",)
    replace: ClassVar[Replace] = Replace.DELETE_FIRST
    slow_to_delete: ClassVar[bool] = True
    deleted_unused: ClassVar[bool] = True

    def instead(self, want: CapacityProviderSpec, found: Observed[CapacityProviderSpec]) -> str:
        return "give the item of `ec2_capacity` another `name`, also where services name it: they go over in a rollout"

    def in_terraform(self, found: Observed[CapacityProviderSpec]) -> Iterator[TerraformImport]:
        yield TerraformImport("aws_ecs_capacity_provider", found.facts["arn"])

    def observe(self, scope: Scope) -> Calls[list[Observed[CapacityProviderSpec]]]:
        wanted = {want.spec.name: want for want in scope.wanted}
        names = sorted(set(wanted) | {_ecs.last(arn) for arn in scope.swept_arns("ecs", "capacity-provider/")})
        calls = [
            ecs.describe_capacity_providers(capacityProviders=list(batch), include=["TAGS"])
            for batch in _ecs.batches(names, BATCH)
        ]
        answers = yield Batch.of(calls)
        clusters = scope.ours("cluster")
        found = []
        for call, answer in zip(calls, answers, strict=True):
            for item in _ecs.found(call, answer, "capacityProviders"):
                name, tags = item["name"], _ecs.tags_of(item)
                address = _ecs.address_of(self.kind, name, tags, wanted.get(name), scope)
                if address is None or item["status"] == "INACTIVE":
                    continue
                health, reason = _health(item)
                deleting = item.get("updateStatus") == "DELETE_IN_PROGRESS"
                facts = {"arn": item["capacityProviderArn"], "ids": (item["capacityProviderArn"],)}
                facts |= {"deleting": True} if deleting else {}
                facts["clusters"] = tuple(one.id for one in clusters if name in (one.spec.capacity_providers or ()))
                found.append(Observed(address, name, _read(item), tags, health, reason, facts=facts))
        return found

    def create(self, new: Desired[CapacityProviderSpec]) -> Calls[str]:
        name = new.spec.name
        there = yield from _there(name)
        if there:
            if not _tags.is_this(_ecs.tags_of(there[0]), new):
                raise errors.Exists(f"there is a capacity provider {name} already, which is not of this stack")
            return name
        yield ecs.create_capacity_provider(
            name=name,
            autoScalingGroupProvider={"autoScalingGroupArn": new.spec.group, **_written(new.spec)},
            tags=_ecs.pairs(new.tags),
        )
        return name

    def update(
        self, old: Observed[CapacityProviderSpec], new: Desired[CapacityProviderSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        if changes:
            yield ecs.update_capacity_provider(name=old.id, autoScalingGroupProvider=_written(new.spec))

    def delete(self, old: Observed[CapacityProviderSpec]) -> Calls[None]:
        """ECS deletes one that no cluster lists. One that leaves the specs is off the list by now, and one that is
        replaced is not."""
        if not old.facts.get("deleting") and (yield from _there(old.id)):
            for cluster in old.facts.get("clusters", ()):
                yield from _detach(cluster, old.id)
            yield from _gone.let_go(ecs.delete_capacity_provider(capacityProvider=old.id))

    def update_tags(
        self, old: Observed[CapacityProviderSpec], put: Mapping[str, str], drop: Iterable[str]
    ) -> Calls[None]:
        yield from _ecs.update_tags(old.facts["arn"], put, drop)


def _there(name: str) -> Calls[list[dict[str, Any]]]:
    call = ecs.describe_capacity_providers(capacityProviders=[name], include=["TAGS"])
    return [one for one in _ecs.found(call, (yield call), "capacityProviders") if one["status"] == "ACTIVE"]


def _detach(cluster: str, name: str) -> Calls[None]:
    """Take it off a cluster's list and default strategy, as they are now."""
    call = ecs.describe_clusters(clusters=[cluster])
    for item in _ecs.found(call, (yield call), "clusters"):
        listed = item.get("capacityProviders") or ()
        if name not in listed:
            continue
        shares = item.get("defaultCapacityProviderStrategy") or ()
        try:
            yield ecs.put_cluster_capacity_providers(
                cluster=cluster,
                capacityProviders=sorted(set(listed) - {name}),
                defaultCapacityProviderStrategy=[share for share in shares if share["capacityProvider"] != name],
            )
        except errors.InUse as refusal:  # of the cluster; nothing of the capacity provider has happened
            raise errors.Blocked(str(refusal)) from refusal


def _written(spec: CapacityProviderSpec) -> dict[str, Any]:
    return {
        "managedScaling": {"status": "ENABLED", "targetCapacity": spec.target_capacity},
        "managedTerminationProtection": _state(spec.termination_protection),
        "managedDraining": _state(spec.draining),
    }


def _state(on: bool) -> str:
    return "ENABLED" if on else "DISABLED"


def _read(item: Mapping[str, Any]) -> CapacityProviderSpec:
    """A target of 0 is managed scaling that is off."""
    group = item.get("autoScalingGroupProvider") or {}
    scaling = group.get("managedScaling") or {}
    return CapacityProviderSpec(
        name=item["name"],
        group=group.get("autoScalingGroupArn", ""),
        target_capacity=scaling.get("targetCapacity", 100) if scaling.get("status") == "ENABLED" else 0,
        termination_protection=group.get("managedTerminationProtection") == "ENABLED",
        draining=group.get("managedDraining") == "ENABLED",
    )


def _health(item: Mapping[str, Any]) -> tuple[ResourceHealth, str]:
    state = item.get("updateStatus", "")
    if state.endswith("_FAILED"):
        return ResourceHealth.DEGRADED, item.get("updateStatusReason") or f"the capacity provider is {state}"
    if state.endswith("_IN_PROGRESS"):
        return ResourceHealth.PROGRESSING, f"the capacity provider is {state}"
    return ResourceHealth.READY, ""
