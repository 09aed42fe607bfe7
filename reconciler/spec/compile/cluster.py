"""Compilation of a Cluster, and of the capacity providers of a workload."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.model.resource import Address, Desired, Link, Ref
from reconciler.resources._ecs import Strategy
from reconciler.resources.cluster import ClusterSpec
from reconciler.resources.namespace import NamespaceSpec
from reconciler.spec import members
from reconciler.spec.compile.context import Context, unstated
from reconciler.spec.documents import Cluster


def compile_cluster(context: Context, cluster: Cluster) -> Iterator[Desired[Any]]:
    yield context.desired(
        cluster,
        Address("cluster", cluster.name),
        ClusterSpec(
            name=cluster.name_in_aws,
            capacity_providers=cluster.capacity_providers,
            default_strategy=strategy(cluster.default_strategy),
            container_insights=cluster.container_insights,
            aws=members.said(cluster),
        ),
        kept=unstated(cluster, capacity_providers="capacity_providers", default_strategy="default_strategy"),
    )
    if cluster.namespace is not None:
        spec = NamespaceSpec(name=cluster.namespace.name, aws=members.said(cluster.namespace))
        yield context.desired(cluster, namespace_address(cluster), spec, "namespace")


def namespace_address(cluster: Cluster) -> Address:
    assert cluster.namespace is not None
    return Address("namespace", cluster.namespace.name)


def strategy(shares: Iterable[Any]) -> tuple[Strategy, ...]:
    return tuple(Strategy(provider=share.name, weight=share.weight, base=share.base) for share in shares)


def cluster_link(name: str) -> Link:
    """A cluster outside the specs is given by its ARN; its name is what ECS takes everywhere."""
    return name.rpartition("/")[2] if name.startswith("arn:") else Ref(Address("cluster", name))


def capacity(context: Context, workload: Any) -> dict[str, Any]:
    """`launch_type` or `capacity_provider_strategy` of a Service or Task.

    Neither written: the cluster's default strategy if it has one, else plain Fargate.
    """
    if workload.capacity_providers:
        return {"capacity_provider_strategy": strategy(workload.capacity_providers)}
    cluster = context.specs.get(Cluster, workload.cluster)
    if workload.launch is None and cluster is not None and cluster.default_strategy:
        return {"capacity_provider_strategy": strategy(cluster.default_strategy)}
    return {"launch_type": "FARGATE"}
