"""The capacity providers of a cluster with EC2 capacity, and its default strategy, as a resource of their own.

Apart from the cluster, because they come and go at other times: instances join the cluster that is there before their
capacity provider, and it can only be deleted once they are gone, which their capacity provider has to be before. It has
no id and no tags of its own; its owner is the cluster's. Fargate's providers stay attached when it goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.other_tools import CLOUDFORMATION, TERRAFORM
from reconciler.model.resource import Address, Batch, Call, Calls, Desired, Link, Observed
from reconciler.model.resource_type import FieldMark, ResourceType, Scope
from reconciler.model.usage import Usage
from reconciler.resources import _ecs, _gone
from reconciler.resources._ecs import Strategy, ecs


class ClusterCapacitySpec(resource.Spec):
    cluster: Annotated[Link, FieldMark.IMMUTABLE]
    providers: Annotated[tuple[Link, ...], FieldMark.UNORDERED]
    default_strategy: Annotated[tuple[Strategy, ...], FieldMark.UNORDERED]


class ClusterCapacity(ResourceType[ClusterCapacitySpec]):
    kind: ClassVar[str] = "cluster-capacity"
    Spec = ClusterCapacitySpec
    not_exported: ClassVar[Mapping[str, str]] = {
        TERRAFORM: "aws_ecs_cluster_capacity_providers of its cluster has it",
        CLOUDFORMATION: "AWS::ECS::ClusterCapacityProviderAssociations of its cluster has it",
    }
    inside: ClassVar[tuple[str, str] | None] = ("cluster", "cluster")
    observe_after: ClassVar[tuple[str, ...]] = ("cluster", "capacity-provider")

    def retaining(
        self, old: Observed[ClusterCapacitySpec], new: Desired[ClusterCapacitySpec], usage: Usage
    ) -> Desired[ClusterCapacitySpec]:
        """As of a cluster: what tasks run on stays attached."""
        wanted = new.spec.providers
        kept = [one for one in old.spec.providers if one in usage.lost and one not in wanted]
        return replace(new, spec=new.spec.model_copy(update={"providers": (*wanted, *kept)})) if kept else new

    def observe(self, scope: Scope) -> Calls[list[Observed[ClusterCapacitySpec]]]:
        """What the cluster was read with; it is there once a provider of the stack is attached."""
        yield Batch.of(())
        ours = {one.id for one in scope.ours("capacity-provider")}
        wanted = {want.spec.cluster: want for want in scope.wanted}
        found = []
        for cluster in scope.seen.get("cluster", ()):
            attached = cluster.spec.capacity_providers or ()
            if ours.isdisjoint(attached):
                continue
            want = wanted.get(cluster.id)
            address = Address(self.kind, cluster.address.name) if want is None else want.address
            spec = ClusterCapacitySpec(
                cluster=cluster.id, providers=attached, default_strategy=cluster.spec.default_strategy or ()
            )
            found.append(
                Observed(
                    address,
                    f"{cluster.id}/capacity",
                    spec,
                    tags=cluster.tags,
                    health=cluster.health,
                    reason=cluster.reason,
                    parent=cluster.id,
                )
            )
        return found

    def create(self, new: Desired[ClusterCapacitySpec]) -> Calls[str]:
        yield _put(new.spec)
        return f"{new.spec.cluster}/capacity"

    def update(
        self, old: Observed[ClusterCapacitySpec], new: Desired[ClusterCapacitySpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        if changes:
            yield _put(new.spec)

    def delete(self, old: Observed[ClusterCapacitySpec]) -> Calls[None]:
        spec = old.spec
        left = spec.model_copy(
            update={
                "providers": tuple(one for one in spec.providers if _built_in(one)),
                "default_strategy": tuple(one for one in spec.default_strategy if _built_in(one.provider)),
            }
        )
        yield from _gone.let_go(_put(left))

    def update_tags(
        self, old: Observed[ClusterCapacitySpec], put: Mapping[str, str], drop: Iterable[str]
    ) -> Calls[None]:
        """The cluster's tags stand for its own."""
        yield from ()


def _built_in(provider: Any) -> bool:
    return str(provider).startswith("FARGATE")


def _put(spec: ClusterCapacitySpec) -> Call:
    return ecs.put_cluster_capacity_providers(
        cluster=spec.cluster,
        capacityProviders=sorted(map(str, spec.providers)),
        defaultCapacityProviderStrategy=_ecs.strategy_items(spec.default_strategy),
    )
