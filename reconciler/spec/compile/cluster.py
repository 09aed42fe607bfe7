"""Compilation of a Cluster, and of the capacity providers of a workload."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model.resource import Address, Desired, Keep, Link, Ref
from reconciler.resources.cluster import EXEC, ClusterSpec
from reconciler.resources.namespace import NamespaceSpec
from reconciler.spec import members, queries
from reconciler.spec.compile import role
from reconciler.spec.compile.context import Context, strategy, unstated
from reconciler.spec.compile.ec2_capacity import compile_ec2_capacity
from reconciler.spec.documents import Cluster
from reconciler.spec.documents.cluster import ExecLogging


def compile_cluster(context: Context, cluster: Cluster) -> Iterator[Desired[Any]]:
    yield context.desired(
        cluster,
        Address("cluster", cluster.name),
        ClusterSpec(
            name=cluster.name_in_aws,
            capacity_providers=None if cluster.ec2_capacity else cluster.capacity_providers,
            default_strategy=None if cluster.ec2_capacity else strategy(cluster.default_strategy, cluster),
            container_insights=cluster.container_insights,
            exec=None if cluster.exec_logging is None else _exec_logging(cluster.exec_logging),
            aws=members.said(cluster),
        ),
        kept=unstated(cluster, capacity_providers="capacity_providers", default_strategy="default_strategy"),
        members={} if cluster.exec_logging is None else {EXEC: Keep.STATED},
    )
    if cluster.namespace is not None:
        spec = NamespaceSpec(name=cluster.namespace.name_in_aws, aws=members.said(cluster.namespace))
        yield context.desired(cluster, namespace_address(cluster), spec, "namespace")
    yield from compile_ec2_capacity(context, cluster)


def _exec_logging(logging: ExecLogging) -> dict[str, Any]:
    destination = {
        "cloudWatchLogGroupName": logging.log_group,
        "cloudWatchEncryptionEnabled": logging.encrypted and logging.log_group is not None,
        "s3BucketName": logging.bucket,
        "s3EncryptionEnabled": logging.encrypted and logging.bucket is not None,
        "s3KeyPrefix": logging.prefix,
    }
    chosen = {name: value for name, value in destination.items() if value}
    how = "NONE" if not logging.enabled else "OVERRIDE" if chosen else "DEFAULT"
    key = {} if logging.kms_key is None else {"kmsKeyId": logging.kms_key}
    return {"logging": how, **({"logConfiguration": chosen} if chosen else {}), **key}


def exec_statements(context: Context, workload: Any) -> Iterator[dict[str, Any]]:
    """What logging its sessions takes, in the name of the task (ECS developer guide, "Monitor Amazon ECS containers
    with ECS Exec", logging)."""
    cluster = context.specs.get(Cluster, workload.cluster)
    logging = None if cluster is None else cluster.exec_logging
    if logging is None:
        return
    if logging.log_group is not None:
        group = context.arn("logs", f"log-group:{logging.log_group}:*")
        yield role.allow(["logs:DescribeLogGroups"], ["*"])
        yield role.allow(["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], [group])
    if logging.bucket is not None:
        bucket = f"arn:{context.partition}:s3:::{logging.bucket}"
        yield role.allow(["s3:GetEncryptionConfiguration"], [bucket])
        yield role.allow(["s3:PutObject"], [f"{bucket}/*"])
    if logging.kms_key is not None:
        yield role.allow(["kms:Decrypt"], [logging.kms_key])


def namespace_address(cluster: Cluster) -> Address:
    assert cluster.namespace is not None
    return Address("namespace", cluster.namespace.name)


def cluster_link(name: str) -> Link:
    """A cluster that others own is given by its ARN or its name, and its name is what ECS takes everywhere."""
    return queries.name_in_arn(name) if queries.is_outside(name) else Ref(Address("cluster", name))


def capacity(context: Context, workload: Any) -> dict[str, Any]:
    """`launch_type` or `capacity_provider_strategy` of a Service or Task.

    Neither written: the cluster's default strategy if it has one, else plain Fargate.
    """
    shares = strategy(queries.shares(context.specs, workload), context.specs.get(Cluster, workload.cluster))
    return {"capacity_provider_strategy": shares} if shares else {"launch_type": workload.launch or "FARGATE"}
