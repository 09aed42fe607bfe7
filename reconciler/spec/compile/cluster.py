"""Compilation of a Cluster, and of the capacity providers of a workload."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model.resource import Address, Desired, Link, Ref
from reconciler.resources.cluster import ClusterSpec
from reconciler.resources.namespace import NamespaceSpec
from reconciler.spec import queries
from reconciler.spec.compile.context import Context, strategy, unstated
from reconciler.spec.compile.ec2_capacity import compile_ec2_capacity
from reconciler.spec.documents import Cluster


def compile_cluster(context: Context, cluster: Cluster) -> Iterator[Desired[Any]]:
    yield context.desired(
        cluster,
        Address("cluster", cluster.name),
        ClusterSpec(
            name=cluster.name_in_aws,
            capacity_providers=None if cluster.ec2_capacity else cluster.capacity_providers,
            default_strategy=None if cluster.ec2_capacity else strategy(cluster.default_strategy),
            container_insights=cluster.container_insights,
        ),
        kept=unstated(cluster, capacity_providers="capacity_providers", default_strategy="default_strategy"),
    )
    if cluster.namespace is not None:
        spec = NamespaceSpec(name=cluster.namespace)
        yield context.desired(cluster, namespace_address(cluster), spec, "namespace")
    yield from compile_ec2_capacity(context, cluster)


def namespace_address(cluster: Cluster) -> Address:
    assert cluster.namespace is not None
    return Address("namespace", cluster.namespace)


def cluster_link(name: str) -> Link:
    """A cluster outside the specs is given by its ARN; its name is what ECS takes everywhere."""
    return name.rpartition("/")[2] if name.startswith("arn:") else Ref(Address("cluster", name))


def capacity(context: Context, workload: Any) -> dict[str, Any]:
    """`launch_type` or `capacity_provider_strategy` of a Service or Task.

    Neither written: the cluster's default strategy if it has one, else plain Fargate.
    """
    shares = queries.shares(context.specs, workload)
    return {"capacity_provider_strategy": strategy(shares)} if shares else {"launch_type": "FARGATE"}
